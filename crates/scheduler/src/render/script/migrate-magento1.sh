#!/bin/sh
# Brings the database to the release on this pod's disk. The caller holds the shop's Lease, and cron is stopped.
set -eu
PHP=@PHP@
cd "$(cd /srv/shop/current && pwd -P)"
# In web pods `skip_process_modules_updates` keeps requests from doing this on a cold cache.
exec "$PHP" -d memory_limit=-1 -r '
require "app/Mage.php";
umask(0);
Mage::app("admin", "store");
// By tags, which bear the prefix of the shop. To flush, or to clean without tags, empties the database of Redis, with what other shops have there.
$clean = static function (): void {
    $tags = ["CONFIG", "MAGE", "DB_PDO_MYSQL_DDL"];
    foreach (Mage::getConfig()->getNode("global/cache/types")->children() as $type) {
        array_push($tags, ...array_filter(explode(",", (string) $type->tags)));
    }
    Mage::app()->cleanCache(array_values(array_unique($tags)));
};
$clean();
Mage::getConfig()->reinit();
Mage_Core_Model_Resource_Setup::applyAllUpdates();
Mage_Core_Model_Resource_Setup::applyAllDataUpdates();
// What web pods have cached meanwhile is of the database before.
$clean();
echo "migrate: done\n";
'
