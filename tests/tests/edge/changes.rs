//! What changes while HAProxy runs: nothing of it takes a reload, and no request fails.

#![allow(clippy::disallowed_methods, reason = "a test makes its files itself")]

use e2e::{
    haproxy::{Answer, Backend, Edge, issued, root},
    peers::required,
    process::{Ended, Program},
};
use edge::agent::{endpoints::State, lines::Target, pem::Pem};
use std::{
    fs, io::Write as _, net::SocketAddr, sync::atomic::Ordering::Relaxed, thread, time::Duration,
};

/// Changes of each kind.
const MANY: usize = 1000;

fn shop(name: &str) -> Target {
    Target::Shop(name.to_owned())
}

/// One shop that answers.
fn edge(room: u32, pods: &[(&str, SocketAddr)]) -> Edge {
    let mut edge = Edge::new(room);
    edge.host("www.acme.example", shop("shop-acme"));
    edge.shop("shop-acme", 16, pods);
    edge.start();
    edge
}

#[test]
fn a_thousand_hosts_shops_pods_certificates_and_weights_take_no_reload() {
    let pod = Backend::new("acme-1");
    let mut edge = edge(2 * u32::try_from(MANY).unwrap(), &[("acme-1", pod.address)]);
    let worker = edge.worker();
    for number in 0..MANY {
        let name = format!("shop-{number}");
        edge.host(&format!("{number}.example"), shop(&name));
        edge.shop(&name, 16, &[("one", pod.address)]);
    }
    let round = edge.round();
    // A line of hosts and one of slots, a certificate, and a server.
    assert_eq!(round.done, 4 * u64::try_from(MANY).unwrap());
    let last = format!("{}.example", MANY - 1);
    assert_eq!(edge.get(&last, "/", &[]).status, "HTTP/2 200");
    assert_eq!(edge.round().done, 0);

    for number in 0..MANY {
        // Another certificate, another weight, other workers, and another pod.
        let name = format!("shop-{number}");
        edge.host(&format!("{number}.example"), shop(&name));
        edge.shop(&name, 8, &[("two", pod.address)]);
        edge.shard(&name, |shard| {
            shard.shops.get_mut(&name).unwrap().weight = 200;
        });
    }
    edge.round();
    // It acts once HAProxy is overloaded.
    assert!(edge.demands().iter().all(|demand| demand.weight == 200));
    assert_eq!(edge.get(&last, "/", &[]).status, "HTTP/2 200");

    edge.forget();
    edge.round();
    assert_eq!(edge.get(&last, "/", &[]).status, "HTTP/2 404");
    assert_eq!((edge.keeper.reloads, edge.worker()), (0, worker));
    // What HAProxy says that it has is what it was told.
    edge.restart_agent();
    assert_eq!(edge.round().done, 0);
}

#[test]
fn a_haproxy_that_was_killed_starts_with_all_that_it_had_and_another_agent_has_nothing_to_do() {
    let pod = Backend::new("acme-1");
    let mut edge = edge(8, &[]);
    edge.shop("shop-acme", 16, &[("acme-1", pod.address)]);
    edge.host("new.example", shop("shop-acme"));
    edge.round();
    // The backends' file is written once a second at most.
    thread::sleep(Duration::from_secs(1));
    edge.round();
    edge.kill();
    edge.start_haproxy();
    for host in ["www.acme.example", "new.example"] {
        assert_eq!(
            edge.get(host, "/", &[]).status,
            "HTTP/2 200",
            "without an agent"
        );
    }
    assert_eq!(edge.round().done, 0, "of the agent that was there");
    edge.restart_agent();
    assert_eq!(edge.round().done, 0, "of another");

    // What the file does not have yet is told to a HAProxy that starts.
    edge.host("newer.example", shop("shop-newer"));
    edge.shop("shop-newer", 16, &[("newer-1", pod.address)]);
    edge.round();
    edge.kill();
    edge.start_haproxy();
    edge.round();
    assert_eq!(edge.get("newer.example", "/", &[]).status, "HTTP/2 200");
}

/// Whether a visitor gets the whole chain, who trusts the root alone.
fn proves(edge: &Edge, host: &str) -> bool {
    let mut trusted = tempfile::NamedTempFile::new().unwrap();
    trusted.write_all(root().as_bytes()).unwrap();
    let outcome = Program::new(required("curl-h3"))
        .args(["--silent", "--fail", "--max-time", "10"])
        .args(["--resolve", &format!("{host}:{}:127.0.0.1", edge.https)])
        .arg("--cacert")
        .arg(trusted.path())
        .arg(format!("https://{host}:{}/", edge.https))
        .run();
    outcome.ended == Ended::Code(0)
}

#[test]
fn a_chain_is_one_file_and_whoever_starts_last_serves_it() {
    let pod = Backend::new("acme-1");
    let mut edge = Edge::new(8);
    edge.shop("shop-acme", 16, &[("acme-1", pod.address)]);
    // HAProxy starts without any certificate, so it does not know the chain.
    edge.start();
    edge.host("first.example", shop("shop-acme"));
    edge.host("second.example", shop("shop-acme"));
    // What somebody brought keeps its chain, whatever that calls itself.
    edge.host("brought.example", shop("shop-acme"));
    edge.issue(
        "brought.example",
        Pem::new(issued("brought.example").text()),
    );
    let hosts = ["first.example", "second.example", "brought.example"];
    edge.round();
    thread::sleep(Duration::from_secs(1));
    edge.round();
    assert!(
        hosts.iter().all(|host| proves(&edge, host)),
        "by its socket"
    );

    let read = |part: &str| -> Vec<String> {
        let files = fs::read_dir(edge.directory().join(part)).unwrap();
        files
            .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
            .collect()
    };
    let count = |text: &String| text.matches("BEGIN CERTIFICATE").count();
    let mut counts: Vec<_> = read("certificates").iter().map(count).collect();
    counts.sort_unstable();
    // That for unknown hosts is among them.
    assert_eq!(counts, [1, 1, 1, 2]);
    assert_eq!(read("issuers").iter().map(count).collect::<Vec<_>>(), [1]);

    edge.kill();
    edge.start_haproxy();
    assert!(hosts.iter().all(|host| proves(&edge, host)), "by its files");
    edge.restart_agent();
    assert_eq!(edge.round().done, 0, "another agent has nothing to do");
}

/// Shops for which HAProxy has no room.
fn five_more(edge: &mut Edge, pod: &Backend) {
    for number in 0..5 {
        edge.host(
            &format!("{number}.example"),
            shop(&format!("shop-{number}")),
        );
        edge.shop(&format!("shop-{number}"), 16, &[("one", pod.address)]);
    }
}

#[test]
fn more_shops_than_slots_take_one_reload_and_no_request() {
    let pod = Backend::new("acme-1");
    let mut edge = edge(2, &[("acme-1", pod.address)]);
    let load = edge.load(Duration::from_secs(4));
    five_more(&mut edge, &pod);
    edge.round();
    assert_eq!(edge.keeper.reloads, 1);
    assert_eq!(edge.get("4.example", "/", &[]).status, "HTTP/2 200");
    // The end of a connection may meet a request of each of the eight visitors.
    let requests = load.requests();
    assert!(
        requests.failed == requests.ended && requests.ended <= 8,
        "{requests:?}"
    );
}

/// HAProxy reads its files anew, and stays with what it has, as it cannot read them.
#[test]
fn a_configuration_that_haproxy_cannot_read_changes_nothing() {
    let pod = Backend::new("acme-1");
    let mut edge = edge(2, &[("acme-1", pod.address)]);
    let ([master, _], worker) = (edge.processes(), edge.worker());
    let load = edge.load(Duration::from_secs(4));
    let slots = edge.directory().join("slots.cfg");
    fs::write(&slots, "junk\n").unwrap();
    let reload = Program::new("/bin/kill").args(["-USR2", &master.to_string()]);
    reload.run().expect(0);
    load.whole();
    assert_eq!(edge.worker(), worker);
    // What changes goes on, and the next reload finds what is right.
    edge.host("new.example", shop("shop-acme"));
    edge.round();
    assert_eq!(edge.get("new.example", "/", &[]).status, "HTTP/2 200");
    five_more(&mut edge, &pod);
    edge.round();
    assert_eq!(edge.keeper.reloads, 1);
    assert_ne!(edge.worker(), worker);
    assert_eq!(edge.get("new.example", "/", &[]).status, "HTTP/2 200");
}

#[test]
fn pods_that_come_and_go_under_load_cost_no_request() {
    let pods: Vec<_> = (0..6)
        .map(|number| Backend::new(&number.to_string()))
        .collect();
    let mut edge = edge(8, &[("0", pods[0].address)]);
    let load = edge.load(Duration::from_secs(6));
    for turn in 0..20 {
        let (old, new) = (turn % 6, (turn + 1) % 6);
        let [old_name, new_name] = [old, new].map(|number| number.to_string());
        let both = |state| {
            [
                (old_name.as_str(), pods[old].address, state),
                (new_name.as_str(), pods[new].address, State::Ready),
            ]
        };
        edge.pods("shop-acme", both(State::Ready));
        edge.round();
        edge.pods("shop-acme", both(State::Terminating));
        edge.round();
        let before = pods[old].requests.load(Relaxed);
        thread::sleep(Duration::from_millis(100));
        // Those that were on their way.
        assert!(pods[old].requests.load(Relaxed) - before <= 16);
        edge.pods(
            "shop-acme",
            [(new_name.as_str(), pods[new].address, State::Ready)],
        );
        edge.round();
    }
    assert_eq!(edge.keeper.reloads, 0);
    load.whole();
}

#[test]
fn a_pod_whose_node_is_gone_is_passed_over() {
    let pod = Backend::new("stays");
    // Nobody listens there.
    let gone = SocketAddr::from(([127, 0, 0, 1], 1));
    let edge = edge(8, &[("gone", gone), ("stays", pod.address)]);
    edge.load(Duration::from_secs(2)).whole();
}

#[test]
fn a_pod_that_lets_nobody_in_is_left_alone_and_its_requests_are_given_up() {
    let hangs = Backend::slow("hangs", Duration::from_mins(1));
    let mut edge = edge(8, &[("hangs", hangs.address)]);
    let waits = edge.visitor("www.acme.example", "/", &[]);
    while hangs.requests.load(Relaxed) == 0 {
        thread::sleep(Duration::from_millis(10));
    }
    let pod = Backend::new("stays");
    let pods = [("hangs", hangs.address), ("stays", pod.address)];
    edge.pods(
        "shop-acme",
        pods.map(|(name, address)| (name, address, State::Ready)),
    );
    let name = ("shop-acme".to_owned(), "hangs".to_owned());
    edge.model.unreachable([name].into());
    edge.round();
    edge.load(Duration::from_secs(1)).whole();
    assert_eq!(hangs.requests.load(Relaxed), 1);
    edge.give_up("shop-acme", "hangs");
    // HAProxy ends the stream as one that may be tried again, which curl does.
    let answer = Answer::new(&waits.wait());
    assert!(answer.text.contains("pod: stays"), "{answer:?}");

    // Where no pod lets anybody in, one of them is better than nobody.
    edge.pods("shop-acme", [("stays", pod.address, State::Ready)]);
    edge.model
        .unreachable([("shop-acme".to_owned(), "stays".to_owned())].into());
    edge.round();
    edge.load(Duration::from_secs(1)).whole();
}

#[test]
fn a_queue_of_one_shop_is_its_own_and_bounded_by_time() {
    let slow = Backend::slow("slow", Duration::from_millis(300));
    let quick = Backend::new("quick");
    let mut edge = edge(8, &[("quick", quick.address)]);
    edge.host("slow.example", shop("shop-slow"));
    // One request at a time.
    edge.shop("shop-slow", 1, &[("slow", slow.address)]);
    edge.round();
    let flood = edge.load_of("slow.example", Duration::from_secs(3), 50);
    thread::sleep(Duration::from_millis(500));
    edge.load(Duration::from_secs(2)).whole();
    flood.end();
    assert!(slow.requests.load(Relaxed) <= 16, "one at a time");
}
