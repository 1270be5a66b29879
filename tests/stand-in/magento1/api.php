<?php
// A stand-in for Magento 1's api.php: REST, and the older protocols by `type`.
require __DIR__ . '/app/Mage.php';
try {
    $app = Mage::app('admin');
    $type = preg_replace('/\W/', '', $_GET['type'] ?? '');
    if ($type === 'rest') {
        header('Content-Type: application/json');
        $found = preg_match('#/api/rest/products(/(\d+))?$#', strtok($_SERVER['REQUEST_URI'], '?'), $asked);
        $answer = $found ? (isset($asked[2]) ? $app->shop->product($asked[2]) : $app->shop->products()) : null;
        http_response_code($answer ? 200 : 404);
        echo json_encode($answer ?: ['messages' => ['error' => [['code' => 404, 'message' => 'Request does not match any route.']]]]);
    } else {
        (new Mage_Core_Model_Api($app))->serve($type);
    }
} catch (Throwable $problem) {
    StandIn_Page::failed($problem, Mage::getBaseDir('var'));
}
