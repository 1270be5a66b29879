<?php
// Runs before bin/magento in the Job: the directories that it may write, and what an installation needs, so that no password stands on a command line.
(static function (): void {
    $work = getenv('MIGRATE_WORK');
    $_SERVER['MAGE_DIRS']['base']['path'] = getcwd();
    foreach (['etc' => 'etc', 'var' => 'var', 'cache' => 'var/cache', 'log' => 'var/log', 'tmp' => 'var/tmp', 'session' => 'var/session'] as $code => $path) {
        $_SERVER['MAGE_DIRS'][$code]['path'] = "$work/$path";
    }
    if (getenv('MIGRATE_INSTALL') === '1') {
        $secret = static function (string $key): string {
            return rtrim((string) file_get_contents("@SECRET@/$key"), "\n");
        };
        $env = require getcwd() . '/app/etc/env.php';
        $database = $env['db']['connection']['default'];
        $options = [
            'db-host' => $database['host'],
            'db-name' => $database['dbname'],
            'db-user' => $database['username'],
            'db-password' => $database['password'],
            'db-prefix' => $env['db']['table_prefix'],
            'backend-frontname' => $env['backend']['frontName'],
            'key' => $env['crypt']['key'],
            'base-url' => '@BASE_URL@',
            'base-url-secure' => '@BASE_URL@',
            'use-secure' => '1',
            'use-secure-admin' => '1',
            'use-rewrites' => '1',
            'admin-user' => $secret('admin-user'),
            'admin-password' => $secret('admin-password'),
            'admin-email' => $secret('admin-email'),
            'admin-firstname' => 'Shop',
            'admin-lastname' => 'Owner',
        ];
        if (isset($database['driver_options'][1009])) {
            $options += ['db-ssl-ca' => $database['driver_options'][1009], 'db-ssl-verify' => ''];
        }
        $search = $env['system']['default']['catalog']['search'] ?? [];
        if (isset($search['engine'])) {
            $engine = $search['engine'];
            // As setup:install names them.
            $option = $engine === 'opensearch' ? 'opensearch' : 'elasticsearch';
            $options['search-engine'] = $engine;
            $names = ['server_hostname' => 'host', 'server_port' => 'port', 'index_prefix' => 'index-prefix', 'enable_auth' => 'enable-auth'];
            foreach ($names + ['username' => 'username', 'password' => 'password', 'server_timeout' => 'timeout'] as $setting => $name) {
                $value = (string) ($search["{$engine}_$setting"] ?? '');
                $options += $value === '' ? [] : ["$option-$name" => $value];
            }
        }
        $_SERVER['argv'] = ['bin/magento', 'setup:install', '--no-interaction'];
        foreach ($options as $name => $value) {
            $_SERVER['argv'][] = $value === '' && $name === 'db-ssl-verify' ? "--$name" : "--$name=$value";
        }
        $_SERVER['argc'] = count($_SERVER['argv']);
        list($GLOBALS['argv'], $GLOBALS['argc']) = [$_SERVER['argv'], $_SERVER['argc']];
    }
})();
