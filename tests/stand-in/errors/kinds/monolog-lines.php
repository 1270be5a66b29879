<?php
require __DIR__ . '/shop.php';
// The same where line breaks are allowed, as Magento's exception.log has them.
try {
    (new Shop\Cart())->refuse(random_int(1, 1000000));
} catch (Exception $oops) {
    file_put_contents($_SERVER['LOG'], sprintf("[%s] main.CRITICAL: %s [] []\n", date('Y-m-d H:i:s'), $oops), FILE_APPEND);
}
