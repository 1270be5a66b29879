# Builds a release of Magento 2, as the Job of its class: compiles, deploys static content, and publishes what that added as the next sequence.
# Ends with 0 also where there is nothing to do.
set -eu
PHP=@PHP@
export HOME=/tmp TMPDIR=/build/temporary
mkdir -p "$TMPDIR"
printf '%s' "$BUILD_TRUST" >/build/root.json
say() { printf 'build: %s\n' "$*"; }
release() { longshore "$@" --store "$BUILD_STORE" --trust /build/root.json; }

release pull --channel "$BUILD_CHANNEL" --sequence "$BUILD_SEQUENCE" /build/root
tree=$(readlink -f /build/root/current)
cd "$tree"
if [ -e generated/metadata/global.php ] && [ -e pub/static/deployed_version.txt ]; then
    say "sequence $BUILD_SEQUENCE of $BUILD_CHANNEL is built already"
    exit 0
fi
if [ ! -e app/etc/config.php ]; then
    say "sequence $BUILD_SEQUENCE of $BUILD_CHANNEL has no app/etc/config.php, which says what modules there are: commit it"
    exit 1
fi

# Where pods find what they share there are empty directories here; a build has nothing of it.
for shared in app/etc/env.php pub/static/_cache; do
    [ ! -d "$shared" ] || rmdir "$shared"
done
mkdir -p generated pub/media pub/static var
find generated pub/static ! -type d | sort >/build/before
chmod -R u+w generated pub/static

say 'compiling'
"$PHP" -d memory_limit=-1 bin/magento setup:di:compile
say 'deploying static content'
"$PHP" -d memory_limit=-1 bin/magento setup:static-content:deploy --force

# A file is one module's: what the release had before stays with the module that has it.
while read -r file; do rm -f "$file"; done </build/before
cat >/build/longshore.toml <<TOML
channel = "$BUILD_CHANNEL"
case_sensitive = true
[[module]]
name = "longshore/generated"
version = "$BUILD_SEQUENCE"
source = "$tree/generated"
target = "generated"
[[module]]
name = "longshore/static"
version = "$BUILD_SEQUENCE"
source = "$tree/pub/static"
target = "pub/static"
TOML
say "publishing $(find generated pub/static -type f | wc -l) files more"
release publish --spec /build/longshore.toml --onto "$BUILD_SEQUENCE" --no-cache --sign @SECRET@/ci.key
