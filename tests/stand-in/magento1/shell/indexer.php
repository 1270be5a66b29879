<?php
// A stand-in for Magento 1's shell/indexer.php: php shell/indexer.php reindexall.
require dirname(__DIR__) . '/app/Mage.php';
Mage::app('admin')->shop->reindex();
echo "Catalog Search Index index was rebuilt successfully in 00:00:00\n";
