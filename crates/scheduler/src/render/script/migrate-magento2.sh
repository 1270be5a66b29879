#!/bin/sh
# Brings the database to the release on this pod's disk. The caller holds the shop's Lease, and cron is stopped.
set -eu
PHP=@PHP@
cd "$(cd /srv/shop/current && pwd -P)"
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
# What the new release reads first; visitors of the old one have caches of their own.
"$PHP" bin/magento cache:flush config layout block_html full_page
