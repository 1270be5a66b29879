<?php
// Includes one file in a request of its own, and tells what came of it: declarations in their order, output, errors, status.
(static function (): void {
    ini_set('html_errors', '0');
    error_reporting(E_ALL);
    set_time_limit(4);
    spl_autoload_register(static function (string $class): void {
        $classes = require __DIR__ . '/classes.php';
        $module = explode('/', $_GET['file'])[1];
        $file = $classes[$module][strtolower($class)] ?? $classes[''][strtolower($class)] ?? null;
        if ($file !== null) {
            require_once __DIR__ . '/' . $file;
        }
    });
    $declared = static function (): array {
        // A class without a name is called by where it is in memory.
        $named = static fn (string $class) => strpos($class, '@anonymous') === false;
        $functions = array_filter(get_defined_functions()['user'], static fn ($name) => strpos($name, '{closure}') === false);
        $classes = array_filter(get_declared_classes(), $named);
        return [
            'classes' => array_values($classes),
            'interfaces' => get_declared_interfaces(),
            'traits' => get_declared_traits(),
            'functions' => array_values($functions),
            'constants' => array_keys(get_defined_constants(true)['user'] ?? []),
        ];
    };
    $before = $declared();
    ob_start();
    register_shutdown_function(static function () use ($before, $declared): void {
        $output = '';
        while (ob_get_level() > 0) {
            $output = ob_get_clean() . $output;
        }
        $facts = [];
        foreach ($declared() as $kind => $names) {
            $facts[$kind] = array_slice($names, count($before[$kind]));
        }
        $facts['parents'] = array_map(static fn ($class) => get_parent_class($class), $facts['classes']);
        $facts += ['status' => http_response_code(), 'output' => $output, 'included' => count(get_included_files())];
        echo json_encode($facts, JSON_PRETTY_PRINT | JSON_PARTIAL_OUTPUT_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE);
    });
})();
include __DIR__ . '/' . $_GET['file'];
