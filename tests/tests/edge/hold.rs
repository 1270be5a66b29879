//! A shop that was scaled to zero: its visitors wait for a pod, a bounded number of them.

use api::edge::EdgeShop;
use e2e::{
    haproxy::{Answer, Backend, Edge},
    process::Running,
};
use edge::agent::{endpoints::State, lines::Target};
use std::{sync::atomic::Ordering::Relaxed, thread, time::Duration};

/// How many requests of one shop wait, as haproxy.cfg says.
const OF_A_SHOP: usize = 20;
/// How many wait in all, as the harness says.
const IN_ALL: usize = 30;
const HOST: &str = "www.acme.example";

/// Two shops that may have no pods, and have none.
fn edge() -> Edge {
    let mut edge = Edge::new(8);
    for (host, shop) in [(HOST, "shop-acme"), ("www.other.example", "shop-other")] {
        edge.host(host, Target::Shop(shop.to_owned()));
        let settings = EdgeShop {
            weight: 100,
            workers: 64,
            hsts_seconds: 0,
            to_zero: true,
        };
        edge.settings(shop, settings);
    }
    edge.start();
    edge
}

fn visitors(edge: &Edge, host: &str, count: usize, options: &[&str]) -> Vec<Running> {
    (0..count)
        .map(|_| edge.visitor(host, "/", options))
        .collect()
}

fn answers(visitors: Vec<Running>) -> Vec<Answer> {
    visitors
        .into_iter()
        .map(|it| Answer::new(&it.wait()))
        .collect()
}

fn count(answers: &[Answer], status: &str) -> usize {
    answers
        .iter()
        .filter(|it| it.status.ends_with(status))
        .count()
}

#[test]
fn requests_wait_for_the_first_pod_and_each_reaches_it_once() {
    let mut edge = edge();
    let body = "x".repeat(100_000);
    let waiting = vec![
        edge.visitor(HOST, "/", &[]),
        edge.visitor(HOST, "/", &["--http1.1"]),
        edge.visitor(HOST, "/", &["--http3-only"]),
        edge.visitor(HOST, "/", &["--request", "POST", "--data", &body]),
    ];
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(
        edge.asked()["shop-acme"].age,
        Duration::ZERO,
        "somebody is there"
    );
    let pod = Backend::new("acme-1");
    edge.pods("shop-acme", [("acme-1", pod.address, State::Ready)]);
    edge.round();
    let answers = answers(waiting);
    assert_eq!(count(&answers, " 200"), 4, "{answers:?}");
    assert!(answers.iter().all(|it| it.text.contains("acme-1")));
    assert_eq!(pod.requests.load(Relaxed), 4);

    // It is scaled to zero again: what comes while its pod ends waits for the next one.
    edge.pods("shop-acme", [("acme-1", pod.address, State::Terminating)]);
    edge.round();
    let late = edge.visitor(HOST, "/", &[]);
    thread::sleep(Duration::from_millis(500));
    let next = Backend::new("acme-2");
    edge.pods("shop-acme", [("acme-2", next.address, State::Ready)]);
    edge.round();
    let late = Answer::new(&late.wait());
    assert_eq!(
        (late.status.as_str(), next.requests.load(Relaxed)),
        ("HTTP/2 200", 1)
    );
    assert_eq!(pod.requests.load(Relaxed), 4);
}

#[test]
fn so_many_wait_for_a_shop_and_in_all_and_the_others_get_a_page_that_asks_again() {
    let mut edge = edge();
    let crowd = visitors(&edge, HOST, OF_A_SHOP + 10, &[]);
    thread::sleep(Duration::from_millis(1500));
    let others = visitors(&edge, "www.other.example", OF_A_SHOP + 1, &[]);
    thread::sleep(Duration::from_secs(1));
    let pod = Backend::new("one");
    for shop in ["shop-acme", "shop-other"] {
        edge.pods(shop, [("one", pod.address, State::Ready)]);
    }
    edge.round();
    let (crowd, others) = (answers(crowd), answers(others));
    assert_eq!(
        (count(&crowd, " 200"), count(&crowd, " 503")),
        (OF_A_SHOP, 10)
    );
    let left = IN_ALL - OF_A_SHOP;
    assert_eq!(
        (count(&others, " 200"), count(&others, " 503")),
        (left, OF_A_SHOP + 1 - left)
    );
    let page = crowd.iter().find(|it| it.status.ends_with(" 503")).unwrap();
    assert_eq!(page.header("retry-after"), Some("5"));
    assert!(page.text.contains("http-equiv=\"refresh\""), "{page:?}");
}

#[test]
fn who_waited_long_enough_gets_the_page_and_who_left_makes_room() {
    let edge = edge();
    let gone = visitors(&edge, HOST, OF_A_SHOP, &["--max-time", "1"]);
    assert_eq!(count(&answers(gone), ""), OF_A_SHOP);
    // Five seconds is the limit here.
    let start = std::time::Instant::now();
    let late = edge.get(HOST, "/", &[]);
    assert_eq!(late.status, "HTTP/2 503");
    assert!(
        start.elapsed() > Duration::from_secs(3),
        "it was not let in"
    );
}
