#!/bin/sh
# Brings the database to the release on this pod's disk. The caller holds the shop's Lease, and cron is stopped.
set -eu
PHP=@PHP@
cd "$(cd /srv/shop/current && pwd -P)"
# setup:upgrade flushes what it caches in, and other shops' caches are in the same Redis. So it has files of this pod; see env.php.
export SHOP_CACHE=files
status=0
"$PHP" bin/magento setup:db:status || status=$?
case $status in
    0) echo 'migrate: the database is current' ;;
    2)
        echo 'migrate: upgrading'
        "$PHP" bin/magento setup:upgrade --keep-generated --no-interaction
        ;;
    *)
        echo "migrate: setup:db:status ended with $status: the release's modules and the database do not match" >&2
        exit "$status"
        ;;
esac
# What was left when the shop last ran this release. By type, which takes no more than keys with this shop's and this release's prefix.
unset SHOP_CACHE
"$PHP" bin/magento cache:clean
