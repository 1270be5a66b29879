<?php
// Part of the stand-in for Magento 2: what its modules see of the framework.
namespace Magento\Framework\Setup;

interface SchemaSetupInterface
{
    public function getConnection();
}
