//! Whose address a shop is told.

use e2e::haproxy::{Answer, Backend, Edge, Relay, Tells};
use edge::agent::{lines::Target, prepare::Trust};
use std::net::Ipv4Addr;

/// A shop that answers, and an edge that trusts somebody.
fn edge(proxies: &[&str], forwarders: &[&str]) -> (Edge, Backend) {
    let list = |addresses: &[&str]| addresses.iter().map(|it| (*it).to_owned()).collect();
    let trust = Trust {
        proxies: list(proxies),
        forwarders: list(forwarders),
    };
    let pod = Backend::new("acme-1");
    let mut edge = Edge::that_trusts(8, trust);
    edge.host("www.acme.example", Target::Shop("shop-acme".into()));
    edge.shop("shop-acme", 16, &[("acme-1", pod.address)]);
    edge.start();
    (edge, pod)
}

/// What the shop was told of one who asks so.
fn ask(edge: &Edge, options: &[&str]) -> Answer {
    edge.get("www.acme.example", "/", options)
}

#[track_caller]
fn is_told(page: &Answer, address: &str) {
    let told = format!("\nx-forwarded-for: {address}\n");
    assert!(page.text.contains(&told), "{told}: {page:?}");
}

#[test]
fn nobody_is_believed_who_he_is_but_those_that_are_named() {
    let (stranger, _pod) = edge(&[], &[]);
    let lies = [
        "x-forwarded-for: 192.0.2.1",
        "x_forwarded_for: 192.0.2.1",
        "x-forwarded-proto: http",
        "x-forwarded-host: bank.example",
        "x-forwarded-server: bank.example",
        "forwarded: for=192.0.2.1",
        "x-real-ip: 192.0.2.1",
        "x-request-id: mine",
    ];
    let options: Vec<&str> = lies.iter().flat_map(|lie| ["--header", lie]).collect();
    let page = ask(&stranger, &options);
    is_told(&page, "127.0.0.1");
    for told in [
        "\nx-forwarded-proto: https\n",
        "\nx-forwarded-host: www.acme.example\n",
        "\nhost: www.acme.example\n",
    ] {
        assert!(page.text.contains(told), "{told}: {page:?}");
    }
    for lie in ["192.0.2.1", "bank.example", "mine", "proto: http\n"] {
        assert!(!page.text.contains(lie), "{lie}: {page:?}");
    }

    let (edge, _pod) = edge(&[], &["127.0.0.0/8"]);
    let said = ["--header", "x-forwarded-for: 198.51.100.7, 192.0.2.1"];
    is_told(&ask(&edge, &said), "192.0.2.1");
}

#[test]
fn a_load_balancer_that_is_named_says_for_whom_it_connects_and_nobody_else_does() {
    let told = ["--haproxy-clientip", "192.0.2.44"];
    let (stranger, _pod) = edge(&[], &[]);
    // Not what a TLS handshake begins with.
    assert_eq!(ask(&stranger, &told).status, "");
    let (edge, _pod) = edge(&["127.0.0.1"], &[]);
    is_told(&ask(&edge, &told), "192.0.2.44");
    // curl tells in text, and load balancers in the form of PROXY v2.
    let balancer = Relay::new(&edge, Ipv4Addr::LOCALHOST, Tells::Proxy);
    let way = format!("::127.0.0.1:{}", balancer.port);
    let page = ask(&edge, &["--connect-to", &way, "--interface", "127.0.0.44"]);
    is_told(&page, "127.0.0.44");
}

#[test]
fn visitors_come_by_ipv6_as_well_and_those_of_ipv4_keep_their_addresses() {
    let (mut edge, _pod) = edge(&[], &[]);
    edge.kill();
    edge.ipv6 = true;
    edge.start_haproxy();
    edge.round();
    for (way, address) in [("[::1]", "::1"), ("127.0.0.1", "127.0.0.1")] {
        let way = format!("::{way}:{}", edge.https);
        for version in ["--http2", "--http3-only"] {
            is_told(&ask(&edge, &["--connect-to", &way, version]), address);
        }
    }
}
