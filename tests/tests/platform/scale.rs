//! A shop grows with its visitors, and shrinks without losing one.

use e2e::{
    cluster::Cluster,
    platform::{Class, Platform, boot::Watch},
    web::{self, Network, Visitors},
};
use serde_json::{Value, json};
use std::{
    thread,
    time::{Duration, Instant},
};

/// From the load's beginning until all new pods serve.
const GROWN: Duration = Duration::from_mins(1);
const LONG: Duration = Duration::from_mins(3);
/// A page costs 12 ms of a processor, however busy that is: these visitors want more than one core, and 65 % of what five pods ask for is 0.65.
const WORK: &str = "function used() { $all = getrusage(); return 1e6 * ($all['ru_utime.tv_sec'] + $all['ru_stime.tv_sec']) \
    + $all['ru_utime.tv_usec'] + $all['ru_stime.tv_usec']; } \
    $until = used() + 12000; while (used() < $until) { hash('sha256', str_repeat('x', 65536)); }";
const CALM: Duration = Duration::from_secs(30);
const VISITORS: usize = 6;
const PAUSE: Duration = Duration::from_millis(40);
/// How often is looked: each look costs as much as five pages.
const LOOK: Duration = Duration::from_millis(300);

#[test]
fn a_shop_grows_from_two_to_six_pods_within_a_minute_and_shrinks_unnoticed() {
    let cluster = Cluster::alone();
    let platform = Platform::install(&cluster);
    // Of less, what php-fpm does by itself is much of it on two cores that are busy.
    platform.class(&Class { cpu: "200m", ..Class::php("scale") });
    let shop = platform.tenant("scale");
    web::write_sources(&shop.module("page"), "scale", WORK);
    shop.register(shop.publish(&[("page", "")], "shared = [\"media\"]"));
    let mut watch = Watch::begin(&cluster, &shop);
    shop.open("scale", &json!({ "scale": { "min": 2, "max": 2 } }));
    watch.ready(2, LONG);
    shop.served_by(2);
    // Pods that have just begun use processor time, which is none of their visitors', and metrics of it are half a minute old.
    thread::sleep(CALM);
    shop.change(&json!({ "scale": { "min": 2, "max": 6 } }));
    let scaler = || {
        // It is made a moment after the shop asks for it.
        let words = ["get", "hpa", "web", "--ignore-not-found", "--output", "json", "--namespace", &shop.namespace];
        let found: Value = serde_json::from_str(&cluster.kubectl(words).run().stdout).unwrap_or_default();
        found["status"].clone()
    };
    let begin = Instant::now();
    loop {
        let status = scaler();
        let known = status["currentMetrics"][0]["containerResource"]["current"]["averageUtilization"].as_u64();
        if known.is_some_and(|percent| percent < 40) && status["desiredReplicas"] == 2 && shop.pods().len() == 2 {
            break;
        }
        assert!(begin.elapsed() < LONG, "{status:#}");
        thread::sleep(Duration::from_secs(1));
    }

    let networks = [Network::Of(cluster.node_process(1)), Network::Of(cluster.node_process(2))];
    // What happened until now is not the load's doing.
    watch.look();
    let visitors = Visitors::start_from(&networks, shop.service(), VISITORS, PAUSE);
    let begin = Instant::now();
    let (mut decided, mut made) = (None, None);
    while watch.ready_after(begin).len() < 4 {
        watch.look();
        if decided.is_none() && scaler()["desiredReplicas"] == 6 {
            decided = Some(begin.elapsed());
        }
        if made.is_none() && shop.list("web").len() == 6 {
            made = Some(begin.elapsed());
        }
        assert!(begin.elapsed() < LONG, "{:#}\n{}", scaler(), platform.tell(&shop.namespace));
        thread::sleep(LOOK);
    }
    let ready = begin.elapsed();
    let pods = shop.served_by(6);
    // A Service has them as soon as it hears: each is asked for a page by itself.
    assert!(pods.iter().all(|pod| shop.page(pod, "/").is_ok_and(|page| page.status == 200)));
    let seconds = |span: Option<Duration>| span.map_or_else(|| "?".to_owned(), |span| format!("{:.1}", span.as_secs_f64()));
    let after: Vec<_> = watch.ready_after(begin).iter().map(|seconds| format!("{seconds:.1}")).collect();
    println!(
        "load; the autoscaler wants 6 pods after {} s, they exist after {} s, and are Ready after {} s",
        seconds(decided),
        seconds(made),
        after.join(", ")
    );
    assert!(ready < GROWN, "{ready:?}");

    // What an autoscaler does after five calm minutes, at once.
    shop.change(&json!({ "scale": { "min": 2, "max": 2 } }));
    shop.served_by(2);
    thread::sleep(Duration::from_secs(2));
    let (count, wrong) = visitors.end();
    assert!(wrong.is_empty(), "{} of {count}: {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);
    println!("2 pods to 6 and back to 2: {count} requests, none failed, none mixed");
}
