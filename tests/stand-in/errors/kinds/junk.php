<?php
require __DIR__ . '/shop.php';
$number = random_int(1, 1000000);
error_log("junk " . implode("", array_map("chr", range(1, 9))) . "\x1b[2J\xff\xfe\xc3\x28 of $number");
