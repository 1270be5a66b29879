# shellcheck shell=bash disable=SC2154 # part of `tools`, which sets what is used here
# What Go builds: each program is kept by its version, and linked from there.

# go_tool PACKAGE@VERSION [NAME]: builds it once for each version, and links it by its own name or
# by NAME.
go_tool() {
  local name version place
  name=$(basename "${1%@*}") version=${1#*@}
  place=$cache/$name-$version
  [[ -x $place/$name ]] || alone "$name-$version" go_install "$1" "$place/$name"
  ln -sfn "$place/$name" "$bin/${2:-$name}"
}

go_tools() {
  local package
  for package; do go_tool "$package"; done
}

# go_install PACKAGE@VERSION PROGRAM: unless another run has built it meanwhile. PROGRAM is there
# only when it is complete.
go_install() {
  [[ ! -x $2 ]] || return 0
  local name place
  name=$(basename "$2") place=$(dirname "$2")
  command -v go >/dev/null || fail "go: not found; $(basename "$place") is built by Go 1.25 or newer (https://go.dev/dl)"
  say "building $(basename "$place") (about 4 minutes on 2 cores)"
  GOBIN=$place.new CGO_ENABLED=0 go install -ldflags='-s -w' "$1"
  mkdir -p "$place"
  mv "$place.new/$name" "$place/$name"
  rmdir "$place.new"
}

# What keeps logs and figures. Prometheus finds pods by Kubernetes alone: the other clouds' libraries
# would be most of its build.
stack() {
  go_tools "$victoria_logs" "$vlagent"
  local tags='-tags=remove_all_sd,enable_kubernetes_sd'
  GOFLAGS="${GOFLAGS:-} $tags" go_tool "$prometheus"
  GOFLAGS="${GOFLAGS:-} $tags" go_tool "$stack_promtool" promtool-stack
  local name place=$cache/alertmanager-${alertmanager#*@}
  [[ -e $place ]] || alone "$(basename "$place")" alertmanager_build "$place"
  for name in alertmanager amtool; do ln -sfn "$place/$name" "$bin/$name"; done
  place=$cache/otelcol-$(cat "$here/otelcol.yaml" <(echo "$otelcol_builder") | sha256sum | cut -c1-12)
  [[ -e $place ]] || alone "$(basename "$place")" otelcol_build "$place"
  ln -sfn "$place/otelcol" "$bin/otelcol"
}

# otelcol_build PLACE: by OpenTelemetry's own builder, which writes a Go module with those parts.
otelcol_build() {
  [[ ! -e $1 ]] || return 0
  go_tool "$otelcol_builder"
  say "building $(basename "$1") (about 4 minutes on 2 cores)"
  local source=$1.source
  rm -rf "$source" "$1.new"
  mkdir "$1.new"
  sed "s|OUTPUT|$source|" "$here/otelcol.yaml" >"$1.new/otelcol.yaml"
  CGO_ENABLED=0 "$bin/builder" --config="$1.new/otelcol.yaml" >"$1.new/log" 2>&1 || fail "$(cat "$1.new/log")"
  mv "$source/otelcol" "$1.new/"
  mv "$1.new" "$1"
  rm -rf "$source"
}

# alertmanager_build PLACE: from its source with an empty page in the place of its web pages, which
# are no part of the Go module, and without which it does not compile.
alertmanager_build() {
  [[ ! -e $1 ]] || return 0
  command -v go >/dev/null || fail 'go: not found; Alertmanager is built by Go 1.26 or newer (https://go.dev/dl)'
  say "building $(basename "$1") (about 4 minutes on 2 cores)"
  local source=$1.source
  rm -rf "$source" "$1.new"
  cp -r "$(go mod download -json "$alertmanager" | awk -F'"' '$2 == "Dir" { print $4 }')" "$source"
  chmod -R u+w "$source"
  mkdir -p "$source/ui/app/dist"
  touch "$source/ui/app/dist/index.html"
  (cd "$source" && CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags='-s -w' -o "$1.new/" ./cmd/alertmanager ./cmd/amtool)
  mv "$1.new" "$1"
  rm -rf "$source"
}
