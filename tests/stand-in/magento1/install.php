<?php
// A stand-in for Magento 1's installer: php install.php -- --db_host HOST:PORT …, with the options of the real one.
PHP_SAPI === 'cli' || exit('FAILED');
$given = [];
$words = array_values(array_filter(array_slice($argv, 1), static function ($word) {
    return $word !== '--';
}));
foreach (array_chunk($words, 2) as list($name, $value)) {
    $given[ltrim($name, '-')] = $value;
}
foreach (['license_agreement_accepted', 'db_host', 'db_name', 'db_user', 'db_pass', 'url', 'secure_base_url', 'admin_username', 'admin_password'] as $name) {
    isset($given[$name]) || exit("FAILED\nERROR: --$name is missing\n");
}
$given += ['key' => $given['encryption_key'] ?? md5(random_bytes(16)), 'date' => date('r')];
$local = __DIR__ . '/app/etc/local.xml';
$fill = static function (array $found) use ($given) {
    return $given[$found[1]];
};
file_put_contents($local, preg_replace_callback('/{{(\w+)}}/', $fill, file_get_contents("$local.template"))) || exit("FAILED\nERROR: $local\n");
require __DIR__ . '/lib/StandIn/Shop.php';
$shop = new StandIn_Shop(StandIn_Shop::connect($given['db_host'], $given['db_user'], $given['db_pass'], $given['db_name']), __DIR__ . '/media');
$values = ['web/unsecure/base_url' => $given['url'], 'web/secure/base_url' => $given['secure_base_url']];
$shop->install($values, [
    ['admin', $given['admin_username'], 'Admin', $given['admin_password']],
]);
require __DIR__ . '/app/Mage.php';
Mage::app();
array_map('unlink', glob(Mage::getBaseDir('var') . '/cache/*') ?: []);
echo "SUCCESS: {$given['key']}\n";
