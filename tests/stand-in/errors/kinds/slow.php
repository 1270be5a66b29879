<?php
require __DIR__ . '/shop.php';
$number = random_int(1, 1000000);
function waits()
{
    usleep(2500000);
}
waits();
