<?php
// Part of the stand-in for Magento 1: products as CSV.
class Mage_ImportExport_Model_Export
{
    public function setData(array $data)
    {
        return $this;
    }

    public function export()
    {
        return Mage::app()->shop->export();
    }
}
