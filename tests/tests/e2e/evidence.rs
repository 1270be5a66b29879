//! What is held against a release: not that the database is away, which the release that runs
//! needs, too; but that its key was withdrawn while it waited.

use crate::agent::Pod;
use e2e::{pod::runs, web::Web};
use runtime::fixtures::free_port;
use serde_json::Value;
use std::{fs, net::TcpListener};

/// A page that needs its database, as every page of a shop does.
fn needs(port: u16) -> String {
    format!(
        "if (!@stream_socket_client('tcp://127.0.0.1:{port}', $number, $problem, 1)) {{ throw new \
         RuntimeException('no database'); }}\n"
    )
}

fn waits(why: &'static str, sequence: u64) -> impl Fn(&Value) -> bool {
    move |status| {
        status["newer"]["why"] == why
            && status["newer"]["sequence"] == sequence
            && status["phase"] == "waiting"
    }
}

fn nothing_is_rejected(pod: &Pod) {
    assert_eq!(
        pod.shop.state("pod")["rejected"]
            .as_object()
            .map_or(0, serde_json::Map::len),
        0
    );
}

#[test]
fn while_the_database_is_away_a_release_waits_and_runs_once_it_is_back() {
    let mut pod = Pod::new();
    let port = free_port();
    let database = TcpListener::bind(("127.0.0.1", port)).unwrap();
    pod.release("1", &needs(port));
    pod.shop.init("pod").run().expect(0);
    let web = Web::start(&pod.root());
    let program = pod.with_shop(&web).env("LONGSHORE_POLL", "1s");
    pod.start(program);
    pod.agent.until("its page is good", |status| {
        status["page"]["state"] == "good"
    });
    let running = pod.agent.status().unwrap()["running"]["sequence"]
        .as_u64()
        .unwrap();

    // Found at the rehearsal, before anybody is switched.
    drop(database);
    let sequence = pod.release("2", &needs(port));
    let status = pod.agent.until("it waits", waits("shop", sequence));
    let detail = status["newer"]["detail"].as_str().unwrap();
    assert!(
        detail.contains("before the switch")
            && detail.contains("of the release that runs: status 500"),
        "{detail}"
    );
    assert!(
        detail.contains("no database") && status["running"]["sequence"] == running,
        "{status}"
    );
    nothing_is_rejected(&pod);
    let database = TcpListener::bind(("127.0.0.1", port)).unwrap();
    pod.agent.until("it runs", runs(sequence));

    // Found at the probe, after the switch: what both need goes away with the first visitor of the
    // new release, once.
    let (away, once) = (pod.shop.path("away"), pod.shop.path("once"));
    let both = format!(
        "if (file_exists('{}')) {{ throw new RuntimeException('no cache'); }}\n",
        away.display()
    );
    let sequence = pod.release("3", &both);
    pod.agent.until("it runs", runs(sequence));
    let takes = format!(
        "if (str_contains($_SERVER['SERVER_SOFTWARE'] ?? '', 'nginx') && !file_exists('{once}')) \
         {{ touch('{once}'); touch('{away}'); }}\n{both}",
        once = once.display(),
        away = away.display()
    );
    let next = pod.release("4", &takes);
    let status = pod.agent.until("it waits", waits("shop", next));
    assert_eq!(status["running"]["sequence"], sequence, "{status}");
    let log = pod.agent.process().complained();
    assert!(
        log.contains("a release on trial failed") && log.contains("went back"),
        "{log}"
    );
    nothing_is_rejected(&pod);
    fs::remove_file(&away).unwrap();
    pod.agent.until("it runs", runs(next));
    drop(database);
    pod.agent.end();
}

#[test]
fn a_release_that_waits_while_its_key_is_withdrawn_never_runs_and_the_next_one_does() {
    let mut pod = Pod::new();
    let control = pod.shop.path("control");
    fs::create_dir(&control).unwrap();
    fs::write(control.join("pause"), "sale").unwrap();
    let hook = pod.shop.path("hook");
    crate::ending::script(
        &hook,
        &format!(
            "echo $LONGSHORE_SEQUENCE >>{}",
            pod.shop.path("heard").display()
        ),
    );
    let program = pod
        .program()
        .env("LONGSHORE_CONTROL", &control)
        .env("LONGSHORE_POLL", "1s")
        .env("LONGSHORE_HOOK_BEFORE", &hook);
    pod.start(program);
    let sequence = pod.release("2", "");
    pod.agent.until("it waits", waits("paused", sequence));

    pod.shop.longshore(["key", "generate", "next"]).expect(0);
    let rotate = [
        "trust",
        "rotate",
        "1.root.json",
        "--key",
        "next.pub",
        "--sign",
        "ci.key",
        "--sign",
        "next.key",
        "--out",
        "2.root.json",
    ];
    pod.shop.longshore(rotate).expect(0);
    pod.server.put(
        "prod/trust/2.root.json",
        fs::read(pod.shop.path("2.root.json")).unwrap(),
    );
    fs::remove_file(control.join("pause")).unwrap();
    let status = pod.agent.until("it is refused", |status| {
        status["lastCheck"]["error"]["reason"] == "signature"
    });
    assert_eq!(
        (&status["running"]["sequence"], &status["newer"]["why"]),
        (&1.into(), &"failed".into()),
        "{status}"
    );
    pod.sources("3", "");
    pod.shop
        .longshore([
            "publish",
            "--trust",
            "2.root.json",
            "--sign",
            "next.key",
            "--level",
            "1",
        ])
        .expect(0);
    pod.agent.until("the next one runs", runs(sequence + 1));
    assert_eq!(
        fs::read_to_string(pod.shop.path("heard")).unwrap(),
        "3\n",
        "the hook never heard of the one before"
    );
    pod.agent.end();
}
