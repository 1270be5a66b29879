# shellcheck shell=bash disable=SC2154 # part of `cluster`, which sets what is used here
# A component is one process with a name, a log of that name and a file with its process id; these
# run inside the cluster.

# spawn NAME COMMAND...: starts it in a session of its own, so that no signal of a terminal reaches
# it.
spawn() {
  local name=$1
  shift
  printf 'cluster: starting %s at %(%H:%M:%S)T\n' "$name" -1 >>"$logs/$name"
  # fd 8 and 9 hold locks, which no component must keep.
  setsid "$@" >>"$logs/$name" 2>&1 </dev/null 8>&- 9>&- &
  printf '%s\n' $! >"$run/components/$name"
  # Until it has its session, it is one of our process group, which a test ends as soon as this
  # program has ended. It may also have ended by itself.
  while kill -0 $! 2>/dev/null && [[ $(session_of $!) -ne $! ]]; do sleep 0.01; done
}

# session_of PID: the fourth field after the name, which may contain anything.
session_of() {
  local stat session
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  read -r _ _ _ session _ <<<"${stat##*) }"
  printf '%s\n' "$session"
}

# A process that was killed is a zombie as soon as its first thread is gone; its ports are free once
# the others are, too.
runs() {
  local pid
  pid=$(cat "$run/components/$1" 2>/dev/null) || return 1
  awk '/^State:/ { state = $2 } /^Threads:/ { threads = $2 } END { exit !(state != "" && (state != "Z" || threads > 1)) }' \
    "/proc/$pid/status" 2>/dev/null
}

stopped() { ! runs "$1"; }

# component_start NAME [-- FLAG...]
component_start() {
  local name=$1
  shift
  [[ ${1:-} != -- ]] || shift
  ! runs "$name" || fail "$name runs already"
  case $name in
    etcd) etcd_start "$@" ;;
    apiserver) apiserver_start "$@" ;;
    controller-manager | scheduler) controller_start "$name" "$@" ;;
    metrics-server) metrics_start "$@" ;;
    kwok) kwok_start "$@" ;;
    n[1-9]-containerd | n[1-9]-kubelet | n[1-9]-proxy | n[1-9]-policies) node_component_start "${name:1:1}" "${name:3}" "$@" ;;
    *) fail "$name: no such component; '$self status' lists them" ;;
  esac
}

# SIGTERM, and SIGKILL 10 s later: an API server waits a minute for its watches, as a kubelet would
# not let it.
component_stop() {
  local until=$((SECONDS + 10))
  component_signal TERM "$1"
  until stopped "$1" || ((SECONDS >= until)); do sleep 0.1; done
  if runs "$1"; then component_kill "$1"; fi
}

component_kill() {
  component_signal KILL "$1"
  await 5 "the end of $1" "$logs/$1" stopped "$1"
}

component_restart() {
  if runs "$1"; then component_stop "$1"; fi
  component_start "$@"
}

# Whatever was stopped or frozen runs again, what others stand on first.
component_mend() {
  local file name
  for name in etcd apiserver $(cd "$run/components" && ls); do
    if runs "$name"; then component_thaw "$name"; else component_start "$name"; fi
  done
  etcd_mode read-write
}

component_freeze() { component_signal STOP "$1"; }
component_thaw() { component_signal CONT "$1"; }

# component_signal SIGNAL NAME
component_signal() {
  runs "$2" || fail "$2 does not run; '$self status' lists the components"
  kill -s "$1" "$(cat "$run/components/$2")"
}

component_status() {
  local file name
  for file in "$run"/components/*; do
    name=${file##*/}
    if runs "$name"; then printf '%-20s runs     pid %s\n' "$name" "$(cat "$file")"; else printf '%-20s stopped\n' "$name"; fi
  done
}

# show_logs [NAME] [LINES]
show_logs() {
  local lines=20 only='' file argument
  for argument; do
    if [[ $argument =~ ^[0-9]+$ ]]; then lines=$argument; else only=$argument; fi
  done
  for file in "$logs"/*; do
    [[ -f $file && ${file##*/} != audit && (-z $only || ${file##*/} == "$only") ]] || continue
    printf '=== %s\n' "${file##*/}"
    tail -n "$lines" "$file" | cut -c1-300
  done
}
