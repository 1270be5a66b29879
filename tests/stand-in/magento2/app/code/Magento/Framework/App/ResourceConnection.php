<?php
// Part of the stand-in for Magento 2: what its modules see of the framework.
namespace Magento\Framework\App;

class ResourceConnection
{
    private $shop;

    public function __construct(\StandIn_Shop $shop)
    {
        $this->shop = $shop;
    }

    public function getConnection()
    {
        return $this;
    }

    public function getTableName($name)
    {
        return $name;
    }

    public function fetchOne($statement)
    {
        return $this->shop->run($statement)->fetchColumn();
    }
}
