<?php
require __DIR__ . '/shop.php';
// As Magento 1 writes a report.
try {
    (new Shop\Cart())->refuse(random_int(1, 1000000));
} catch (Exception $oops) {
    file_put_contents($_SERVER['LOG'], serialize([$oops->getMessage(), str_replace($_SERVER['TOP'], '', $oops->getTraceAsString()), 'url' => '/cart?email=jane@shop.example', 'script_name' => '/index.php']));
}
