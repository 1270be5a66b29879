<?php
require __DIR__ . '/shop.php';
$number = random_int(1, 1000000);
ini_set("memory_limit", "8M");
str_repeat("x", 100000000 + $number);
