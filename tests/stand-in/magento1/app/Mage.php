<?php
// A stand-in for Magento 1's Mage class. Like the real one it is used above its declaration.
defined('BP') || define('BP', dirname(__DIR__));
Mage::register('original_include_path', get_include_path());
set_include_path(implode(PATH_SEPARATOR, [BP . '/app/code/local', BP . '/app/code/community', BP . '/app/code/core', BP . '/lib', Mage::registry('original_include_path')]));
spl_autoload_register(static function ($class) {
    $file = stream_resolve_include_path(str_replace('_', '/', $class) . '.php');
    if ($file !== false) {
        require $file;
    }
});

final class Mage
{
    private static $registry = [];
    private static $app;
    private static $config;

    public static function register($key, $value)
    {
        self::$registry[$key] = $value;
    }

    public static function registry($key)
    {
        return self::$registry[$key] ?? null;
    }

    public static function app($code = '', $type = 'store')
    {
        if (!self::$app) {
            self::$config = new Mage_Core_Model_Config();
            self::$app = new Mage_Core_Model_App();
            self::$app->init(self::$config);
        }
        return self::$app;
    }

    public static function getConfig()
    {
        return self::$config;
    }

    public static function getStoreConfig($path)
    {
        return (string) self::$config->getNode("default/$path");
    }

    public static function getModel($name)
    {
        if (strpos($name, '/') !== false) {
            $known = ['importexport' => 'ImportExport'];
            list($module, $class) = explode('/', $name);
            $name = 'Mage_' . ($known[$module] ?? ucfirst($module)) . '_Model_' . ucfirst($class);
        }
        return new $name();
    }

    public static function getSingleton($name)
    {
        return self::$registry["_singleton/$name"] = self::$registry["_singleton/$name"] ?? self::getModel($name);
    }

    public static function dispatchEvent($name, array $data = [])
    {
        $observers = self::$config->getNode("global/events/$name/observers");
        foreach ($observers ? $observers->children() : [] as $observer) {
            self::getSingleton((string) $observer->class)->{(string) $observer->method}($data);
        }
    }

    public static function getBaseDir($what = 'base')
    {
        $directory = $what === 'base' ? BP : BP . "/$what";
        // The real one falls back in the same way, and so loses what it writes.
        if ($what === 'var' && !is_writable($directory)) {
            $directory = sys_get_temp_dir() . '/magento/var';
            is_dir($directory) || mkdir($directory, 0777, true);
        }
        return $directory;
    }

    public static function logException(Throwable $problem)
    {
        $directory = self::getBaseDir('var') . '/log';
        is_dir($directory) || @mkdir($directory, 0777, true);
        @file_put_contents("$directory/exception.log", date('c') . " ERR (3): $problem\n", FILE_APPEND);
    }

    public static function run($code, $type)
    {
        try {
            self::app($code, $type)->run();
        } catch (Throwable $problem) {
            StandIn_Page::failed($problem, self::getBaseDir('var'));
        }
    }
}
