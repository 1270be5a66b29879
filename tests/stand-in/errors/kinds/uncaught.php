<?php
require __DIR__ . '/shop.php';
$number = random_int(1, 1000000);
(new Shop\Cart())->refuse($number);
