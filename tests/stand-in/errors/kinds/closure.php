<?php
require __DIR__ . '/shop.php';
$number = random_int(1, 1000000);
$run = function ($number) {
    (new Shop\Cart())->refuse($number);
};
array_map($run, [$number]);
