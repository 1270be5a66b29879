//! Visitors, the edge from its image, and a shop, all on the cluster.

#![allow(
    clippy::disallowed_methods,
    reason = "a test makes its files itself, and has no failpoints"
)]

mod way;

use self::way::{EACH, Way};
use e2e::{
    cluster::{Cluster, eventually},
    haproxy::Requests,
    platform::{
        Class, Platform, Tenant,
        edge::{EDGE, Signed},
    },
    web,
};
use serde_json::{Value, json};
use std::{
    fs,
    net::{IpAddr, SocketAddr},
    thread,
    time::{Duration, Instant},
};

const HOST: &str = "www.edge.example";
/// Visitors at once.
const VISITORS: usize = 8;
const LONG: Duration = Duration::from_mins(3);

/// The pods of the edge.
fn replicas(cluster: &Cluster) -> Vec<String> {
    let selector = "app.kubernetes.io/component=edge";
    let pods = cluster.get(&["pods", "--namespace", EDGE, "--selector", selector]);
    let names = pods["items"].as_array().unwrap().iter();
    names
        .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
        .map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

fn restarts(cluster: &Cluster, pod: &str) -> u64 {
    let pod = cluster.get(&["pod", pod, "--namespace", EDGE]);
    pod["status"]["containerStatuses"][0]["restartCount"]
        .as_u64()
        .unwrap()
}

/// Visitors that are connected to a replica: established connections of port 8443.
fn connected(cluster: &Cluster, pod: &str) -> usize {
    let words = [
        "--namespace",
        EDGE,
        "exec",
        pod,
        "--container",
        "haproxy",
        "--",
        "cat",
        "/proc/net/tcp",
    ];
    let table = cluster.kubectl(words).run().stdout;
    let of_visitors = |line: &&str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields.len() > 3 && fields[1].ends_with(":20FB") && fields[3] == "01"
    };
    table.lines().filter(of_visitors).count()
}

/// Runs a line of shell in a container of a replica, which may end with it.
fn shell(cluster: &Cluster, pod: &str, container: &str, line: &str) {
    let words = ["--namespace", EDGE, "exec", pod, "--container", container];
    let words = [&words[..], &["--", "sh", "-c", line]].concat();
    drop(cluster.kubectl(words).run());
}

fn shop<'a>(platform: &'a Platform<'a>) -> Tenant<'a> {
    platform.class(&Class::php("edge"));
    let shop = platform.tenant("edge");
    web::write_sources(&shop.module("page"), "first", "");
    let sequence = shop.publish(&[("page", "")], "shared = [\"media\"]");
    shop.register(sequence);
    let domain = json!({ "host": HOST, "primary": true, "certificate": "edge-own" });
    shop.open(
        "edge",
        &json!({ "scale": { "min": 2, "max": 2 }, "domains": [domain] }),
    );
    shop.served_by(2);
    shop
}

/// The edge, and a shop that it serves.
fn served<'a>(platform: &'a Platform<'a>) -> (Way, Tenant<'a>) {
    let signed = Signed::for_host(HOST);
    let authority = platform.path("edge-authority.pem");
    fs::write(&authority, &signed.authority).unwrap();
    let way = Way {
        address: platform.haproxy(),
        authority,
    };
    platform.bring("edge-own", &signed);
    let shop = shop(platform);
    eventually("the edge serves the shop", LONG, || {
        way.get(HOST, &[]).starts_with("HTTP/2 200").then_some(())
    });
    (way, shop)
}

#[test]
fn visitors_reach_a_shop_whatever_ends_on_the_way() {
    let cluster = Cluster::alone();
    let platform = Platform::install(&cluster);
    let (way, shop) = served(&platform);
    for (option, begins) in [
        ("--http1.1", "HTTP/1.1 200"),
        ("--http2", "HTTP/2 200"),
        ("--http3-only", "HTTP/3 200"),
    ] {
        // A first connection may take more than its ten seconds where everything else has just
        // begun.
        let mut tries = 0;
        eventually(&format!("a page by {option}"), LONG, || {
            let page = way.get(HOST, &[option]);
            tries += 1;
            let good = page.starts_with(begins) && page.contains("entry=first");
            if !good {
                println!("try {tries} by {option}: {page}");
            }
            good.then_some(())
        });
    }

    // The shop's pods are replaced, one after the other; and then those of the edge.
    let load = way.load(Duration::from_secs(40));
    let restart = |namespace: &str, what: &str| {
        let words = ["--namespace", namespace, "rollout", "restart", what];
        cluster.kubectl(words).run().expect(0);
        platform.rolled_out(namespace, what);
    };
    restart(&shop.namespace, "deployment/web");
    let Requests { all, failed, .. } = load.requests();
    println!("the shop's pods are replaced: {failed} of {all} requests failed");
    assert_eq!(failed, 0);
    restart(EDGE, "deployment/longshore-edge");

    // HAProxy of one replica is killed: what it had is lost, and nothing else.
    let load = way.load(Duration::from_secs(20));
    thread::sleep(Duration::from_secs(2));
    let pods = replicas(&cluster);
    let (visitors, pod) = pods
        .iter()
        .map(|pod| (connected(&cluster, pod), pod))
        .max()
        .unwrap();
    assert!(visitors > 0, "{pods:?}");
    shell(&cluster, pod, "haproxy", "kill -9 -1");
    let Requests { all, failed, .. } = load.requests();
    println!(
        "HAProxy with {visitors} of {VISITORS} visitors is killed: {failed} of {all} requests failed"
    );
    assert!(failed <= u64::try_from(visitors).unwrap());
    assert!(restarts(&cluster, pod) >= 1);
    platform.rolled_out(EDGE, "deployment/longshore-edge");

    what_is_wrong_goes_nowhere(&platform, &way, pod);

    // Nobody tells the edge anything.
    cluster.component("apiserver").freeze();
    let load = way.load(Duration::from_secs(20));
    let Requests { all, failed, .. } = load.requests();
    cluster.component("apiserver").thaw();
    println!("the API server is away: {failed} of {all} requests failed");
    assert_eq!(failed, 0);

    // What changes reaches visitors.
    added(&platform, &shop, &way);
    renewed(&platform, &way);
    a_node_is_lost(&platform, &shop);
    nobody_comes(&platform, &shop, &way);
}

/// The API server is away for as long as nobody should notice; by hand, for its time.
#[test]
#[ignore = "takes ten minutes: make test-outage"]
fn visitors_reach_a_shop_while_the_api_server_is_away_for_ten_minutes() {
    let cluster = Cluster::alone();
    let platform = Platform::install(&cluster);
    let (way, _shop) = served(&platform);
    cluster.component("apiserver").freeze();
    // Ten requests of each visitor in a second.
    let address = format!("{}:443", way.address);
    let load = Way::load_at(&address, Duration::from_mins(10), 10);
    let Requests { all, failed, .. } = load.requests();
    cluster.component("apiserver").thaw();
    println!("the API server is away for ten minutes: {failed} of {all} requests failed");
    assert_eq!(failed, 0);
}

/// Where the pods of a component are: node and address.
fn places(cluster: &Cluster, namespace: &str, component: &str) -> Vec<(String, IpAddr)> {
    let selector = format!("app.kubernetes.io/component={component}");
    let pods = cluster.get(&["pods", "--namespace", namespace, "--selector", &selector]);
    let pods = pods["items"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    pods.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
        .map(|pod| {
            let address = text(&pod["status"]["podIP"]).parse().unwrap();
            (text(&pod["spec"]["nodeName"]), address)
        })
        .collect()
}

/// A certificate is renewed: each replica serves the new one within five seconds.
fn renewed(platform: &Platform<'_>, way: &Way) {
    let signed = Signed::for_host(HOST);
    fs::write(&way.authority, &signed.authority).unwrap();
    let replicas = places(platform.cluster, EDGE, "edge");
    assert_eq!(replicas.len(), 2, "{replicas:?}");
    let begin = Instant::now();
    platform.bring("edge-own", &signed);
    for (_, address) in replicas {
        let replica = Way {
            address,
            authority: way.authority.clone(),
        };
        eventually("the renewed certificate", LONG, || {
            let page = replica.get_at(8443, HOST, &[]);
            page.starts_with("HTTP/2 200").then_some(())
        });
    }
    let took = begin.elapsed();
    println!("a renewed certificate is on all replicas after {took:.1?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

/// A node's network is unplugged, and with it a replica of the edge and a pod of the shop. Visitors
/// come to the other replica, as a load balancer has them.
fn a_node_is_lost(platform: &Platform<'_>, shop: &Tenant<'_>) {
    let cluster = platform.cluster;
    let edge = places(cluster, EDGE, "edge");
    let pods = places(cluster, &shop.namespace, "web");
    let (lost, stays) = (&edge[0].0, &edge[1]);
    assert!(
        pods.iter().any(|(node, _)| node == lost) && pods.iter().any(|(node, _)| *node == stays.0),
        "{edge:?} {pods:?}"
    );
    let unplug = |state: &str| {
        let link = format!(
            "veth{}",
            lost.trim_start_matches(|c: char| !c.is_ascii_digit())
        );
        let words = ["link", "set", &link, state];
        cluster.program("ip").args(words).run().expect(0);
    };
    let address = SocketAddr::new(stays.1, 8443).to_string();
    let load = Way::load_at(&address, Duration::from_mins(1), EACH);
    thread::sleep(Duration::from_secs(5));
    unplug("down");
    let Requests { all, failed, .. } = load.requests();
    unplug("up");
    println!("a node is lost: {failed} of {all} requests failed");
    // What the lost pod had at that moment: one request of each visitor at most.
    assert!(failed <= u64::try_from(VISITORS).unwrap());
    platform.rolled_out(EDGE, "deployment/longshore-edge");
    platform.rolled_out(&shop.namespace, "deployment/web");
}

/// A shop that may be scaled to zero is, and its next visitors wait for a pod.
fn nobody_comes(platform: &Platform<'_>, shop: &Tenant<'_>, way: &Way) {
    let cluster = platform.cluster;
    let idle = json!({ "after": "1m", "mode": "Zero" });
    shop.change(&json!({ "scale": { "min": 1, "max": 2, "idle": idle } }));
    let pods = || {
        let words = ["pods", "--namespace", &shop.namespace, "--selector"];
        let words = [&words[..], &["app.kubernetes.io/component=web"]].concat();
        cluster.get(&words)["items"].as_array().unwrap().len()
    };
    let since = || cluster.get(&["shop", "edge"])["status"]["atZeroSince"].clone();
    eventually("the shop has no pods", LONG, || (pods() == 0).then_some(()));
    assert!(since().is_string());
    let begin = Instant::now();
    let visit = |number: u32| {
        let way = way.clone();
        let options = match number {
            0 => &["--max-time", "60", "--request", "POST", "--data", "a=b"][..],
            _ => &["--max-time", "60"],
        };
        thread::spawn(move || way.get(HOST, options))
    };
    let visits: Vec<_> = (0..6).map(visit).collect();
    let answers = visits.into_iter().map(|visit| visit.join().unwrap());
    let failed = answers
        .filter(|answer| !answer.starts_with("HTTP/2 200"))
        .collect::<Vec<_>>();
    println!(
        "visitors of a shop without pods waited for {:.1} s: {} of 6 requests failed",
        begin.elapsed().as_secs_f64(),
        failed.len()
    );
    assert_eq!(failed, [""; 0]);
    eventually("its status says so", LONG, || {
        since().is_null().then_some(())
    });
}

/// An agent is killed, somebody brings a certificate that is none, and HAProxy's configuration
/// becomes one that it cannot read: visitors notice nothing.
fn what_is_wrong_goes_nowhere(platform: &Platform<'_>, way: &Way, pod: &str) {
    let cluster = platform.cluster;
    let load = way.load(Duration::from_secs(20));
    shell(cluster, pod, "agent", "kill -9 -1");
    let junk = Signed {
        authority: String::new(),
        certificate: "junk".to_owned(),
        key: "junk".to_owned(),
    };
    platform.bring("edge-own", &junk);
    // HAProxy reads its configuration anew, and stays with what it has.
    let line = "echo junk >>/run/edge/slots.cfg; kill -USR2 1";
    shell(cluster, pod, "haproxy", line);
    let Requests { all, failed, ended } = load.requests();
    println!(
        "an agent, a certificate and a configuration are lost: {failed} of {all} requests failed"
    );
    // The agent that starts again may mend the configuration before HAProxy reads it, and that is a
    // reload then.
    assert!(failed == ended && ended <= u64::try_from(VISITORS).unwrap());
    // curl believes the one before it alone.
    assert!(way.get(HOST, &[]).starts_with("HTTP/2 200"));
    platform.rolled_out(EDGE, "deployment/longshore-edge");
}

/// A domain is added: how long it takes until the edge knows it.
fn added(platform: &Platform<'_>, shop: &Tenant<'_>, way: &Way) {
    let domains = json!([
        { "host": HOST, "primary": true, "certificate": "edge-own" },
        { "host": "new.edge.example", "redirectTo": HOST },
    ]);
    let begin = Instant::now();
    shop.change(&json!({ "domains": domains }));
    let options = ["--insecure"];
    eventually("the edge knows the new domain", LONG, || {
        way.get("new.edge.example", &options)
            .starts_with("HTTP/2 301")
            .then_some(())
    });
    println!("a domain is known after {:?}", begin.elapsed());
    let condition = || -> Option<Value> {
        let shop = platform.cluster.get(&["shop", "edge"]);
        let conditions = shop["status"]["conditions"].as_array()?;
        conditions
            .iter()
            .find(|it| it["type"] == "RoutesProgrammed")
            .cloned()
    };
    assert_eq!(condition().unwrap()["status"], "True");
}
