#!/bin/sh
# Runs what is due once a minute, at this shop's own second, so that thousands of shops do not ask their databases at once.
set -u
PHP=@PHP@
stop=0
# QUIT is how the kubelet stops containers of an image that is also nginx.
trap 'stop=1' TERM INT QUIT

# A job may fail; the next minute tries again. One that hangs is ended before the pod's grace period is over, and none begins within it.
run() {
    [ "$stop" -eq 0 ] || return 0
    timeout --signal=TERM --kill-after=30 540 "$@" || echo "cron: $* ended with $?" >&2
}

# Ends consumers of other releases than the one in $1: cron started them, and they know of no switch. Each has a minute for what it is at, then
# TERM, and after one more minute KILL.
other=
end_others() {
    now=
    for file in $(grep -ls 'queue:consumers:star[t]' /proc/[0-9]*/cmdline); do
        if grep -qsF "$1/bin/magento" "$file"; then
            continue
        fi
        pid=${file#/proc/}
        pid=${pid%/cmdline}
        case $other in
            *" $pid:term "*)
                echo "cron: consumer $pid of a release before is killed" >&2
                kill -KILL "$pid" 2>/dev/null
                ;;
            *" $pid:seen "*)
                echo "cron: consumer $pid of a release before is told to end" >&2
                kill -TERM "$pid" 2>/dev/null && now="$now $pid:term "
                ;;
            *) now="$now $pid:seen " ;;
        esac
    done
    other=$now
}

# Once an hour, at this shop's own second of it; in the background, as what is due does not wait for it.
hour=
clean() {
    [ -e /etc/shop/scripts/clean-caches.php ] || return 0
    next=$((($(date +%s) - @SECOND@) / 3600))
    [ "$next" != "$hour" ] || return 0
    hour=$next
    timeout --kill-after=10 60 "$PHP" /etc/shop/scripts/clean-caches.php &
}

while [ "$stop" -eq 0 ]; do
    now=$(date +%S)
    # A number with a leading zero would be octal.
    wait_for=$(((@JITTER@ - ${now#0} + 59) % 60 + 1))
    sleep "$wait_for" &
    wait $! || true
    [ "$stop" -eq 0 ] || break
    # Anew each time: the release may have been switched.
    cd /srv/shop/current || { echo 'cron: no release' >&2; continue; }
    cd "$(pwd -P)" || continue
    end_others "$PWD"
    clean
@DUE@
done
