<?php
require __DIR__ . '/shop.php';
// As Monolog's LineFormatter writes an exception, in Magento 2.4: a trace in JSON, in one line.
$write = static function (string $level, string $message, array $context): void {
    file_put_contents(
        $_SERVER['LOG'],
        sprintf("[%s] main.%s: %s %s []\n", date('Y-m-d\TH:i:s.uP'), $level, $message, json_encode($context, JSON_UNESCAPED_SLASHES)),
        FILE_APPEND
    );
};
try {
    (new Shop\Cart())->refuse(random_int(1, 1000000));
} catch (Exception $oops) {
    $text = sprintf("[object] (%s(code: %d): %s at %s:%d)\n[stacktrace]\n%s\n", get_class($oops), $oops->getCode(), $oops->getMessage(), $oops->getFile(), $oops->getLine(), $oops->getTraceAsString());
    $write('CRITICAL', strtr($oops->getMessage(), "\n", ' '), ['exception' => $text]);
}
