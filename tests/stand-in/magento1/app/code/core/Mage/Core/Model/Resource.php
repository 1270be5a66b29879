<?php
// Part of the stand-in for Magento 1: its connection to the database.
class Mage_Core_Model_Resource
{
    public function getConnection($name)
    {
        return $this;
    }

    public function fetchOne($statement)
    {
        return Mage::app()->shop->run($statement)->fetchColumn();
    }

    public function getTableName($name)
    {
        return str_replace('/', '_', $name);
    }
}
