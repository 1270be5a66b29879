<?php
// Part of the stand-in for Magento 2: REST with a checkout for guests, and SOAP.
namespace StandIn\Shop;

class Api
{
    private $app;

    public function __construct(App $app)
    {
        $this->app = $app;
    }

    /** @return array{int, string} status and body */
    public function serve($path)
    {
        $body = (string) file_get_contents('php://input');
        if (strpos($path, 'soap/') === 0) {
            $wsdl = \StandIn_Protocol::wsdl($this->app->getValue('web/secure/base_url') . 'soap/default', ['catalogProductRepositoryV1Get' => ['sku']]);
            return [200, isset($_GET['wsdl']) ? $wsdl : \StandIn_Protocol::soapOf($wsdl, $body, $this)];
        }
        $given = json_decode($body, true) ?: [];
        $words = explode('/', $path);
        $post = $_SERVER['REQUEST_METHOD'] === 'POST';
        $answer = null;
        if ($path === 'rest/V1/integration/admin/token' && $post) {
            $known = $this->app->shop->account('admin', $given['username'] ?? '', $given['password'] ?? '');
            $answer = $known ? $this->keep('token', ['admin' => $known]) : null;
        } elseif (preg_match('#^rest/V1/products/(\w+)$#', $path, $found)) {
            $bearer = preg_replace('/^Bearer /', '', $_SERVER['HTTP_AUTHORIZATION'] ?? '');
            $answer = $this->kept('token', $bearer) ? $this->product($found[1]) : null;
        } elseif ($path === 'rest/V1/guest-carts' && $post) {
            $answer = $this->keep('cart', ['items' => []]);
        } elseif (preg_match('#^rest/V1/guest-carts/(\w+)/([\w-]+)$#', $path, $found) && $post) {
            $answer = $this->cart($found[1], $found[2], $given);
        }
        return $answer === null ? [$words[2] === 'products' ? 401 : 404, json_encode(['message' => 'Request does not match any route.'])] : [200, json_encode($answer)];
    }

    private function cart($id, $action, array $given)
    {
        $cart = $this->kept('cart', $id);
        if (!$cart) {
            return null;
        }
        if ($action === 'items') {
            $product = $this->product($given['cartItem']['sku']);
            $cart['items'][$product['entity_id']] = $given['cartItem']['qty'];
        } elseif ($action === 'shipping-information') {
            $cart['email'] = $given['addressInformation']['billing_address']['email'] ?? '';
        } elseif ($action === 'payment-information') {
            return $this->app->shop->order($given['email'] ?? $cart['email'], $cart['items']);
        }
        $this->keep('cart', $cart, $id);
        return $cart;
    }

    private function product($sku)
    {
        return $this->app->shop->run('SELECT entity_id, sku, name, price FROM catalog_product WHERE sku = ?', [$sku])->fetch() ?: null;
    }

    public function catalogProductRepositoryV1Get($sku)
    {
        return $this->product($sku);
    }

    private function keep($kind, array $data, $id = null)
    {
        $id = $id ?? bin2hex(random_bytes(16));
        $this->app->shop->run('REPLACE INTO core_session VALUES (?, ?, ?)', ["{$kind}_$id", time() + 3600, json_encode($data)]);
        return $id;
    }

    private function kept($kind, $id)
    {
        $found = $this->app->shop->run('SELECT session_data FROM core_session WHERE session_id = ?', ["{$kind}_$id"])->fetchColumn();
        return $found ? json_decode($found, true) : null;
    }
}
