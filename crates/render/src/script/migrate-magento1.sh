# What migrate.sh does for Magento 1 alone, in three parts: before it asks the database, if that is empty, and last.
#@
migrate() {
    code=0
    "$PHP" -d memory_limit=-1 "$here/migrate.php" || code=$?
    case $code in
        3 | 4) return 1 ;;
        *) return "$code" ;;
    esac
}

#@
        # As long as local.xml has a date, Magento is installed, and asks the database for its stores before it makes them. In memory, as passwords are in it.
        etc=$(mktemp -d /dev/shm/migrate.XXXXXX 2>/dev/null || mktemp -d)
        trap 'rm -rf "$etc"' EXIT
        cp -RL app/etc/. "$etc"
        chmod -R u+w "$etc"
        sed '/<install>.*<\/install>/d' app/etc/local.xml >"$etc/local.xml"
        export MIGRATE_ETC="$etc"
        migrate
        unset MIGRATE_ETC
        export MIGRATE_INSTALL=1
#@
migrate
