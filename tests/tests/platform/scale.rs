//! A shop grows with its visitors, and shrinks without losing one.

use e2e::{
    cluster::Cluster,
    platform::{
        Class, Platform, Tenant,
        boot::{STAGES, Watch},
        picture,
    },
    web::{self, Network, Visitors},
};
use serde_json::{Value, json};
use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// From the load's beginning until all new pods serve: one of an autoscaler's rounds of 15 s, or
/// the next.
const GROWN: Duration = Duration::from_mins(2);
const LONG: Duration = Duration::from_mins(3);
/// A page costs 12 ms of a processor, however busy that is: these visitors want more than one core,
/// and get 0.6 of one where the cluster takes its share; 65 % of what five pods ask for is 0.4.
const WORK: &str = "function used() { $all = getrusage(); return 1e6 * ($all['ru_utime.tv_sec'] + \
                    $all['ru_stime.tv_sec']) + $all['ru_utime.tv_usec'] + \
                    $all['ru_stime.tv_usec']; } $until = used() + 12000; while (used() < $until) \
                    { hash('sha256', str_repeat('x', 65536)); }";
const CALM: Duration = Duration::from_secs(30);
const VISITORS: usize = 8;
const PAUSE: Duration = Duration::from_millis(20);
/// How often the autoscaler is asked: each time costs as much as five pages.
const ASK: Duration = Duration::from_millis(300);
/// How often is looked at what a watch has brought, which costs nothing.
const LOOK: Duration = Duration::from_millis(20);

/// The status of the shop's autoscaler.
fn scaler(cluster: &Cluster, shop: &Tenant<'_>) -> Value {
    // It is made a moment after the shop asks for it.
    let words = [
        "get",
        "hpa",
        "web",
        "--ignore-not-found",
        "--output",
        "json",
        "--namespace",
        &shop.namespace,
    ];
    let found: Value =
        serde_json::from_str(&cluster.kubectl(words).run().stdout).unwrap_or_default();
    found["status"].clone()
}

/// Waits until the autoscaler sees two pods that do little.
fn calm(cluster: &Cluster, shop: &Tenant<'_>) {
    let begin = Instant::now();
    loop {
        let status = scaler(cluster, shop);
        let known =
            status["currentMetrics"][0]["containerResource"]["current"]["averageUtilization"]
                .as_u64();
        if known.is_some_and(|percent| percent < 40)
            && status["desiredReplicas"] == 2
            && shop.pods().len() == 2
        {
            break;
        }
        assert!(begin.elapsed() < LONG, "{status:#}");
        thread::sleep(Duration::from_secs(1));
    }
}

fn draw(report: &Value, bars: &[picture::Bar]) {
    let stages: Vec<_> = ["autoscaler"]
        .into_iter()
        .chain(STAGES.map(|(stage, _)| stage))
        .collect();
    let drawn = picture::picture(
        "From the load's beginning until four more pods are Ready, by stage",
        &stages,
        bars,
    );
    picture::write(
        Path::new(env!("CARGO_TARGET_TMPDIR")),
        "scale",
        &report.to_string(),
        &drawn,
    );
}

#[test]
#[ignore = "wants a machine that does nothing else: make test-scaling"]
fn a_shop_grows_from_two_to_six_pods_and_shrinks_unnoticed() {
    let cluster = Cluster::alone();
    let platform = Platform::install(&cluster);
    // Of much less, what php-fpm does by itself would be most of it; of more, five pods are enough
    // for these visitors.
    platform.class(&Class {
        cpu: "125m",
        ..Class::php("scale")
    });
    let shop = platform.tenant("scale");
    web::write_sources(&shop.module("page"), "scale", WORK);
    shop.register(shop.publish(&[("page", "")], "shared = [\"media\"]"));
    let mut watch = Watch::begin(&cluster, &shop);
    shop.open("scale", &json!({ "scale": { "min": 2, "max": 2 } }));
    let first = watch.ready(2, LONG);
    shop.served_by(2);
    // Pods that have just begun use processor time, which is none of their visitors', and metrics
    // of it are half a minute old.
    thread::sleep(CALM);
    shop.change(&json!({ "scale": { "min": 2, "max": 6 } }));
    calm(&cluster, &shop);

    let networks = [
        Network::Of(cluster.node_process(1)),
        Network::Of(cluster.node_process(2)),
    ];
    // What happened until now is not the load's doing.
    watch.look();
    let visitors = Visitors::start_from(&networks, shop.service(), VISITORS, PAUSE);
    let begin = Instant::now();
    let (mut decided, mut made, mut asked) = (None, None, begin);
    while watch.ready_after(begin).len() < 4 {
        watch.look();
        if made.is_none() && watch.created_after(begin) == 4 {
            made = Some(begin.elapsed());
        }
        if decided.is_none() && asked.elapsed() > ASK {
            decided = (scaler(&cluster, &shop)["desiredReplicas"] == 6).then(|| begin.elapsed());
            asked = Instant::now();
        }
        assert!(
            begin.elapsed() < LONG,
            "{:#}\n{}",
            scaler(&cluster, &shop),
            platform.tell(&shop.namespace)
        );
        thread::sleep(LOOK);
    }
    // A Service has them as soon as it hears: each is asked for a page by itself.
    let pods = shop.served_by(6);
    assert!(
        pods.iter()
            .all(|pod| shop.page(pod, "/").is_ok_and(|page| page.status == 200))
    );
    let served = begin.elapsed();

    let all = watch.ready(6, LONG);
    let new: Vec<_> = all
        .iter()
        .filter(|boot| first.iter().all(|earlier| earlier.pod != boot.pod))
        .collect();
    let seconds = |span: Duration| (span.as_secs_f64() * 10.0).round() / 10.0;
    let after: Vec<_> = watch
        .ready_after(begin)
        .iter()
        .map(|ready| (ready * 10.0).round() / 10.0)
        .collect();
    let report = json!({
        "decided": decided.map(seconds), "created": made.map(seconds), "ready": after, "served": seconds(served), "pods": new,
    });
    println!("seconds from the load's beginning: {report}");
    draw(
        &report,
        &new.iter()
            .map(|boot| boot.bar_after(begin))
            .collect::<Vec<_>>(),
    );
    assert!(served < GROWN, "{report:#}");

    // What an autoscaler does after five calm minutes, at once.
    shop.change(&json!({ "scale": { "min": 2, "max": 2 } }));
    shop.served_by(2);
    thread::sleep(Duration::from_secs(2));
    let (count, wrong) = visitors.end();
    assert!(
        wrong.is_empty(),
        "{} of {count}: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(5)]
    );
    println!("2 pods to 6 and back to 2: {count} requests, none failed, none mixed");
}
