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
@DUE@
done
