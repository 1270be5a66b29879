<?php
require __DIR__ . '/shop.php';
// As Zend_Log_Formatter_Simple writes what Mage::logException() gives it.
try {
    (new Shop\Cart())->refuse(random_int(1, 1000000));
} catch (Exception $oops) {
    file_put_contents($_SERVER['LOG'], sprintf("%s ERR (3): \n%s\n", date('c'), $oops), FILE_APPEND);
}
