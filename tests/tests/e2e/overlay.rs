//! A release root that came with the container's image: a lower layer of overlayfs, which lets
//! nobody rename its directories.

use e2e::{
    process::{Program, binary},
    shop::Shop,
};
use runtime::fixtures::free_port;
use std::{fs, time::Duration};

// What is read all the while is never missing.
const SCRIPT: &str = r#"
set -eu
mkdir upper merged
mount -t tmpfs tmpfs upper
mkdir upper/data upper/work
mount -t overlay overlay -o "lowerdir=$PWD/image,upperdir=$PWD/upper/data,workdir=$PWD/upper/work" merged
"$AGENT" 2>agent.log & agent=$!
trap 'kill -9 $agent 2>/dev/null || true' EXIT
soon() { for i in $(seq 200); do if eval "$1"; then return; fi; sleep 0.1; done; echo "not in time: $1"; exit 9; }
soon 'curl --silent "http://$LONGSHORE_LISTEN/status" | grep -q "lastScanAt.: .2"'
cd merged/current
set -- $(find . -type f | sort)
changed=$1 whole=$2
cd ../..
(while cat "merged/current/$whole" >/dev/null; do :; done; echo missed >missed) & reader=$!
echo evil >"merged/current/$changed"
soon 'cmp -s "image/current/$changed" "merged/current/$changed"'
echo evil >merged/current/new.php
soon '! [ -e merged/current/new.php ]'
soon '[ "$(readlink merged/current)" = "$(readlink image/current)" ]'
soon '[ -z "$(ls merged/staging)" ]'
kill $reader
kill -TERM $agent
wait $agent
"#;

#[test]
fn changed_and_added_files_of_an_image_are_put_right_while_readers_miss_none() {
    let shop = Shop::on_disk(1, 30);
    shop.publish();
    shop.init("image").run().expect(0);
    let program = Program::new("unshare")
        .args(["--mount", "bash", "-c", SCRIPT])
        .directory(shop.path(""))
        .envs(shop.pod_environment("merged"));
    let listen = format!("127.0.0.1:{}", free_port());
    let program = program
        .env("AGENT", binary("longshore-agent"))
        .env("LONGSHORE_POLL", "1s")
        .env("LONGSHORE_LISTEN", listen);
    let outcome = program.deadline(Duration::from_mins(2)).run();
    let log = fs::read_to_string(shop.path("agent.log")).unwrap_or_default();
    assert_eq!(
        (outcome.code(), shop.path("missed").exists()),
        (Some(0), false),
        "{outcome:#?}\n{log}"
    );
}
