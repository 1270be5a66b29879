#!/bin/sh
# Brings the database to the release on this pod's disk. The caller holds the shop's Lease, and cron is stopped. Ends with
#   0  done
#   3  the database is empty, and the Secret has nothing to install it with
#   4  the release does not know the modules that the Shop enables or disables
#   otherwise: it failed
set -eu
PHP=@PHP@
here=/etc/shop/scripts
cd "$(cd /srv/shop/current && pwd -P)"

# Before anything is changed.
if [ -e /etc/shop/php/modules.php ]; then
    "$PHP" -n -r '$problems = require "/etc/shop/php/modules.php"; foreach ($problems as $one) { fwrite(STDERR, "migrate: $one\n"); } exit($problems ? 4 : 0);'
fi

@BEFORE@
status=0
"$PHP" "$here/database.php" || status=$?
case $status in
    0) ;;
    3)
        missing=
        for key in admin-user admin-password admin-email; do
            [ -s "/etc/shop/secret/$key" ] || missing="$missing $key"
        done
        if [ -n "$missing" ]; then
            echo "migrate: import a dump of the shop, or, to have it installed, add to its Secret:$missing" >&2
            exit 3
        fi
        echo 'migrate: installing'
@INSTALL@
        ;;
    *) exit "$status" ;;
esac
@AFTER@
