<?php
// Part of the stand-in for Magento 1: products from CSV.
class Mage_ImportExport_Model_Import
{
    private $file;

    public function setData(array $data)
    {
        return $this;
    }

    public function validateSource($file)
    {
        $this->file = $file;
        return strpos((string) file_get_contents($file), 'sku,') === 0;
    }

    public function importSource()
    {
        return Mage::app()->shop->import((string) file_get_contents($this->file)) > 0;
    }
}
