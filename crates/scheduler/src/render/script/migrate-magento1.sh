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
Mage::app()->getCacheInstance()->flush();
Mage::app()->cleanCache();
Mage::getConfig()->reinit();
Mage_Core_Model_Resource_Setup::applyAllUpdates();
Mage_Core_Model_Resource_Setup::applyAllDataUpdates();
echo "migrate: done\n";
'
