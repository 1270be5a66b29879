<?php
require __DIR__ . '/shop.php';
$number = random_int(1, 1000000);
file_put_contents("php://stderr", "a worker says $number\n");
