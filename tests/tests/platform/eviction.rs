//! A tenant fills its disk: the kubelet evicts that pod, and nothing else of the shop suffers.

use e2e::{
    cluster::{Cluster, eventually},
    faults::tell,
    platform::{Class, Platform},
    web,
};
use serde_json::json;
use std::{fs, time::Duration};

/// The kubelet measures volumes once a minute.
const LONG: Duration = Duration::from_mins(5);
/// What the class lets a pod write, and what it writes.
const LIMIT: &str = "48Mi";
const BYTES: u32 = 80 << 20;

#[test]
fn a_pod_that_fills_its_disk_is_evicted_and_replaced_and_the_shop_goes_on() {
    let cluster = Cluster::alone();
    let platform = Platform::install(&cluster);
    platform.class(&Class::php("full"));
    let disk = json!({ "spec": { "disk": { "writable": LIMIT, "temporary": LIMIT } } }).to_string();
    cluster.ask(&[
        "patch",
        "shopclass",
        "full",
        "--type=merge",
        "--patch",
        &disk,
    ]);
    let shop = platform.tenant("full");
    web::write_sources(&shop.module("page"), "full", "");
    shop.register(shop.publish(
        &[("page", "")],
        "shared = [\"media\"]\nwritable = [\"var\"]",
    ));
    shop.open("full", &json!({ "scale": { "min": 2, "max": 2 } }));
    let mut evictions = 0;
    for place in ["/srv/shop/current/var", "/tmp"] {
        let pods = shop.served_by(2);
        let (victim, other) = (&pods[0], &pods[1]);
        shop.exec(
            &victim.name,
            "php-fpm",
            &["sh", "-c", "echo mine >/srv/shop/current/media/kept.txt"],
        )
        .expect(0);
        let fill = format!("head -c {BYTES} /dev/zero >{place}/filler");
        shop.exec(&victim.name, "php-fpm", &["sh", "-c", &fill])
            .expect(0);
        let evicted = eventually("the eviction", LONG, || {
            assert_eq!(
                shop.page(other, "/").map(|page| page.status).ok(),
                Some(200),
                "the other pod failed meanwhile"
            );
            let pods = cluster.get(&["pods", "--namespace", &shop.namespace]);
            let found = pods["items"]
                .as_array()?
                .iter()
                .find(|pod| pod["metadata"]["name"] == victim.name.as_str())?
                .clone();
            // Kubelets of 1.36 write the phase in place of the reason, if all containers obey.
            (found["status"]["reason"] == "Evicted" || found["status"]["phase"] == "Succeeded")
                .then_some(found)
        });
        let message = evicted["status"]["message"]
            .as_str()
            .unwrap_or("no message");
        let events = cluster.ask(&["events", "--namespace", &shop.namespace, "--types=Warning"]);
        assert!(events.contains("exceeds the limit"), "{events}");
        // Who asks is told, and what to do.
        let why = shop.why();
        assert!(
            why.contains("evicted") && why.contains("disk sizes of the class"),
            "{why}"
        );
        println!("{place}: {message}\n{why}");
        // Another pod takes its place, and nothing of the shop is lost.
        let now = shop.served_by(2);
        assert!(
            now.iter().all(|pod| pod.name != victim.name)
                && now.iter().any(|pod| pod.name == other.name),
            "{now:#?}"
        );
        assert_eq!(
            fs::read_to_string(platform.shared().join("full/media/kept.txt")).unwrap(),
            "mine\n"
        );
        assert_eq!(web::get_from(shop.service(), "/", "").unwrap().status, 200);
        cluster
            .kubectl([
                "--namespace",
                &shop.namespace,
                "delete",
                "pod",
                &victim.name,
            ])
            .run()
            .expect(0);
        evictions += 1;
    }
    tell(40, evictions, evictions).unwrap();
}
