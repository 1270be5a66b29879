<?php
// A stand-in for Magento 2's get.php: makes a resized picture when it is first asked for. It keeps where media are in var.
require dirname(__DIR__) . '/app/bootstrap.php';
try {
    $path = ltrim(strtok($_SERVER['REQUEST_URI'], '?'), '/');
    $app = new StandIn\Shop\App();
    $app->writable('var');
    file_put_contents(BP . '/var/resource_config.json', json_encode(['media_directory' => BP . '/pub/media']));
    preg_match('#^media/catalog/product/cache/(\d{1,4})(/.+\.png)$#', $path, $asked);
    $made = $asked && strpos($path, '..') === false ? $app->shop->resized($asked[2], (int) $asked[1]) : null;
    if ($made === null) {
        http_response_code(404);
        exit('Not Found');
    }
    header('Content-Type: image/png');
    readfile(BP . "/pub/media/$made");
} catch (Throwable $problem) {
    StandIn\Shop\App::failed($problem);
}
