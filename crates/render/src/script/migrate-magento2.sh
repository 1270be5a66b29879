# What migrate.sh does for Magento 2 alone, in three parts: before it asks the database, if that is empty, and last.
#@
# Magento writes into app/etc and var, which nobody may write here: it gets directories of its own, in memory, as it writes passwords, too.
MIGRATE_WORK=$(mktemp -d /dev/shm/migrate.XXXXXX 2>/dev/null || mktemp -d)
export MIGRATE_WORK
# What Magento says of its errors is in its log.
trap 'code=$?; [ "$code" -eq 0 ] || tail -n 50 "$MIGRATE_WORK"/var/log/*.log >&2 2>/dev/null || true; rm -rf "$MIGRATE_WORK"' EXIT
cp -RL app/etc "$MIGRATE_WORK/etc"
chmod -R u+w "$MIGRATE_WORK/etc"
mkdir -p "$MIGRATE_WORK/var/cache" "$MIGRATE_WORK/var/log" "$MIGRATE_WORK/var/tmp" "$MIGRATE_WORK/var/session"
# Without Redis: setup:upgrade flushes what it caches in, and with it the caches of all shops there.
cat >"$MIGRATE_WORK/etc/env.php" <<PHP_END
<?php
\$env = require '$PWD/app/etc/env.php';
unset(\$env['cache']['frontend']);
if (getenv('MIGRATE_INSTALL') === '1') {
    // As long as there is a date, it is installed.
    unset(\$env['install']);
}
return \$env;
PHP_END

# With these directories, in this program and in none that it starts. 3 and 4 mean something else here.
magento() {
    code=0
    "$PHP" -d auto_prepend_file="$here/migrate.php" -d memory_limit=-1 bin/magento "$@" || code=$?
    case $code in
        3 | 4) return 1 ;;
        *) return "$code" ;;
    esac
}

#@
        export MIGRATE_INSTALL=1
        magento
        unset MIGRATE_INSTALL
#@

status=0
magento setup:db:status || status=$?
case $status in
    0) echo 'migrate: the database is current' ;;
    2)
        echo 'migrate: upgrading'
        magento setup:upgrade --keep-generated --no-interaction
        ;;
    *)
        echo "migrate: setup:db:status ended with $status: the release's modules and the database do not match" >&2
        exit 1
        ;;
esac
# What was left when the shop last ran this release. By type, which takes no more than keys with this shop's and this release's prefix.
"$PHP" bin/magento cache:clean
