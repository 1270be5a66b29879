<?php
// Part of the stand-in for Magento 1: the configuration that is in the database.
class Mage_Core_Model_Resource_Config
{
    public function loadToXml(Mage_Core_Model_Config $xmlConfig, $condition = null)
    {
        foreach (Mage::app()->shop->values() as $path => $value) {
            $xmlConfig->setNode("default/$path", $value);
        }
        return $this;
    }
}
