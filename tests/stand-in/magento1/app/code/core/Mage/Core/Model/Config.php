<?php
// Part of the stand-in for Magento 1: its configuration, merged from XML and the database, and cached.
class Mage_Core_Model_Config
{
    const ID = 'config_global';

    private $xml;
    private $cache;
    private $local;

    public function base()
    {
        $this->xml = simplexml_load_string('<config/>');
        foreach (glob(BP . '/app/etc/*.xml') as $file) {
            $this->extend($file);
        }
    }

    /** From the cache, or else from all files. @return bool whether it was cached */
    public function load(StandIn_Cache $cache)
    {
        $this->cache = $cache;
        $cached = $cache->load(self::ID);
        if ($cached !== false) {
            $this->xml = simplexml_load_string($cached);
            return true;
        }
        $this->reinit();
        return false;
    }

    public function reinit()
    {
        $this->base();
        foreach (glob(BP . '/app/etc/modules/*.xml') as $file) {
            $this->extend($file);
        }
        foreach ($this->xml->modules->children() as $name => $module) {
            $file = BP . "/app/code/$module->codePool/" . str_replace('_', '/', $name) . '/etc/config.xml';
            if ((string) $module->active === 'true' && is_file($file)) {
                $this->extend($file);
            }
        }
        // Again, so that it wins over modules. What is in the database wins over it.
        $this->extend(BP . '/app/etc/local.xml');
    }

    /** By a class that `local.xml` may replace with one of its own. */
    public function loadDb()
    {
        $class = (string) $this->getNode('global/models/core_resource/rewrite/config') ?: 'Mage_Core_Model_Resource_Config';
        (new $class())->loadToXml($this);
        $this->cache->save($this->xml->asXML(), self::ID, ['CONFIG']);
    }

    public function getNode($path)
    {
        $node = $this->xml;
        foreach (explode('/', $path) as $name) {
            if (!isset($node->$name)) {
                return false;
            }
            $node = $node->$name;
        }
        return $node;
    }

    public function setNode($path, $value)
    {
        $node = $this->xml;
        foreach (explode('/', $path) as $name) {
            $node = isset($node->$name) ? $node->$name : $node->addChild($name);
        }
        $node[0] = $value;
    }

    private function extend($file)
    {
        $more = @simplexml_load_file($file, 'SimpleXMLElement', LIBXML_NOCDATA);
        if (!$more) {
            throw new RuntimeException("$file is not XML");
        }
        $this->merge($this->xml, $more);
    }

    private function merge(SimpleXMLElement $into, SimpleXMLElement $from)
    {
        foreach ($from->children() as $name => $child) {
            $to = isset($into->$name) ? $into->$name : $into->addChild($name);
            // A text takes the place of a text, and not of what has names below it.
            if (count($child->children()) === 0 && count($to->children()) === 0) {
                $to[0] = (string) $child;
            }
            $this->merge($to, $child);
        }
    }
}
