<?php
// Part of the stand-in for Magento 2: the commands that builds, pods and people run.
namespace StandIn\Shop;

class Cli
{
    private $command;
    private $options = [];
    private $arguments = [];
    private $parameters = [];

    public function __construct(array $words)
    {
        foreach ($words as $word) {
            if (preg_match('/^--([a-z-]+)(=(.*))?$/s', $word, $found)) {
                $this->options[$found[1]] = $found[3] ?? '1';
            } else {
                $this->arguments[] = $word;
            }
        }
        $this->command = array_shift($this->arguments);
        parse_str($this->options['magento-init-params'] ?? '', $this->parameters);
        $this->parameters += isset($_SERVER['MAGE_DIRS']) && is_array($_SERVER['MAGE_DIRS']) ? ['MAGE_DIRS' => $_SERVER['MAGE_DIRS']] : [];
    }

    public function run()
    {
        $method = str_replace([':', '-'], '', lcfirst(ucwords((string) $this->command, ':-')));
        if (!method_exists($this, $method) || $method === 'run') {
            throw new \RuntimeException("Command \"$this->command\" is not defined.");
        }
        return (int) $this->$method();
    }

    private function app()
    {
        return new App($this->parameters);
    }

    /** The modules of the code, by their registration. */
    private function found()
    {
        return array_map(static function ($file) {
            return implode('_', array_slice(explode('/', $file), -3, 2));
        }, glob(BP . '/app/code/*/*/registration.php'));
    }

    private function setupDiCompile()
    {
        is_dir(BP . '/generated/metadata') || mkdir(BP . '/generated/metadata', 0777, true);
        file_put_contents(BP . '/generated/metadata/global.php', "<?php\nreturn " . var_export($this->found(), true) . ";\n");
        // Names that differ in case only, as the real generator makes them.
        foreach (['TierPrice', 'Tierprice'] as $name) {
            is_dir(BP . "/generated/code/StandIn/$name") || mkdir(BP . "/generated/code/StandIn/$name", 0777, true);
            file_put_contents(BP . "/generated/code/StandIn/$name/Proxy.php", "<?php\nnamespace StandIn\\$name;\nclass Proxy {}\n");
        }
        echo "Generated code and dependency injection configuration successfully.\n";
    }

    private function setupStaticContentDeploy()
    {
        // Which stores there are only the database knows, or config.php.
        if (!isset((include BP . '/app/etc/config.php')['scopes']['stores'])) {
            throw new \RuntimeException('No stores: app/etc/config.php has no scopes, and there is no database');
        }
        foreach (glob(BP . '/app/design/frontend/*/*/web/css/*.css') as $file) {
            $parts = array_slice(explode('/', $file), -7);
            $to = BP . "/pub/static/frontend/$parts[2]/$parts[3]/en_US/css";
            is_dir($to) || mkdir($to, 0777, true);
            copy($file, "$to/$parts[6]");
        }
        file_put_contents(BP . '/pub/static/deployed_version.txt', '1');
        echo "Execution time: 0\n";
    }

    private function setupInstall()
    {
        $given = $this->options + ['backend-frontname' => 'admin', 'key' => bin2hex(random_bytes(16))];
        $db = \StandIn_Shop::connect($given['db-host'], $given['db-user'], $given['db-password'], $given['db-name']);
        $etc = $this->parameters['MAGE_DIRS']['etc']['path'] ?? BP . '/app/etc';
        if (!is_writable($etc) || !is_writable(BP . '/pub/media') || !is_writable(BP . '/var')) {
            throw new \RuntimeException("Missing write permissions to the following paths:\n$etc\n" . BP . "/pub/media\n" . BP . '/var');
        }
        (new \StandIn_Shop($db, BP . '/pub/media'))->install(
            ['web/unsecure/base_url' => $given['base-url'], 'web/secure/base_url' => $given['base-url-secure'] ?? $given['base-url']],
            [['admin', $given['admin-user'], 'Admin', $given['admin-password']]]
        );
        $env = ['backend' => ['frontName' => $given['backend-frontname']], 'crypt' => ['key' => $given['key']], 'MAGE_MODE' => 'production',
            'db' => ['connection' => ['default' => ['host' => $given['db-host'], 'dbname' => $given['db-name'], 'username' => $given['db-user'], 'password' => $given['db-password']]]],
            'session' => ['save' => 'files'], 'cache_types' => ['config' => 1, 'full_page' => 1, 'block_html' => 1, 'compiled_config' => 1], 'install' => ['date' => date('r')]];
        file_put_contents("$etc/env.php", "<?php\nreturn " . var_export($env, true) . ";\n");
        return $this->setupUpgrade();
    }

    private function setupUpgrade()
    {
        $app = $this->app();
        // Magento writes which modules there are, whether or not that changed.
        $modules = array_replace(array_fill_keys($this->found(), 1), $app->deployment['modules'] ?? []);
        $config = is_file("$app->etc/config.php") ? include "$app->etc/config.php" : [];
        $app->write('config.php', array_replace($config, ['modules' => array_intersect_key($modules, array_flip($this->found()))]));
        $app->deployment['modules'] = $modules;
        if (!isset($this->options['keep-generated'])) {
            $this->setupDiCompile();
        }
        $shop = $app->shop;
        $shop->db->exec('CREATE TABLE IF NOT EXISTS setup_module (module VARCHAR(64) PRIMARY KEY, schema_version VARCHAR(32), data_version VARCHAR(32))');
        $shop->db->exec('CREATE TABLE IF NOT EXISTS flag (flag_code VARCHAR(64) PRIMARY KEY, flag_data TEXT)');
        foreach ($app->modules() as $module) {
            $have = (string) $shop->run('SELECT schema_version FROM setup_module WHERE module = ?', [$module])->fetchColumn();
            $class = str_replace('_', '\\', $module) . '\Setup\UpgradeSchema';
            $context = new \Magento\Framework\Setup\ModuleContext($have);
            if (version_compare($app->version($module), $have ?: '0', '>')) {
                class_exists($class) && (new $class())->upgrade(new \Magento\Framework\Setup\SchemaSetup($shop->db), $context);
                $shop->run('REPLACE INTO setup_module VALUES (?, ?, ?)', [$module, $app->version($module), $app->version($module)]);
            }
            echo "Module '$module': schema is {$app->version($module)}\n";
        }
        return $this->appConfigImport();
    }

    private function appConfigImport()
    {
        $app = $this->app();
        $app->shop->run("REPLACE INTO flag VALUES ('config_hash', ?)", [$app->fingerprint()]);
        // As the real command does: all of what its cache backend has, whoever else is in there.
        $to = $app->deployment['cache']['frontend']['default']['backend_options'] ?? [];
        isset($to['server']) ? $app->redis($to)->flushdb() : $app->cache()->clean([]);
        echo "Nothing to import.\n";
    }

    private function setupDbStatus()
    {
        if ($this->app()->shop->run("SHOW TABLES LIKE 'setup_module'")->fetchColumn() === false) {
            echo "No information is available: the Magento application is not installed.\n";
            return 1;
        }
        $current = $this->app()->current();
        echo $current ? "All modules are up to date.\n" : "Run 'setup:upgrade' to update your DB schema and data.\n";
        return $current ? 0 : 2;
    }

    private function cacheClean()
    {
        $this->app()->cache()->clean(['CONFIG', 'MAGE', 'BLOCK_HTML']);
        $this->app()->cache('page_cache')->clean(['FPC']);
        echo "Cleaned cache types:\nconfig\nblock_html\nfull_page\n";
    }

    private function moduleStatus()
    {
        echo implode("\n", $this->app()->modules()), "\n";
    }

    private function indexerReindex()
    {
        $this->app()->shop->reindex();
        echo "Catalog Search index has been rebuilt successfully in 00:00:00\n";
    }

    private function cronRun()
    {
        $app = $this->app();
        $app->writable('var/log');
        $app->shop->job('standin_default', (string) $app->getValue('longshore_probe/general/release'));
        $set = $app->deployment['cron_consumers_runner'] ?? [];
        if ($set['cron_run'] ?? true) {
            // Detached, so that it outlives its cron.
            $most = (int) ($set['max_messages'] ?? 10000);
            $wait = (int) ($app->deployment['queue']['consumers_wait_for_messages'] ?? 1);
            exec(PHP_BINARY . ' ' . escapeshellarg(BP . '/bin/magento') . " queue:consumers:start async.operations.all --max-messages=$most --wait=$wait > /dev/null 2>&1 &");
        }
        echo "Ran jobs by schedule.\n";
    }

    private function queueConsumersStart()
    {
        $app = $this->app();
        $release = (string) $app->getValue('longshore_probe/general/release');
        // There is never a message: who waits for one stays as long as the real ones were seen to.
        for ($second = 0; $second < (($this->options['wait'] ?? '1') ? 305 : 1); $second++) {
            $app->shop->job('standin_consumer', $release);
            sleep(1);
        }
    }

    /** CSV into var/export, or from var/import. */
    private function standinExport()
    {
        $file = $this->app()->writable('var/export') . '/' . basename($this->arguments[0]);
        echo file_put_contents($file, $this->app()->shop->export()), "\n";
    }

    private function standinImport()
    {
        echo $this->app()->shop->import((string) file_get_contents(BP . '/var/import/' . basename($this->arguments[0]))), "\n";
    }
}
