<?php
// Part of the stand-in for Magento 2: its deployment configuration, its caches and its modules.
namespace StandIn\Shop;

use Magento\Framework\App\CacheInterface;
use Magento\Framework\App\Config\ScopeConfigInterface;
use Magento\Framework\App\ResourceConnection;

class App implements CacheInterface, ScopeConfigInterface
{
    /** What Magento calls the directory that `MAGE_DIRS` may move. */
    public $etc = BP . '/app/etc';
    private $var = BP . '/var';
    /** @var array<string, mixed> */
    public $deployment;
    /** @var \StandIn_Shop */
    public $shop;
    private $caches = [];
    private $values;

    public function __construct(array $parameters = [])
    {
        $this->etc = $parameters['MAGE_DIRS']['etc']['path'] ?? $this->etc;
        $this->var = $parameters['MAGE_DIRS']['var']['path'] ?? $this->var;
        $read = static function ($file) {
            return is_file($file) ? include $file : [];
        };
        $this->deployment = array_replace_recursive($read("$this->etc/config.php"), $read("$this->etc/env.php"));
        if (!isset($this->deployment['install']['date'])) {
            throw new \RuntimeException('Magento is not installed: app/etc/env.php has no install date');
        }
        // Compiled code has a cache type of its own, which Magento enables by writing env.php.
        if (!isset($this->deployment['cache_types']['compiled_config'])) {
            $this->deployment['cache_types'] = ['config' => 1, 'full_page' => 1, 'block_html' => 1, 'compiled_config' => 1];
            $this->write('env.php', array_replace($read("$this->etc/env.php"), ['cache_types' => $this->deployment['cache_types']]));
        }
        $to = $this->deployment['db']['connection']['default'];
        $db = \StandIn_Shop::connect($to['host'], $to['username'], $to['password'], $to['dbname']);
        $this->shop = new \StandIn_Shop($db, BP . '/pub/media');
    }

    public function write($file, array $content)
    {
        $text = "<?php\nreturn " . var_export($content, true) . ";\n";
        if (@file_put_contents("$this->etc/$file", $text) === false) {
            throw new \RuntimeException("The file \"$this->etc/$file\" isn't writable.");
        }
    }

    public function writable($directory)
    {
        $full = BP . "/$directory";
        if (!is_dir($full) && !@mkdir($full, 0777, true) || !is_writable($full)) {
            throw new \RuntimeException("The path \"$directory\" isn't writable.");
        }
        return $full;
    }

    /** @return string[] the enabled modules, all of which were there when the code was compiled */
    public function modules()
    {
        $enabled = array_keys(array_filter($this->deployment['modules'] ?? []));
        $compiled = include BP . '/generated/metadata/global.php';
        foreach (array_diff($enabled, $compiled) as $module) {
            throw new \RuntimeException("Class \"$module\\Interceptor\" does not exist");
        }
        return $enabled;
    }

    public function module($name, $file)
    {
        return BP . '/app/code/' . str_replace('_', '/', $name) . "/$file";
    }

    public function version($module)
    {
        return (string) simplexml_load_file($this->module($module, 'etc/module.xml'))->module['setup_version'];
    }

    public function redis(array $to)
    {
        return new \StandIn_Redis($to['server'] ?? $to['host'], $to['port'], $to['password'] ?? '', $to['database']);
    }

    /** @return \StandIn_Cache */
    public function cache($frontend = 'default')
    {
        if (!isset($this->caches[$frontend])) {
            $set = $this->deployment['cache']['frontend'][$frontend] ?? [];
            $redis = isset($set['backend_options']['server']) ? $this->redis($set['backend_options']) : null;
            $prefix = $set['id_prefix'] ?? substr(md5(BP . '/app/etc'), 0, 3) . '_';
            $this->caches[$frontend] = new \StandIn_Cache($redis, "$this->var/cache/$frontend", $prefix);
        }
        return $this->caches[$frontend];
    }

    public function load($id)
    {
        return $this->cache()->load($id);
    }

    public function save($data, $id, $tags = [], $life = null)
    {
        return $this->cache()->save($data, $id, array_merge($tags, ['MAGE']));
    }

    public function getValue($path, $scope = 'default', $code = null)
    {
        if ($this->values === null) {
            $cached = $this->load('SYSTEM_DEFAULT');
            $this->values = $cached === false ? $this->merged() : json_decode($cached, true);
            $cached === false && $this->save(json_encode($this->values), 'SYSTEM_DEFAULT', ['CONFIG']);
        }
        return $this->values[$path] ?? null;
    }

    /** Modules first, then the database, then env.php, which is what locks a value. */
    private function merged()
    {
        $values = [];
        foreach ($this->modules() as $module) {
            $file = $this->module($module, 'etc/config.xml');
            $this->flatten(is_file($file) ? json_decode(json_encode(simplexml_load_file($file)), true)['default'] ?? [] : [], '', $values);
        }
        $values = array_replace($values, $this->shop->values());
        $this->flatten($this->deployment['system']['default'] ?? [], '', $values);
        return $values;
    }

    private function flatten(array $tree, $above, array &$values)
    {
        foreach ($tree as $name => $below) {
            is_array($below) && $below ? $this->flatten($below, "$above$name/", $values) : $values["$above$name"] = is_array($below) ? '' : $below;
        }
    }

    public function dispatch($event, array $data)
    {
        foreach ($this->modules() as $module) {
            foreach ([$this->module($module, 'etc/events.xml'), $this->module($module, 'etc/frontend/events.xml')] as $file) {
                $found = is_file($file) ? simplexml_load_file($file)->xpath("event[@name='$event']/observer") : [];
                foreach ($found as $observer) {
                    $class = (string) $observer['instance'];
                    (new $class($this, $this, new ResourceConnection($this->shop)))->execute(new \Magento\Framework\Event\Observer($data));
                }
            }
        }
    }

    /** What `app:config:import` has last imported, and every page that is not cached compares. */
    public function fingerprint()
    {
        return md5(json_encode([$this->deployment['system'] ?? [], $this->deployment['scopes'] ?? [], $this->deployment['themes'] ?? []]));
    }

    public function current()
    {
        $have = $this->shop->run('SELECT module, schema_version FROM setup_module')->fetchAll(\PDO::FETCH_KEY_PAIR);
        foreach ($this->modules() as $module) {
            if (version_compare($this->version($module), $have[$module] ?? '0', '>')) {
                return false;
            }
        }
        return true;
    }

    public static function failed(\Throwable $problem)
    {
        @mkdir(BP . '/var/report', 0777, true);
        $id = hash('sha256', microtime() . getmypid());
        @file_put_contents(BP . "/var/report/$id", json_encode([get_class($problem) . ': ' . $problem->getMessage(), $problem->getTraceAsString()]));
        // php-fpm's log has it, too.
        error_log(get_class($problem) . ': ' . $problem->getMessage());
        http_response_code(500);
        echo \StandIn_Page::html("There has been an error processing your request", "Exception printing is disabled by default for security reasons.<p>Error log record number: $id</p>");
    }
}
