# shellcheck shell=bash disable=SC2154 # part of `cluster`, which sets what is used here
# The components, built by Go and kept by version outside the tree.

kubernetes_programs=(kubectl kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy)
containerd_programs=(containerd containerd-shim-runc-v2 ctr)

is_built() { [[ -e $kubernetes && -e $etcd && -e $containerd && -e $kwok && -e $metrics_server && -e $policies ]]; }

build() {
  is_built && return
  command -v go >/dev/null || fail 'go: not found; the components are built by Go 1.26 or newer (https://go.dev/dl)'
  mkdir -p "$cache"
  exec 9>"$cache/cluster.lock"
  flock --nonblock 9 || { say 'waiting for another build' && flock 9; }
  # A shell of its own, for the sake of its end: what Go keeps of a build takes 5 GB, and no other
  # build would use it.
  (
    GOCACHE=$(mktemp -d "$cache/go-build.XXXXXX")
    trap 'rm -rf "$GOCACHE"' EXIT
    export CGO_ENABLED=0 GOCACHE
    local version=k8s.io/component-base/version minor=${kubernetes_version#v1.}
    local is="-X $version.gitVersion=$kubernetes_version -X $version.gitMajor=1 -X $version.gitMinor=${minor%%.*}"
    local module=$here/kubernetes
    if [[ $kubernetes_version != "$(pinned kubernetes k8s.io/kubernetes)" && ! -e $kubernetes ]]; then
      module=$GOCACHE/kubernetes
      kubernetes_module "$module"
    fi
    build_module "$module" "$kubernetes" "$is" "${kubernetes_programs[@]/#/k8s.io/kubernetes/cmd/}"
    build_module "$here/etcd" "$etcd" '' .
    build_module "$here/containerd" "$containerd" '' "${containerd_programs[@]/#/github.com/containerd/containerd/v2/cmd/}"
    build_module "$here/policies" "$policies" '' .
    build_kwok "$GOCACHE/kwok"
    build_program "sigs.k8s.io/metrics-server/cmd/metrics-server@$metrics_version" "$metrics_server"
  )
}

# kubernetes_module DIRECTORY: the same programs of another version than the pinned one. That
# version itself says what else it needs.
kubernetes_module() {
  mkdir "$1"
  cp "$here/kubernetes/tools.go" "$1/"
  awk -v version="$kubernetes_version" '
    /^(module|go) /
    $2 == "k8s.io/kubernetes" { print $1, $2, version }
    $2 == "=>" { print "replace", $1, $2, $3, "v0." substr(version, 4) }
  ' "$here/kubernetes/go.mod" >"$1/go.mod"
  say "asking Kubernetes $kubernetes_version what it needs"
  (cd "$1" && go mod tidy 2>"$1/log") || fail "$(cat "$1/log")"
}

# build_module MODULE PLACE FLAGS PACKAGE...: as pinned in MODULE/go.mod and MODULE/go.sum. PLACE
# exists only when it is complete.
build_module() {
  local module=$1 place=$2 flags=$3
  shift 3
  [[ ! -e $place ]] || return 0
  say "building $(basename "$place") (minutes)"
  rm -rf "$place.new"
  mkdir "$place.new"
  (cd "$module" && nice go build -mod=readonly -trimpath -ldflags "-s -w $flags" -o "$place.new/" "$@")
  mv "$place.new" "$place"
}

# build_kwok DIRECTORY: from its source there, but for one line. kwok begins every watch with all
# pods, also one that is taken up again (0.7 and 0.8). From 3,200 pods on it read so slowly
# meanwhile that the API server ended the watch, which began again, 75 times in seven minutes, for
# 70 % of a core. Here a watch goes on where it was.
build_kwok() {
  [[ ! -e $kwok ]] || return 0
  local source=$1 file=pkg/utils/informer/event.go always='if !o.EnableListPager || o.EnableStreamWatch {'
  cp -r "$(go mod download -json "sigs.k8s.io/kwok@$kwok_version" | awk -F'"' '$2 == "Dir" { print $4 }')" "$source"
  chmod -R u+w "$source"
  grep -qF "$always" "$source/$file" || fail "kwok $kwok_version: $file does not have what is changed here"
  sed -i "s/$always/if opts.ResourceVersion == \"\" \&\& (!o.EnableListPager || o.EnableStreamWatch) {/" "$source/$file"
  say "building $(basename "$kwok") (minutes)"
  (cd "$source" && nice go build -mod=readonly -trimpath -ldflags '-s -w' -o "$kwok.new/" ./cmd/kwok)
  mv "$kwok.new" "$kwok"
}

# build_program PACKAGE@VERSION PLACE
build_program() {
  [[ ! -e $2 ]] || return 0
  say "building $(basename "$2") (minutes)"
  rm -rf "$2.new"
  GOBIN=$2.new nice go install -trimpath -ldflags '-s -w' "$1"
  mv "$2.new" "$2"
}
