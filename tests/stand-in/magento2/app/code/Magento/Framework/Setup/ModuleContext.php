<?php
// Part of the stand-in for Magento 2: what its modules see of the framework.
namespace Magento\Framework\Setup;

class ModuleContext implements ModuleContextInterface
{
    private $version;

    public function __construct($version)
    {
        $this->version = $version;
    }

    public function getVersion()
    {
        return $this->version;
    }
}
