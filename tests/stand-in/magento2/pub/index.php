<?php
// A stand-in for Magento 2, written for Longshore's tests: the front of a shop.
require dirname(__DIR__) . '/app/bootstrap.php';
try {
    $app = new StandIn\Shop\App();
    (new StandIn\Shop\Front($app))->launch();
} catch (Throwable $problem) {
    StandIn\Shop\App::failed($problem);
}
