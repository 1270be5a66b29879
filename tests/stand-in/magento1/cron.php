<?php
// A stand-in for Magento 1's cron: php cron.php -mdefault.
require __DIR__ . '/app/Mage.php';
umask(0);
$mode = substr((string) (preg_grep('/^-m/', $argv ?? []) ? current(preg_grep('/^-m/', $argv)) : '-mdefault'), 2);
try {
    Mage::app('admin');
    Mage::app()->shop->job("standin_$mode", (string) Mage::getConfig()->getNode('global/longshore_probe/release'));
} catch (Throwable $problem) {
    Mage::logException($problem);
    fwrite(STDERR, "$problem\n");
    exit(1);
}
