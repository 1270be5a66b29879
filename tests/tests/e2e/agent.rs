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
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
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
fn changed_files_are_noticed_and_put_back() {
    let mut pod = Pod::new();
    let program = pod.program().env("LONGSHORE_POLL", "5s");
    pod.start(program);
    let scanned = pod.agent.until("the tree was scanned", |status| {
        !status["tamper"]["lastScanAt"].is_null()
    });
    let file = pod.root().join("current/lib/Widget.php");
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, "<?php // somebody was here\n").unwrap();
    fs::remove_file(pod.root().join("current/asset.txt")).unwrap();
    let status = pod.agent.until("they are put back", |status| {
        status["tamper"]["repairedFiles"] == 2
    });
    assert_eq!(
        (
            fs::read_to_string(&file).unwrap(),
            status["tamper"]["changedFiles"].as_u64()
        ),
        (whole, Some(2))
    );
    assert!(pod.root().join("current/asset.txt").is_file());
    // Again, in the tree that was made anew; and what the shop itself may write is none of our
    // business.
    pod.agent.until("it is watched again", |status| {
        status["tamper"]["lastScanAt"] != scanned["tamper"]["lastScanAt"]
    });
    fs::write(pod.root().join("current/var/cache/page"), "cached").unwrap();
    fs::write(
        pod.root().join("current/template.php"),
        "<?php // and again",
    )
    .unwrap();
    let status = pod.agent.until("it is put back", |status| {
        status["tamper"]["repairedFiles"] == 3
    });
    assert_eq!(status["tamper"]["changedFiles"], 3);
    // What nobody released goes.
    fs::write(
        pod.root().join("current/lib/shell.php"),
        "<?php eval($_POST['x']);",
    )
    .unwrap();
    let status = pod.agent.until("it is gone", |status| {
        status["tamper"]["repairedFiles"] == 4
    });
    assert_eq!(
        (
            status["tamper"]["changedFiles"].as_u64(),
            pod.root().join("current/lib/shell.php").exists()
        ),
        (Some(4), false)
    );
    pod.agent.end();
}

#[test]
fn a_changed_script_that_php_compiled_is_forgotten_once_it_is_put_back() {
    let mut pod = Pod::new();
    let web = Web::start(&pod.root());
    let file = pod.root().join("current/index.php");
    let entry = fs::read_to_string(&file).unwrap();
    fs::write(&file, "<?php echo 'somebody was here';").unwrap();
    assert_eq!(web.get("/").unwrap().body, "somebody was here");
    let program = pod.with_shop(&web);
    pod.start(program);
    pod.agent.until("it is put back", |status| {
        status["tamper"]["repairedFiles"] == 1
    });
    assert_eq!(fs::read_to_string(&file).unwrap(), entry);
    assert!(
        web.get("/").unwrap().body.starts_with("entry=1 "),
        "{:?}",
        web.get("/")
    );
    // Added, compiled, and gone.
    pod.agent.until("it is watched again", |status| {
        status["tamper"]["unrepairedFiles"] == 0 && !status["tamper"]["lastScanAt"].is_null()
    });
    let shell = pod.root().join("current/lib/Shell.php");
    fs::write(
        &shell,
        "<?php class Shell { public static function release() { return 'shell'; } }",
    )
    .unwrap();
    pod.agent.until("it is gone", |status| {
        status["tamper"]["repairedFiles"] == 2
    });
    assert!(!shell.exists());
    pod.agent.end();
}

#[test]
fn a_change_that_is_undone_at_once_is_noticed_and_what_the_shop_wrote_stays() {
    let mut pod = Pod::new();
    let program = pod.program().env("LONGSHORE_POLL", "5s");
    pod.start(program);
    pod.agent.until("the tree was scanned", |status| {
        !status["tamper"]["lastScanAt"].is_null()
    });
    let page = pod.root().join("current/var/cache/page");
    fs::write(&page, "cached").unwrap();
    let file = pod.root().join("current/template.php");
    let (whole, modified) = (
        fs::read(&file).unwrap(),
        file.metadata().unwrap().modified().unwrap(),
    );
    fs::write(&file, "<?php // somebody was here").unwrap();
    fs::write(&file, &whole).unwrap();
    fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(modified)
        .unwrap();
    pod.agent.until("it is counted and put back", |status| {
        status["tamper"]["repairedFiles"] == 1
    });
    assert_eq!(
        (
            fs::read(&file).unwrap(),
            fs::read_to_string(page).unwrap().as_str()
        ),
        (whole, "cached")
    );
    pod.agent.end();
}

#[test]
fn a_scan_ends_while_the_shop_writes_all_the_time() {
    let mut pod = Pod::new();
    fs::write(pod.shop.module(0).join("large.txt"), vec![b'x'; 3 << 20]).unwrap();
    pod.shop.publish();
    pod.shop.init("pod").run().expect(0);
    let (cache, stop) = (
        pod.root().join("current/var/cache"),
        Arc::<AtomicBool>::default(),
    );
    let stopped = Arc::clone(&stop);
    let writer = thread::spawn(move || {
        let mut pages = 0_u64;
        while !stopped.load(Relaxed) {
            fs::write(cache.join(format!("page{}", pages % 50)), pages.to_string()).unwrap();
            pages += 1;
            thread::sleep(Duration::from_millis(20));
        }
        pages
    });
    // It takes three seconds, in which the shop writes a hundred times.
    let program = pod
        .program()
        .env("LONGSHORE_POLL", "5s")
        .env("LONGSHORE_SCAN", "1MiB");
    pod.start(program);
    let status = pod.agent.until("the scan ended", |status| {
        !status["tamper"]["lastScanAt"].is_null()
    });
    stop.store(true, Relaxed);
    assert!(writer.join().unwrap() > 10);
    assert_eq!(
        (
            status["tamper"]["changedFiles"].as_u64(),
            status["tamper"]["repairedFiles"].as_u64()
        ),
        (Some(0), Some(0))
    );
    assert!(
        pod.agent
            .get("/metrics")
            .unwrap()
            .body
            .contains("longshore_last_scan_timestamp_seconds ")
    );
    pod.agent.end();
}

#[test]
fn files_that_cannot_be_put_back_are_tried_again_until_they_are() {
    let mut pod = Pod::new();
    let program = pod
        .program()
        .env("LONGSHORE_POLL", "5s")
        .env("LONGSHORE_DEADLINE", "3s");
    pod.start(program);
    pod.agent.until("the tree was scanned", |status| {
        !status["tamper"]["lastScanAt"].is_null()
    });
    pod.server
        .fault(Fault::new(Effect::access_denied()).lasting(Duration::from_mins(10)));
    let file = pod.root().join("current/template.php");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, "<?php // somebody was here").unwrap();
    pod.agent.until("it is open", |status| {
        status["tamper"]["unrepairedFiles"] == 1
    });
    let metrics = pod.agent.get("/metrics").unwrap().body;
    let open = metrics
        .lines()
        .find(|line| line.starts_with("longshore_unrepaired_files"));
    assert!(open.is_some_and(|line| line.ends_with(" 1.0")), "{open:?}");
    pod.server.set_faults(s3::Faults::default());
    let last = pod
        .agent
        .within(Duration::from_mins(1), "it is put back", |status| {
            status["tamper"]["repairedFiles"] == 1
        })
        .unwrap();
    assert_eq!(
        (
            fs::read(&file).unwrap(),
            last["tamper"]["unrepairedFiles"].as_u64()
        ),
        (whole, Some(0))
    );
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
