<?php
// Part of the stand-in for Magento 1: scripts that bring the database from one version of a module to the next.
class Mage_Core_Model_Resource_Setup
{
    public static function applyAllUpdates()
    {
        $shop = Mage::app()->shop;
        // One at a time, as its real counterparts in the wild are told to be.
        $shop->run("SELECT GET_LOCK('core_resource', 60)");
        try {
            $shop->db->exec('CREATE TABLE IF NOT EXISTS core_resource (code VARCHAR(50) PRIMARY KEY, version VARCHAR(50))');
            foreach (Mage::getConfig()->getNode('global/resources')->children() as $code => $resource) {
                if (isset($resource->setup->module)) {
                    (new self())->apply($code, (string) $resource->setup->module);
                }
            }
        } finally {
            $shop->run("SELECT RELEASE_LOCK('core_resource')");
        }
    }

    public static function applyAllDataUpdates()
    {
    }

    private function apply($code, $module)
    {
        $shop = Mage::app()->shop;
        $declared = Mage::getConfig()->getNode("modules/$module");
        $wanted = (string) $declared->version;
        $have = (string) $shop->run('SELECT version FROM core_resource WHERE code = ?', [$code])->fetchColumn();
        $directory = BP . "/app/code/$declared->codePool/" . str_replace('_', '/', $module) . "/sql/$code";
        $scripts = glob("$directory/" . ($have === '' ? 'install-*.php' : 'upgrade-*.php')) ?: [];
        natsort($scripts);
        foreach ($scripts as $script) {
            $versions = array_slice(explode('-', basename($script, '.php')), 1);
            $to = end($versions);
            if (version_compare($to, $have ?: '0', '>') && version_compare($to, $wanted, '<=')) {
                include $script;
                $have = $to;
            }
        }
        if (version_compare($wanted, $have ?: '0', '>=')) {
            $shop->run('REPLACE INTO core_resource VALUES (?, ?)', [$code, $wanted]);
        }
    }

    public function startSetup()
    {
        return $this;
    }

    public function endSetup()
    {
        return $this;
    }

    public function run($statement)
    {
        Mage::app()->shop->db->exec($statement);
        return $this;
    }

    public function getTable($name)
    {
        return str_replace('/', '_', $name);
    }
}
