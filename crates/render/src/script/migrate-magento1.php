<?php
// What the Job does with Magento, in the release's tree: makes the first tables (MIGRATE_ETC), or upgrades, and after the first tables makes the rest
// of an installation (MIGRATE_INSTALL).
require is_file('app/bootstrap.php') ? 'app/bootstrap.php' : 'app/Mage.php';
require_once 'app/Mage.php';
umask(0);
$etc = getenv('MIGRATE_ETC');
if ($etc !== false) {
    // Not installed: this makes the tables by itself, as it asks nobody whether it may.
    Mage::app('', 'store', ['etc_dir' => $etc]);
    Mage_Core_Model_Resource_Setup::applyAllUpdates();
    exit(0);
}
// In web pods `skip_process_modules_updates` keeps requests from doing this on a cold cache.
Mage::app('admin', 'store');
// By tags, which bear the prefix of the shop and of this release. To flush, or to clean without tags, empties the database of Redis, with what other
// shops have there.
$clean = static function (): void {
    $tags = ['CONFIG', 'MAGE', 'DB_PDO_MYSQL_DDL'];
    foreach (Mage::getConfig()->getNode('global/cache/types')->children() as $type) {
        array_push($tags, ...array_filter(explode(',', (string) $type->tags)));
    }
    Mage::app()->cleanCache(array_values(array_unique($tags)));
};
$clean();
Mage::getConfig()->reinit();
Mage_Core_Model_Resource_Setup::applyAllUpdates();
Mage_Core_Model_Resource_Setup::applyAllDataUpdates();
if (getenv('MIGRATE_INSTALL') === '1') {
    $secret = static function (string $key): string {
        return rtrim((string) file_get_contents("@SECRET@/$key"), "\n");
    };
    $setup = new Mage_Core_Model_Resource_Setup('core_setup');
    $settings = ['unsecure/base_url' => '@BASE_URL@', 'secure/base_url' => '@BASE_URL@', 'secure/use_in_frontend' => 1, 'secure/use_in_adminhtml' => 1];
    foreach ($settings + ['seo/use_rewrites' => 1] as $path => $value) {
        $setup->setConfigData("web/$path", $value);
    }
    Mage::getConfig()->reinit();
    Mage::app()->reinitStores();
    $user = Mage::getModel('admin/user')->setData([
        'username' => $secret('admin-user'),
        'email' => $secret('admin-email'),
        'firstname' => 'Shop',
        'lastname' => 'Owner',
        'new_password' => $secret('admin-password'),
        'password_confirmation' => $secret('admin-password'),
        'is_active' => 1,
    ]);
    $problems = $user->validate();
    if (is_array($problems) || is_object($problems)) {
        foreach ($problems as $problem) {
            fwrite(STDERR, "migrate: the Secret's admin-…: $problem\n");
        }
        exit(1);
    }
    $user->setForceNewPassword(true)->save();
    $user->setRoleIds([1])->setRoleUserId($user->getUserId())->saveRelations();
    $caches = [];
    foreach (array_keys(Mage::helper('core')->getCacheTypes()) as $type) {
        $caches[$type] = 1;
    }
    Mage::app()->saveUseCache($caches);
    echo "migrate: installed\n";
}
// What web pods have cached meanwhile is of the database before.
$clean();
echo "migrate: done\n";
