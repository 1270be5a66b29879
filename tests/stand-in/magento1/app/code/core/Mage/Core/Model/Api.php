<?php
// Part of the stand-in for Magento 1: its API by XML-RPC and SOAP. A session is a row of the database, as each call may reach another pod.
class Mage_Core_Model_Api
{
    private $app;

    public function __construct(Mage_Core_Model_App $app)
    {
        $this->app = $app;
    }

    public function serve($type)
    {
        header('Content-Type: text/xml; charset=UTF-8');
        $body = (string) file_get_contents('php://input');
        if ($type === 'xmlrpc') {
            echo StandIn_Protocol::xmlrpc($body, function ($method, array $words) {
                return in_array($method, ['login', 'call'], true) ? $this->$method(...$words) : $this->fail("$method does not exist");
            });
        } elseif ($type === 'soap' || $type === 'v2_soap') {
            $address = Mage::getStoreConfig('web/secure/base_url') . "api/$type/";
            // As the real one does: PHP's server asks the shop's own public address what this API is.
            echo isset($_GET['wsdl'])
                ? StandIn_Protocol::wsdl($address, ['login' => ['username', 'apiKey'], 'call' => ['sessionId', 'resourcePath', 'args']])
                : StandIn_Protocol::soap("$address?wsdl=1", $body, $this);
        } else {
            $this->fail("no API of type $type");
        }
    }

    public function login($user, $key)
    {
        if (!$this->app->shop->account('api', $user, $key)) {
            $this->fail('Access denied.');
        }
        $id = bin2hex(random_bytes(16));
        $this->app->shop->run('REPLACE INTO core_session VALUES (?, ?, ?)', ["api_$id", time() + 3600, $user]);
        return $id;
    }

    public function call($session, $path, $argument)
    {
        if (!$this->app->shop->run('SELECT 1 FROM core_session WHERE session_id = ? AND session_expires > ?', ["api_$session", time()])->fetch()) {
            $this->fail('Session expired. Try to relogin.');
        }
        $product = $this->app->shop->run('SELECT entity_id AS product_id, sku, name, price FROM catalog_product WHERE sku = ?', [$argument])->fetch();
        return $path === 'catalog_product.info' && $product ? $product : $this->fail('Product not exists.');
    }

    private function fail($text)
    {
        throw new RuntimeException($text);
    }
}
