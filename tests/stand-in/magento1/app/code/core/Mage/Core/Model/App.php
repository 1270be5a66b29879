<?php
// Part of the stand-in for Magento 1: what a request stands on, and the updates that a cold cache brings.
class Mage_Core_Model_App
{
    /** @var StandIn_Shop */
    public $shop;
    private $config;
    private $cache;
    private $redis;
    private $headers = [];
    private $body = '';

    public function init(Mage_Core_Model_Config $config)
    {
        $this->config = $config;
        $config->base();
        if (!(string) $config->getNode('global/install/date')) {
            throw new RuntimeException('Magento is not installed');
        }
        $redis = $config->getNode('global/cache/backend_options');
        if ((string) $config->getNode('global/cache/backend') !== '') {
            $this->redis = new StandIn_Redis((string) $redis->server, (string) $redis->port, (string) $redis->password, (string) $redis->database);
        }
        $prefix = (string) $config->getNode('global/cache/id_prefix') ?: substr(md5(BP . '/app/etc'), 0, 3) . '_';
        $this->cache = new StandIn_Cache($this->redis, Mage::getBaseDir('var') . '/cache', $prefix);
        $cached = $config->load($this->cache);
        $to = $config->getNode('global/resources/default_setup/connection');
        $this->shop = new StandIn_Shop(StandIn_Shop::connect((string) $to->host, (string) $to->username, (string) $to->password, (string) $to->dbname), BP . '/media');
        if (!$cached) {
            if (!(string) $config->getNode('global/skip_process_modules_updates')) {
                Mage_Core_Model_Resource_Setup::applyAllUpdates();
            }
            $config->loadDb();
        }
    }

    public function run()
    {
        $this->session();
        (new Mage_Core_Controller_Front($this))->dispatch();
        Mage::dispatchEvent('controller_front_send_response_before');
        foreach ($this->headers as $name => $value) {
            $name === 'Status' ? http_response_code($value) : header("$name: $value");
        }
        echo $this->body;
    }

    private function session()
    {
        $save = (string) $this->config->getNode('global/session_save') ?: 'files';
        $redis = null;
        if ($save === 'redis') {
            $to = $this->config->getNode('global/redis_session');
            $redis = new StandIn_Redis((string) $to->host, (string) $to->port, (string) $to->password, (string) $to->db);
        } elseif ($save === 'files') {
            session_save_path(Mage::getBaseDir('var') . '/session');
            is_dir(session_save_path()) || mkdir(session_save_path(), 0777, true);
        }
        $locks = !(string) $this->config->getNode('global/redis_session/disable_locking');
        $admin = strpos($_SERVER['REQUEST_URI'], '/' . $this->adminPath()) === 0;
        StandIn_Session::start($redis, $save === 'db' ? $this->shop->db : null, $locks, $admin ? 'adminhtml' : 'frontend', $this->isSecure());
    }

    public function adminPath()
    {
        return (string) $this->config->getNode('admin/routers/adminhtml/args/frontName') ?: 'admin';
    }

    public function isSecure()
    {
        return !in_array($_SERVER['HTTPS'] ?? '', ['', 'off'], true);
    }

    public function loadCache($id)
    {
        return $this->cache->load($id);
    }

    public function saveCache($data, $id, array $tags = [])
    {
        return $this->cache->save($data, $id, array_merge($tags, ['MAGE']));
    }

    public function cleanCache(array $tags = [])
    {
        if (!$tags && $this->redis) {
            return $this->redis->flushdb();
        }
        return $this->cache->clean($tags);
    }

    public function getRequest()
    {
        return $this;
    }

    public function getParam($name)
    {
        return $_REQUEST[$name] ?? null;
    }

    public function getResponse()
    {
        return $this;
    }

    public function setHeader($name, $value, $replace = false)
    {
        $this->headers[$name] = $value;
        return $this;
    }

    public function setBody($body)
    {
        $this->body = $body;
        return $this;
    }

    public function clearBody()
    {
        return $this->setBody('');
    }
}
