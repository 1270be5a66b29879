/* Builds the code and the static content of a tree that has no database yet, as CI does, unless that was done with the probe in it.
   For a build in the cluster: `modules` says what there is to be built, before the installer; `scopes` adds the stores, after it. */
$step = $argv[1] ?? 'all';
$file = 'app/etc/config.php';
$config = (is_file($file) ? require $file : []) + ['modules' => []];
$config['modules']['Longshore_Probe'] = 1;
/* The admin of the table has no second factor. */
foreach (['Magento_TwoFactorAuth', 'Magento_AdminAdobeImsTwoFactorAuth'] as $module) {
    if (isset($config['modules'][$module])) {
        $config['modules'][$module] = 0;
    }
}
$write = static function (array $config) use ($file) {
    file_put_contents($file, "<?php\nreturn " . var_export($config, true) . ";\n");
};
$run = static function ($command) {
    passthru(escapeshellarg(PHP_BINARY) . " -d memory_limit=-1 bin/magento $command", $code);
    $code === 0 || exit($code);
};
$built = is_file('generated/metadata/global.php') && strpos(file_get_contents('generated/metadata/global.php'), 'Longshore') !== false;
/* Static content is made for stores, which only this file knows of without a database. */
$step === 'modules' || $write($config + ['scopes' => [
    'websites' => [
        'admin' => ['website_id' => '0', 'code' => 'admin', 'name' => 'Admin', 'sort_order' => '0', 'default_group_id' => '0', 'is_default' => '0'],
        'base' => ['website_id' => '1', 'code' => 'base', 'name' => 'Main Website', 'sort_order' => '0', 'default_group_id' => '1', 'is_default' => '1'],
    ],
    'groups' => [
        ['group_id' => '0', 'website_id' => '0', 'name' => 'Default', 'root_category_id' => '0', 'default_store_id' => '0', 'code' => 'default'],
        ['group_id' => '1', 'website_id' => '1', 'name' => 'Main Website Store', 'root_category_id' => '2', 'default_store_id' => '1', 'code' => 'main'],
    ],
    'stores' => [
        'admin' => ['store_id' => '0', 'code' => 'admin', 'website_id' => '0', 'group_id' => '0', 'name' => 'Admin', 'sort_order' => '0', 'is_active' => '1'],
        'default' => ['store_id' => '1', 'code' => 'default', 'website_id' => '1', 'group_id' => '1', 'name' => 'Default', 'sort_order' => '0', 'is_active' => '1'],
    ],
]]);
if ($step === 'scopes') {
    exit(0);
}
$built = $built || $step === 'modules';
$built || $run('setup:di:compile');
$step === 'modules' || is_file('pub/static/deployed_version.txt') || $run('setup:static-content:deploy --force');
/* What a release has of it: setup:upgrade would make the shop's stores those of this file. */
unset($config['scopes']);
$write($config);
