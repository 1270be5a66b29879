<?php
require __DIR__ . '/shop.php';
$number = random_int(1, 1000000);
(new class extends Shop\Cart {
    public function go($number)
    {
        throw new class("Item $number") extends Exception {
        };
    }
})->go($number);
