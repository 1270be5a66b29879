<?php
// A stand-in for Magento 2, written for Longshore's tests: where the code is, by its real path.
define('BP', dirname(__DIR__));
spl_autoload_register(static function ($class) {
    foreach (['app/code', 'lib', 'generated/code'] as $directory) {
        $file = BP . "/$directory/" . strtr($class, '\\_', '//') . '.php';
        if (is_file($file)) {
            require $file;
            return;
        }
    }
});
