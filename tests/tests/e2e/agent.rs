//! `longshore-agent` beside nginx and php-fpm: switches under load, releases that do not work,
//! files that change, and the end.

use e2e::{
    pod::{Agent, runs},
    process::Program,
    s3::{self, Effect, Fault, Server},
    shop::{CHANNEL, Shop},
    web::{self, Visitors, Web},
};
use release::key;
use serde_json::Value;
use std::{
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

// A pod: its shop, its agent, and the release object that the cluster gives it.
pub(crate) struct Pod {
    pub(crate) server: Server,
    pub(crate) shop: Shop,
    pub(crate) agent: Agent,
}

impl Pod {
    // Sequence 1 is published and pulled.
    pub(crate) fn new() -> Self {
        let pod = Self::bare();
        pod.sources("1", "");
        pod.shop.publish();
        pod.shop.init("pod").run().expect(0);
        fs::create_dir(pod.shop.path("release")).unwrap();
        pod.offer();
        pod
    }

    // Nothing is published yet.
    pub(crate) fn bare() -> Self {
        let server = Server::start(s3::Options::default()).unwrap();
        let shop = Shop::on(&server, 1, 1);
        Self {
            server,
            shop,
            agent: Agent::default(),
        }
    }

    pub(crate) fn sources(&self, name: &str, entry: &str) {
        fs::remove_dir_all(self.shop.module(0)).unwrap();
        web::write_sources(&self.shop.module(0), name, entry);
    }

    // Publishes these sources, and has the cluster offer the release to the pod.
    pub(crate) fn release(&self, name: &str, entry: &str) -> u64 {
        self.sources(name, entry);
        let sequence = self.shop.publish()["sequence"].as_u64().unwrap();
        self.offer();
        sequence
    }

    pub(crate) fn offer(&self) {
        let object = self
            .server
            .get(&format!(
                "prod/{}",
                key::channel_head(&CHANNEL.parse().unwrap())
            ))
            .unwrap();
        let directory = self.shop.path("release");
        fs::write(directory.join("next"), object).unwrap();
        fs::rename(directory.join("next"), directory.join("release.json")).unwrap();
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.shop.path("pod")
    }

    pub(crate) fn program(&self) -> Program {
        Program::ours("longshore-agent").envs(self.shop.pod_environment("pod"))
    }

    pub(crate) fn start(&mut self, program: Program) {
        self.agent.start(program);
        self.agent.until("it answers", |status| {
            status["phase"] == "idle" && !status["lastSuccessAt"].is_null()
        });
    }

    // As the cluster gives it: the release object from a file, the shop's front page as the probe.
    pub(crate) fn with_shop(&self, web: &Web) -> Program {
        let page = format!("http://127.0.0.1:{}/", web.port);
        self.program()
            .env("LONGSHORE_RELEASE", self.shop.path("release"))
            .env("LONGSHORE_PHP", &web.php)
            .env("LONGSHORE_PROBE", page)
            .env("LONGSHORE_PROBE_STATUS", "200")
            .env("LONGSHORE_PROBE_TIMES", "2")
            .env("LONGSHORE_POLL", "5s")
    }
}

#[test]
fn fifty_switches_under_load_fail_no_request_and_mix_no_releases() {
    const SWITCHES: u64 = 50;
    const REQUESTS: u64 = 10_000;
    let mut pod = Pod::new();
    let web = Web::start(&pod.root());
    let program = pod.with_shop(&web);
    pod.start(program);
    let visitors = Visitors::start(web.port, 6, Duration::from_millis(4));
    for number in 2..=SWITCHES + 1 {
        // Steadily over all of them: the last switch comes when 10,000 are through.
        while visitors.count() < (number - 1) * REQUESTS / SWITCHES {
            thread::sleep(Duration::from_millis(10));
        }
        let sequence = pod.release(&number.to_string(), "");
        pod.agent.until("the release runs", runs(sequence));
        assert!(
            web.get("/")
                .unwrap()
                .body
                .starts_with(&format!("entry={number} "))
        );
    }
    let (count, wrong) = visitors.end();
    assert!(
        wrong.is_empty(),
        "{} of {count} pages: {:?}",
        wrong.len(),
        &wrong[..wrong.len().min(3)]
    );
    println!("{SWITCHES} switches, {count} requests, 0 failed, 0 mixed");
    let metrics = pod.agent.get("/metrics").unwrap().body;
    assert!(
        metrics.contains(&format!(
            "longshore_switches_total{{outcome=\"switched\"}} {SWITCHES}\n"
        )),
        "{metrics}"
    );
    pod.agent.end();
}

#[test]
fn a_release_that_does_not_work_is_refused_for_good_and_the_next_good_one_runs() {
    let mut pod = Pod::new();
    let web = Web::start(&pod.root());
    let program = pod.with_shop(&web);
    pod.start(program);
    let rejected = |sequence: u64| {
        move |status: &Value| {
            status["newer"]["sequence"] == sequence && status["newer"]["why"] == "rejected"
        }
    };
    {
        // PHP itself fails: found before anybody is switched.
        let visitors = Visitors::start(web.port, 2, Duration::from_millis(5));
        let broken = pod.release("2", "missing_function();");
        let status = pod
            .agent
            .within(Duration::from_secs(10), "it is refused", rejected(broken))
            .unwrap();
        assert!(
            status["newer"]["detail"]
                .as_str()
                .unwrap()
                .contains("status 500"),
            "{status}"
        );
        thread::sleep(Duration::from_millis(200));
        let (count, wrong) = visitors.end();
        assert!(count > 10 && wrong.is_empty(), "{wrong:?}");
        assert!(web.get("/").unwrap().body.starts_with("entry=1 "));
    }
    // Only behind nginx: found after the switch, which is undone.
    let hidden = pod.release(
        "3",
        "if (str_contains($_SERVER['SERVER_SOFTWARE'] ?? '', 'nginx')) { missing_function(); }",
    );
    let start = Instant::now();
    let status = pod
        .agent
        .within(
            Duration::from_secs(10),
            "it is rolled back",
            rejected(hidden),
        )
        .unwrap();
    assert!(
        status["running"]["sequence"] == 1 && web.get("/").unwrap().body.starts_with("entry=1 "),
        "{status}"
    );
    println!("rolled back {:?} after it was offered", start.elapsed());
    // The same manifest under a new sequence, and after a restart.
    pod.shop
        .longshore(["publish", "--sign", "ci.key", "--again"])
        .expect(0);
    pod.offer();
    pod.agent.until("it is refused again", |status| {
        status["newer"]["why"] == "rejected" && status["newer"]["sequence"] == hidden + 1
    });
    pod.agent.end();
    let program = pod.with_shop(&web);
    pod.start(program);
    assert_eq!(pod.agent.status().unwrap()["running"]["sequence"], 1);
    // An operator insists: it is tried once more, and fails once more.
    let manifest = pod.agent.status().unwrap()["newer"]["manifest"]
        .as_str()
        .unwrap()
        .to_owned();
    let before = pod.shop.state("pod")["rejected"][&manifest]["at"].clone();
    pod.shop
        .longshore(["root", "retry", "pod", &manifest[..12]])
        .expect(0);
    pod.offer();
    pod.agent.until("it is rejected anew", |_| {
        let at = pod.shop.state("pod")["rejected"][&manifest]["at"].clone();
        !at.is_null() && at != before
    });
    let good = pod.release("5", "");
    pod.agent.until("the good one runs", runs(good));
    pod.agent.end();
}

#[test]
fn operators_and_migrations_hold_a_release_back() {
    let mut pod = Pod::new();
    let control = pod.shop.path("control");
    fs::create_dir(&control).unwrap();
    fs::write(control.join("pause"), "sale until Monday").unwrap();
    let program = pod
        .program()
        .env("LONGSHORE_CONTROL", &control)
        .env("LONGSHORE_POLL", "1s");
    pod.start(program);
    let sequence = pod.release("2", "");
    let waits = pod
        .agent
        .until("it waits", |status| status["newer"]["why"] == "paused");
    assert!(
        waits["newer"]["detail"]
            .as_str()
            .unwrap()
            .contains("sale until Monday")
            && waits["running"]["sequence"] == 1,
        "{waits}"
    );
    let start = Instant::now();
    fs::remove_file(control.join("pause")).unwrap();
    pod.agent.until("it runs", runs(sequence));
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "a removed pause is noticed at once"
    );

    pod.shop.describe(1, "migration = \"breaking\"");
    let sequence = pod.release("3", "");
    pod.agent.until("it waits for the database", |status| {
        status["newer"]["why"] == "migration"
    });
    fs::write(control.join("migrated"), sequence.to_string()).unwrap();
    pod.agent.until("it runs", runs(sequence));
    pod.agent.end();
}

#[test]
fn without_the_store_everything_answers_at_once_and_nothing_restarts() {
    let mut pod = Pod::new();
    let program = pod
        .program()
        .env("LONGSHORE_POLL", "500ms")
        .env("LONGSHORE_DEADLINE", "3s")
        .env("LONGSHORE_READY_STALENESS", "2s");
    pod.start(program);
    pod.server
        .fault(Fault::new(Effect::slow_down()).lasting(Duration::from_mins(10)));
    let sick = pod.agent.until("it says so", |status| {
        status["lastCheck"]["error"]["reason"] == "unreachable"
    });
    assert_eq!(sick["running"]["sequence"], 1);
    let not_ready = Instant::now();
    while pod.agent.get("/readyz").unwrap().status == 200 {
        assert!(not_ready.elapsed() < Duration::from_secs(20));
        thread::sleep(Duration::from_millis(50));
    }
    for path in ["/livez", "/readyz", "/startupz", "/status", "/metrics"] {
        // The best of some: this machine runs other tests, too, and an answer that waited for the
        // store would take seconds each time.
        let answers = (0..10).map(|_| {
            let start = Instant::now();
            let page = pod.agent.get(path).unwrap();
            assert_eq!(
                page.status,
                if path == "/readyz" { 503 } else { 200 },
                "{path}: {page:?}"
            );
            start.elapsed()
        });
        let best = answers.min().unwrap();
        assert!(best < Duration::from_millis(100), "{path} took {best:?}");
    }
    pod.agent.end();
}

#[test]
fn an_agent_follows_its_channel_for_longer_than_one_pull_may_take() {
    let mut pod = Pod::new();
    let program = pod
        .program()
        .env("LONGSHORE_POLL", "500ms")
        .env("LONGSHORE_DEADLINE", "2s");
    pod.start(program);
    // What counts is the deadline of each look, and not that of the process.
    thread::sleep(Duration::from_secs(3));
    let sequence = pod.release("2", "");
    pod.agent.until("the release runs", runs(sequence));
    pod.agent.end();
}

#[test]
fn nothing_changed_costs_one_request_a_look() {
    let mut pod = Pod::new();
    let program = pod.program().env("LONGSHORE_POLL", "500ms");
    pod.start(program);
    thread::sleep(Duration::from_millis(700));
    pod.server.reset_stats();
    let looks = || {
        let text = pod.agent.get("/metrics").unwrap().body;
        let line = text
            .lines()
            .find(|line| line.starts_with("longshore_checks_total{outcome=\"unchanged\"}"))
            .unwrap()
            .to_owned();
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let before = looks();
    thread::sleep(Duration::from_secs(4));
    let (requests, looks) = (pod.server.stats().total(), looks() - before);
    assert!(
        looks >= 4 && requests <= looks + 1,
        "{requests} requests for {looks} looks"
    );
    pod.agent.end();
}

#[test]
fn a_kill_at_any_moment_of_a_switch_leaves_a_pod_that_goes_on() {
    let mut pod = Pod::new();
    let program = pod.program().env("LONGSHORE_POLL", "200ms");
    pod.start(program);
    for round in 0..12_u64 {
        let sequence = pod.release(&format!("{}", round + 2), "");
        thread::sleep(Duration::from_millis(round * 25));
        drop(pod.agent.kill());
        let program = pod.program().env("LONGSHORE_POLL", "200ms");
        pod.start(program);
        pod.agent.until("the release runs", runs(sequence));
        let body = fs::read_to_string(pod.root().join("current/asset.txt")).unwrap();
        assert_eq!(body, format!("{}", round + 2));
    }
    pod.agent.end();
}
