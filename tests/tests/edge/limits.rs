//! What one address may take, so that others keep theirs.

use e2e::{
    haproxy::{Backend, Edge, Relay, Tells},
    peers::required,
    process::Program,
};
use edge::agent::{lines::Target, prepare::Trust};
use std::{net::Ipv4Addr, thread, time::Duration};

const HOST: &str = "www.acme.example";
/// Requests of an address in ten seconds.
const RATE: usize = 20;
/// Connections of an address, as haproxy.cfg says.
const CONNECTIONS: usize = 500;

/// Who forwards visitors' requests.
fn forwarder(address: &str) -> Trust {
    Trust {
        proxies: vec![],
        forwarders: vec![address.into()],
    }
}

/// A shop that answers, and an edge that trusts somebody.
fn edge(pod: &Backend, trust: Trust) -> Edge {
    let mut edge = Edge::that_trusts(8, trust);
    edge.rate = u32::try_from(RATE).unwrap();
    edge.host(HOST, Target::Shop("shop-acme".into()));
    edge.shop("shop-acme", 1000, &[("acme-1", pod.address)]);
    edge.start();
    edge
}

#[test]
fn an_address_that_asks_too_often_is_told_so_and_no_other() {
    let pod = Backend::new("acme-1");
    let edge = edge(&pod, forwarder("127.0.0.4"));
    let status = |from: &str| edge.get(HOST, "/", &["--interface", from]).status;
    let all = |from: &str| -> Vec<String> { (0..RATE + 5).map(|_| status(from)).collect() };
    let statuses = all("127.0.0.2");
    let (let_in, refused) = statuses.split_at(RATE);
    assert!(let_in.iter().all(|it| it == "HTTP/2 200"), "{statuses:?}");
    assert!(refused.iter().all(|it| it == "HTTP/2 429"), "{statuses:?}");
    let page = edge.get(HOST, "/", &["--interface", "127.0.0.2"]);
    assert!(page.header("retry-after").is_some(), "{page:?}");
    assert_eq!(status("127.0.0.3"), "HTTP/2 200");
    // Many visitors come from the address of one who forwards them.
    let statuses = all("127.0.0.4");
    assert!(statuses.iter().all(|it| it == "HTTP/2 200"), "{statuses:?}");
}

#[test]
fn an_address_that_asks_on_all_the_same_gets_no_answer_and_no_connection() {
    let pod = Backend::new("acme-1");
    let edge = edge(&pod, Trust::default());
    // One after another, over one connection.
    let outcome = Program::new(required("h2load"))
        .args(["--clients", "1", "--max-concurrent-streams", "1"])
        .args(["--requests", &(RATE * 10).to_string()])
        .args(["--connect-to", &format!("127.0.0.1:{}", edge.https)])
        .arg(format!("https://{HOST}/"))
        .run();
    // As long as a fifth of its requests, in whole numbers, is within the limit.
    let refused = RATE * 5 + 4 - RATE;
    let answered = format!("status codes: {RATE} 2xx, 0 3xx, {refused} 4xx, 0 5xx");
    assert!(outcome.stdout.contains(&answered), "{}", outcome.stdout);
    let page = |from| edge.get(HOST, "/", &["--interface", from]);
    assert_eq!(page("127.0.0.1").status, "");
    let plainly = edge.get_plainly(HOST, "/", &["--interface", "127.0.0.1"]);
    assert_eq!(plainly.status, "", "{plainly:?}");
    assert_eq!(page("127.0.0.2").status, "HTTP/2 200");
}

#[test]
fn the_addresses_of_one_network_of_ipv6_are_one() {
    let pod = Backend::new("acme-1");
    let trust = Trust {
        proxies: vec!["127.0.0.1".into()],
        forwarders: vec![],
    };
    let edge = edge(&pod, trust);
    let visitor = |address: &str| {
        let tells = Tells::ProxyFor(address.parse().unwrap());
        Relay::new(&edge, Ipv4Addr::LOCALHOST, tells)
    };
    let get = |relay: &Relay| {
        let way = format!("::127.0.0.1:{}", relay.port);
        edge.get(HOST, "/", &["--connect-to", &way])
    };
    let [one, neighbour, stranger] =
        ["2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1"].map(visitor);
    for _ in 0..RATE {
        let page = get(&one);
        assert_eq!(page.status, "HTTP/2 200", "{page:?}");
        assert!(
            page.text.contains("\nx-forwarded-for: 2001:db8::1\n"),
            "{page:?}"
        );
    }
    assert_eq!(get(&neighbour).status, "HTTP/2 429");
    assert_eq!(get(&stranger).status, "HTTP/2 200");
}

#[test]
fn an_address_has_so_many_connections_and_no_more() {
    // They are all there before the first one ends.
    let pod = Backend::slow("acme-1", Duration::from_secs(8));
    let mut edge = edge(&pod, forwarder("127.0.0.1"));
    let quick = Backend::new("quick");
    edge.host("quick.example", Target::Shop("shop-quick".into()));
    edge.shop("shop-quick", 16, &[("quick", quick.address)]);
    edge.round();
    let all = (CONNECTIONS + 20).to_string();
    let load = Program::new(required("h2load"))
        .args(["--clients", &all, "--requests", &all])
        .args(["--connect-to", &format!("127.0.0.1:{}", edge.https)])
        .arg(format!("https://{HOST}/"))
        .start();
    thread::sleep(Duration::from_secs(5));
    let page = edge.get("quick.example", "/", &["--interface", "127.0.0.2"]);
    assert_eq!(page.status, "HTTP/2 200", "{page:?}");
    let outcome = load.wait();
    let answered = format!("status codes: {CONNECTIONS} 2xx, 0 3xx, 0 4xx, 0 5xx");
    assert!(outcome.stdout.contains(&answered), "{}", outcome.stdout);
}
