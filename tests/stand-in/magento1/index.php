<?php
// A stand-in for Magento 1, written for Longshore's tests: the front of a shop.
define('MAGENTO_ROOT', __DIR__);
if (is_file(MAGENTO_ROOT . '/maintenance.flag')) {
    http_response_code(503);
    exit('Service Temporarily Unavailable');
}
require MAGENTO_ROOT . '/app/Mage.php';
umask(0);
Mage::run($_SERVER['MAGE_RUN_CODE'] ?? '', $_SERVER['MAGE_RUN_TYPE'] ?? 'store');
