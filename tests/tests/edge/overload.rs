//! An HAProxy with more to do than it can, or with visitors and pods that hold it up.

use e2e::{
    haproxy::{Backend, Edge, PATIENCE},
    peers::required,
    process::Program,
};
use edge::agent::{
    caps::{Governor, shares},
    lines::Target,
};
use std::{
    collections::BTreeMap,
    io::{self, Read as _},
    net::{Ipv4Addr, TcpStream},
    sync::atomic::Ordering::Relaxed,
    thread,
    time::{Duration, Instant},
};

/// Two shops, of which one has twice the weight.
fn edge(pods: &[Backend; 2]) -> Edge {
    let mut edge = Edge::new(8);
    for ((name, weight), pod) in [("big", 200), ("small", 100)].into_iter().zip(pods) {
        let shop = format!("shop-{name}");
        edge.host(&format!("{name}.example"), Target::Shop(shop.clone()));
        edge.shop(&shop, 256, &[(name, pod.address)]);
        edge.shard(&shop, |shard| {
            shard.shops.get_mut(&shop).unwrap().weight = weight;
        });
    }
    edge.start();
    edge
}

fn caps(caps: &[(&str, u32)]) -> BTreeMap<String, u32> {
    caps.iter()
        .map(|(shop, cap)| ((*shop).to_owned(), *cap))
        .collect()
}

#[test]
fn a_shop_with_twice_the_weight_gets_twice_the_requests() {
    let pods = ["big", "small"].map(Backend::new);
    let mut edge = edge(&pods);
    let loads = ["big.example", "small.example"]
        .map(|host| edge.load_of(host, Duration::from_secs(10), 30));
    thread::sleep(Duration::from_secs(2));
    // Less than they ask for, so that it does not matter how busy this machine is besides.
    edge.keeper.caps = shares(900.0, &edge.demands());
    assert_eq!(
        edge.keeper.caps,
        caps(&[("shop-big", 600), ("shop-small", 300)])
    );
    edge.round();
    // The rate is that of a second, and of the one before.
    thread::sleep(Duration::from_secs(2));
    let mut passed = [0.0; 2];
    for _ in 0..8 {
        thread::sleep(Duration::from_millis(500));
        for demand in edge.demands() {
            passed[usize::from(demand.shop == "shop-small")] += demand.passed;
        }
    }
    for load in loads {
        load.end();
    }
    let ratio = passed[0] / passed[1];
    println!("{passed:?}: {ratio:.2}");
    assert!((1.8..2.2).contains(&ratio), "{passed:?}: {ratio}");

    edge.keeper.caps.clear();
    edge.round();
    edge.load_of("small.example", Duration::from_secs(1), 8)
        .whole();
}

/// The same as the agent does it, with an HAProxy that has more to do than it can.
#[test]
fn an_overloaded_haproxy_shares_what_it_can_do_by_weight() {
    let pods = [Backend::terse(), Backend::terse()];
    let mut edge = edge(&pods);
    edge.kill();
    edge.overloaded = true;
    edge.start_haproxy();
    edge.round();
    // Visitors ask again when they are answered: enough of them for more than each shop's share.
    let loads = [("big.example", 60), ("small.example", 30)]
        .map(|(host, visitors)| edge.load_of(host, Duration::from_mins(2), visitors));
    let mut governor = Governor::default();
    let mut look = || {
        thread::sleep(Duration::from_secs(1));
        let (idle, demands) = (edge.idle(), edge.demands());
        edge.keeper.caps = governor.look(idle, &demands);
        edge.round();
        println!("{idle} % idle, {:?} of {demands:?}", edge.keeper.caps);
        (edge.keeper.caps.len(), demands)
    };
    // Until it has come down to the half that shops keep.
    for _ in 0..30 {
        look();
    }
    // Ten seconds in which both had a limit from their beginning on: whoever asks may be held up
    // by other programs, and a HAProxy with little to do limits nobody.
    let (mut passed, mut seconds, mut limited) = ([0.0; 2], 0, 0);
    for _ in 0..40 {
        let (now, demands) = look();
        let before = std::mem::replace(&mut limited, now);
        if (before, now) != (2, 2) {
            continue;
        }
        for demand in demands {
            passed[usize::from(demand.shop == "shop-small")] += demand.passed;
        }
        seconds += 1;
        if seconds == 10 {
            break;
        }
    }
    assert_eq!(seconds, 10);
    drop(loads);
    let ratio = passed[0] / passed[1];
    println!("{passed:?}: {ratio:.2}");
    assert!((1.8..2.2).contains(&ratio), "{passed:?}: {ratio}");
}

/// Visitors that begin and never get on: one after the handshake of TCP, others after half of a
/// head or of a body. What ends them is HAProxy, after 10 seconds at most; nobody else waits for
/// them.
#[test]
fn who_is_slow_holds_nobody_up_and_is_sent_away() {
    let pod = Backend::new("acme-1");
    let mut edge = Edge::new(8);
    edge.host("www.acme.example", Target::Shop("shop-acme".into()));
    edge.shop("shop-acme", 1, &[("acme-1", pod.address)]);
    edge.start();
    let half = |text: &'static str| {
        let program = Program::new(required("openssl"))
            .args(["s_client", "-quiet", "-servername", "www.acme.example"])
            .args(["-connect", &format!("127.0.0.1:{}", edge.https)])
            .args(["-alpn", "http/1.1"])
            .input(text.as_bytes());
        program.start()
    };
    let mut silent: Vec<_> = (0..200)
        .map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, edge.https)).unwrap())
        .collect();
    let head = "GET / HTTP/1.1\r\nHost: www.acme.example\r\n";
    let body = "POST / HTTP/1.1\r\nHost: www.acme.example\r\nContent-Length: 9\r\n\r\nabc";
    let begun = Instant::now();
    let mut slow: Vec<_> = (0..10).flat_map(|_| [half(head), half(body)]).collect();
    thread::sleep(Duration::from_secs(1));
    // One worker, which none of them holds.
    edge.load(Duration::from_secs(2)).whole();
    // Those of its requests that still wait in the queue when it ends.
    thread::sleep(Duration::from_secs(1));
    let before = pod.requests.load(Relaxed);
    for running in &mut slow {
        let line = running.first_line();
        assert!(line.contains("408 Request Time-out"), "{line}");
    }
    let took = begun.elapsed();
    assert!((8..20).contains(&took.as_secs()), "{took:?}");
    for stream in &mut silent {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let read = stream.read(&mut [0]);
        // Its end, or that it was reset; and not that nothing came in time.
        let kind = read.as_ref().map_err(io::Error::kind);
        assert!(
            matches!(kind, Ok(0) | Err(io::ErrorKind::ConnectionReset)),
            "{read:?}"
        );
    }
    assert_eq!(pod.requests.load(Relaxed), before);
}

#[test]
fn a_shop_whose_pods_hang_has_so_many_requests_and_no_more() {
    let hangs = Backend::slow("hangs", Duration::from_hours(1));
    let mut edge = Edge::new(8);
    edge.host("hangs.example", Target::Shop("shop-hangs".into()));
    edge.shop("shop-hangs", 1, &[("hangs", hangs.address)]);
    edge.start();
    // Fewer streams than HTTP/2 allows in each of 20 connections, and more than a shop may have.
    let load = Program::new(required("h2load"))
        .args(["--clients", "20", "--max-concurrent-streams", "60"])
        .args(["--requests", "1200"])
        .args(["--connect-to", &format!("127.0.0.1:{}", edge.https)])
        .arg("https://hangs.example/")
        .start();
    thread::sleep(Duration::from_secs(5));
    let page = edge.get("hangs.example", "/", &[]);
    assert_eq!(page.status, "HTTP/2 503", "at once: {page:?}");
    assert!(page.header("retry-after").is_some(), "{page:?}");
    drop(load);
}
