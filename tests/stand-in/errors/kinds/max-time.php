<?php
require __DIR__ . '/shop.php';
$number = random_int(1, 1000000);
set_time_limit(1);
while (true) {
}
