//! `longshore try`: a rendered pod on this machine, with the nginx and the php-fpm of this machine
//! as its image.

use e2e::{
    process::{Program, binary},
    shop::Shop,
};
use serde_json::json;
use std::fs;

// The pod's ports are those of a network namespace; what the pod may not write, it tries to.
const SCRIPT: &str = "ip link set lo up
\"$0\" try class.json release.json shop.json --programs \"$1\" \
                      --store \"$2\" >log 2>&1 &
for i in $(seq 1 300); do grep -q 'nginx runs' log \
                      && break; kill -0 $! || exit 9; sleep 0.2; done
grep -q 'nginx runs: http://127.0.0.1:8080/' \
                      log || exit 8
curl --silent --max-time 20 --header 'Host: www.acme.example' http://127.0.0.1:8080/ \
                      >page
kill -INT $!
wait $!";

#[test]
fn a_pod_serves_its_page_may_not_write_its_sources_and_leaves_nothing() {
    let shop = Shop::on_disk(1, 3);
    fs::write(
        shop.module(0).join("index.php"),
        "<?php echo posix_getuid(), ' ', (int) @file_put_contents(__DIR__ . '/x', '1'), ' ', \
         (int) @file_put_contents('/tmp/x', '1');",
    )
    .unwrap();
    shop.publish();
    let release = shop.longshore(["release", "resource"]).expect(0).stdout;
    fs::write(shop.path("release.json"), release).unwrap();
    let image = format!("registry.example/x@sha256:{}", "0".repeat(64));
    let class = json!({
        "engine": "Php",
        "images": { "longshore": image, "shop": image },
        "storage": { "mode": "Csi" },
        "network": { "edge": { "namespace": "ingress" }, "store": ["192.168.7.30/32"] },
        "route": { "ingress": { "className": "haproxy" } },
        "store": { "location": "s3://shop-releases", "region": "us-east-1", "trust": fs::read_to_string(shop.path("1.root.json")).unwrap() },
    });
    let spec = json!({
        "class": "c", "channel": "shops/acme",
        "domains": [{ "host": "www.acme.example", "primary": true }], "services": {},
    });
    for (kind, name, file, spec) in [
        ("ShopClass", "c", "class.json", class),
        ("Shop", "acme", "shop.json", spec),
    ] {
        let resource = json!({
            "apiVersion": "longshore.dev/v1alpha1", "kind": kind, "metadata": { "name": name },
            "spec": spec,
        });
        fs::write(shop.path(file), resource.to_string()).unwrap();
    }
    let scheduler = binary("longshore");
    let program = Program::new("unshare")
        .args(["--net", "sh", "-c", SCRIPT])
        .arg(&scheduler)
        .arg(scheduler.parent().unwrap());
    let outcome = program.arg(shop.store()).directory(shop.path("")).run();
    let log = fs::read_to_string(shop.path("log")).unwrap_or_default();
    assert_eq!(outcome.code(), Some(0), "{outcome:#?}\n{log}");
    assert_eq!(
        fs::read_to_string(shop.path("page")).unwrap(),
        "10001 0 1",
        "{log}"
    );
    assert!(
        log.contains("pull ended with 0")
            && log.contains("agent has started")
            && log.contains("php-fpm has started"),
        "{log}"
    );
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains("longshore-try-"), "{mounts}");
}
