<?php
/** Longshore's harness adds this module to each release: every page says of which release its code, its configuration and its blocks are. */
class Longshore_Probe_Model_Observer
{
    const RELEASE = '@RELEASE@';

    public function layout($observer)
    {
        if ('@FAULT@' === 'throws') {
            throw new RuntimeException('release ' . self::RELEASE . ' throws in every layout');
        }
    }

    /** The cached configuration names this method: with another release's code it does not exist. */
    public function facts@RELEASE@($observer)
    {
        $app = Mage::app();
        if ($app->getRequest()->getParam('longshore_probe') === 'throw') {
            throw new RuntimeException('the probe was asked to throw');
        }
        $block = $app->loadCache('longshore_probe');
        if ($block === false) {
            $block = self::RELEASE;
            $app->saveCache($block, 'longshore_probe', ['BLOCK_HTML']);
        }
        $config = Mage::getConfig();
        $resource = Mage::getSingleton('core/resource');
        $sql = sprintf("SELECT version FROM %s WHERE code = 'longshore_probe_setup'", $resource->getTableName('core/resource'));
        $facts = [
            'code' => self::RELEASE,
            'config' => $config->getNode('global/longshore_probe/release'),
            'block' => $block,
            'module' => $config->getNode('modules/Longshore_Probe/version'),
            'schema' => $resource->getConnection('core_read')->fetchOne($sql),
            'tree' => basename(dirname(__DIR__, 6)),
        ];
        $app->getResponse()->setHeader('X-Longshore-Facts', urldecode(http_build_query(array_map('strval', $facts), '', ' ')), true);
        if ('@FAULT@' === 'empty') {
            $app->getResponse()->clearBody();
        }
    }
}
