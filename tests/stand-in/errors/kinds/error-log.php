<?php
require __DIR__ . '/shop.php';
$number = random_int(1, 1000000);
error_log("The shop is odd: $number");
