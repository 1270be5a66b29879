<?php
// A stand-in for Magento 1's get.php: a file of media, which may be in the database only. It keeps where media are in var.
require __DIR__ . '/app/Mage.php';
$path = ltrim($_SERVER['PATH_INFO'] ?? substr(strtok($_SERVER['REQUEST_URI'], '?'), strlen('/get.php')), '/');
try {
    $kept = Mage::getBaseDir('var') . '/resource_config.json';
    if (!is_file($kept)) {
        Mage::app();
        if (file_put_contents($kept, json_encode(['media_directory' => BP . '/media'])) === false) {
            throw new RuntimeException("$kept cannot be written");
        }
    }
    $file = realpath(BP . "/$path");
    $media = realpath(json_decode((string) file_get_contents($kept), true)['media_directory']);
    if (!$file || strpos($file, "$media/") !== 0 || !is_file($file)) {
        http_response_code(404);
        exit('Not Found');
    }
    header('Content-Type: ' . mime_content_type($file));
    header('Content-Length: ' . filesize($file));
    readfile($file);
} catch (Throwable $problem) {
    StandIn_Page::failed($problem, Mage::getBaseDir('var'));
}
