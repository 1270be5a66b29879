# shellcheck shell=bash disable=SC2154 # part of `cluster`, which sets what is used here
# OCI archives of one layer, without a builder: for images of one program.

# oci_archive NAME TREE OUT [ENTRYPOINT]...: the same tree gives the same bytes.
oci_archive() {
  local name=$1 tree=$2 out=$3 work layer config manifest entrypoint
  shift 3
  entrypoint=$(printf ',"%s"' "$@")
  work=$(mktemp --directory)
  mkdir -p "$work/blobs/sha256"
  tar --directory "$tree" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --create --file "$work/layer" .
  layer=$(blob "$work/layer" application/vnd.oci.image.layer.v1.tar)
  cat >"$work/config" <<JSON
{"architecture": "amd64", "os": "linux", "config": {"Entrypoint": [${entrypoint:1}]},
 "rootfs": {"type": "layers", "diff_ids": [$(grep -oE '"sha256:[0-9a-f]+"' <<<"$layer")]}}
JSON
  config=$(blob "$work/config" application/vnd.oci.image.config.v1+json)
  printf '{"schemaVersion": 2, "mediaType": "%s", "config": %s, "layers": [%s]}' \
    application/vnd.oci.image.manifest.v1+json "$config" "$layer" >"$work/manifest"
  manifest=$(blob "$work/manifest" application/vnd.oci.image.manifest.v1+json)
  printf '{"schemaVersion": 2, "manifests": [%s, "annotations": {"io.containerd.image.name": "%s"}}]}' \
    "${manifest%\}}" "$name" >"$work/index.json"
  printf '{"imageLayoutVersion": "1.0.0"}' >"$work/oci-layout"
  tar --directory "$work" --sort=name --owner=0 --group=0 --mtime=@0 --create --file "$out" oci-layout index.json blobs
  rm -rf "$work"
}

# blob FILE TYPE: stores FILE beside itself by its digest, and prints its descriptor.
blob() {
  local digest
  digest=$(sha256sum <"$1" | cut -d' ' -f1)
  cp "$1" "$(dirname "$1")/blobs/sha256/$digest"
  printf '{"mediaType": "%s", "digest": "sha256:%s", "size": %s}' "$2" "$digest" "$(stat --format=%s "$1")"
}

# pause_image OUT: what holds a pod's network; it only waits for a signal.
pause_image() {
  [[ ! -e $1 ]] || return 0
  local tree=$run/pause
  mkdir -p "$tree"
  cc -static -Os -o "$tree/pause" "$here/pause.c"
  oci_archive localhost/pause:1 "$tree" "$1" /pause
}
