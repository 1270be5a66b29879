# shellcheck shell=bash # part of `run`
# Stages: commands that have a name, a log and a time.
#
#   stage NAME COMMAND...    run it to its end
#   beside NAME COMMAND...   start it, and go on
#   wait_for NAME...         wait until these have ended
#
# A stage's log is printed when the stage ends, and that of a stage beside when it is waited for: no
# output interleaves. Every minute a line says what runs. The first stage that fails ends the run:
# the others get SIGTERM, the table of all stages is printed, and then the log of the one that
# failed.
#
# Whoever sources this starts nothing else in the background, and sets no trap of its own.

declare -A began=() ended=() result=() pids=()
names=() failed='' told=0
logs=${CARGO_TARGET_DIR:-target}/ci
mkdir -p "$logs"
trap finish EXIT
trap 'exit 130' INT TERM

stage() {
  beside "$@"
  wait_for "$1"
}

beside() {
  local name=$1
  shift
  names+=("$name")
  began[$name]=$SECONDS result[$name]=runs
  say "$name begins: $*"
  # A process group of its own, so that it can be ended with all that it started.
  set -m
  "$@" >"$logs/$name" 2>&1 </dev/null &
  set +m
  pids[$name]=$!
}

wait_for() {
  local name
  for name; do
    while [[ ${result[$name]} == runs ]]; do look; done
    say "$name ended after $((ended[$name] - began[$name])) s; its log:"
    cat "$logs/$name"
  done
}

# Waits a second, and sees what has ended.
look() {
  local name running
  sleep 1
  running=" $(jobs -rp | tr '\n' ' ')"
  for name in "${names[@]}"; do
    if [[ ${result[$name]} != runs || $running == *" ${pids[$name]} "* ]]; then continue; fi
    ended[$name]=$SECONDS result[$name]=passed
    wait "${pids[$name]}" || result[$name]="failed with code $?" failed=$name
    [[ -z $failed ]] || exit 1
  done
  ((SECONDS < told + 60)) || progress
}

progress() {
  local name
  told=$SECONDS
  for name in "${names[@]}"; do
    [[ ${result[$name]} == runs ]] || continue
    say "$name runs for $((SECONDS - began[$name])) s: $(tail -n 1 "$logs/$name" | cut -c1-100)"
  done
}

# However the run ends: nothing of it runs on.
finish() {
  local code=$?
  trap '' INT TERM
  trap - EXIT
  stop
  table
  if [[ -n $failed ]]; then
    say "$failed ${result[$failed]}; its log:"
    cat "$logs/$failed"
  fi
  exit "$code"
}

# SIGTERM, and SIGKILL to what is still there after a minute: a cluster takes a while to end.
stop() {
  local name until=$((SECONDS + 60))
  for name in "${names[@]}"; do
    [[ ${result[$name]} == runs ]] || continue
    ended[$name]=$SECONDS result[$name]=stopped
    kill -TERM -- "-${pids[$name]}" 2>/dev/null || continue
    while kill -0 -- "-${pids[$name]}" 2>/dev/null; do
      ((SECONDS < until)) || kill -KILL -- "-${pids[$name]}" 2>/dev/null || true
      sleep 0.1
    done
  done
}

table() {
  local name
  printf '\n%-16s %8s %8s  %s\n' stage begins seconds result
  for name in "${names[@]}"; do
    printf '%-16s %8d %8d  %s\n' \
      "$name" "${began[$name]}" $((ended[$name] - began[$name])) "${result[$name]}"
  done
  printf '%-16s %8d %8d\n\n' all 0 "$SECONDS"
}

say() { printf 'ci: %(%T)T %s\n' -1 "$*"; }
