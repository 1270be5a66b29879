<?php
// Part of the stand-in for Magento 2: what its modules see of the framework.
namespace Magento\Framework\App\Config;

interface ScopeConfigInterface
{
    public function getValue($path, $scope = 'default', $code = null);
}
