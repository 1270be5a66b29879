//! The chart's own logs, Prometheus and Alertmanager: `make test-stack`.

#![allow(
    clippy::disallowed_methods,
    reason = "a test makes its files itself, has no failpoints, and is told how long the store is \
              to be away"
)]

use e2e::{
    cluster::{Cluster, HOST as HERE, eventually},
    name_server::NameServer,
    platform::{
        Class, Platform, Tenant,
        edge::Signed,
        processes_of,
        stack::Stack,
        told::{Ringing, Told},
    },
    web,
};
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    env, fs,
    net::{IpAddr, SocketAddr},
    thread,
    time::{Duration, Instant},
};

const CLASS: &str = "stacked";
const LONG: Duration = Duration::from_mins(4);
/// From an outage to what people are told.
const TOLD: Duration = Duration::from_mins(2);
/// After that, nobody is told again.
const QUIET: Duration = Duration::from_secs(45);
/// From an error to its line in the store: vlagent looks at a log that was quiet each 10 seconds,
/// and a question to the store takes seconds here.
const VISIBLE: Duration = Duration::from_secs(30);
/// Which lines came by vlagent, and which by OTLP; and how many collectors read each. vlagent knows
/// the pods of its node; the other one reads a directory, and here one machine is both nodes.
const WAYS: [(&str, usize); 2] = [("kubernetes.pod_name:*", 1), ("k8s.pod.name:*", 2)];
const SPEC: &str = "shared = [\"media\"]\nwritable = [\"var\"]";

/// A page that fails for a word, so that each word is a group of errors of its own; and one that
/// writes 10,000 errors a second, of 50 groups.
const BREAKS: &str = r"<?php
if (isset($_GET['flood'])) {
    for ($end = microtime(true) + 8; microtime(true) < $end; usleep(4000)) {
        for ($i = 0; $i < 50; $i++) {
            error_log('PHP Fatal error:  no price for ' . str_repeat('x', $i + 1) . ' in p.php on line 1');
        }
    }
    exit('done');
}
throw new RuntimeException('no price for the ' . preg_replace('/[^a-z]/', '', $_GET['word'] ?? ''));
";

/// All of it, with some shops that are served.
struct Stage<'a> {
    platform: &'a Platform<'a>,
    edge: IpAddr,
    names: NameServer,
    told: Told,
    shops: BTreeMap<&'static str, Tenant<'a>>,
}

fn host(shop: &str) -> String {
    format!("www.{shop}.example")
}

impl<'a> Stage<'a> {
    fn new(platform: &'a Platform<'a>, shops: &[&'static str]) -> Self {
        let edge = platform.haproxy();
        let names = NameServer::start(HERE.parse().unwrap());
        let (told, mut authorities) = (Told::start(HERE.parse().unwrap()), String::new());
        let ends = shops.iter().filter(|shop| **shop == "ends");
        for shop in shops {
            let signed = Signed::for_host(&host(shop));
            authorities += &signed.authority;
            platform.bring(shop, &signed);
        }
        // Of an authority of its own, like all others here.
        let soon: Vec<_> = ends.map(|shop| (*shop, soon(&host(shop)))).collect();
        authorities.extend(soon.iter().map(|(_, signed)| signed.authority.as_str()));
        platform.stack(&Stack {
            edge,
            authorities,
            dns: names.address,
            told: &told,
        });
        platform.class(&Class::php(CLASS));
        let mut stage = Self {
            platform,
            edge,
            names,
            told,
            shops: BTreeMap::new(),
        };
        for shop in shops {
            stage.open(shop);
        }
        for (shop, signed) in soon {
            stage.certificate_ends(shop, &signed);
        }
        stage
    }

    fn open(&mut self, name: &'static str) {
        let shop = self.platform.tenant(name);
        web::write_sources(&shop.module("page"), "first", "");
        fs::write(shop.module("page").join("breaks.php"), BREAKS).unwrap();
        let sequence = shop.publish(&[("page", "")], SPEC);
        shop.register(sequence);
        let domain = json!({ "host": host(name), "primary": true, "certificate": name });
        let spec = json!({ "scale": { "min": 1, "max": 1 }, "domains": [domain] });
        self.resolves(name, true);
        shop.open(CLASS, &spec);
        shop.served_by(1);
        self.shops.insert(name, shop);
    }

    /// Whether DNS knows the shop's domain.
    fn resolves(&self, shop: &str, is_known: bool) {
        let IpAddr::V4(edge) = self.edge else {
            panic!("{} is no address of version 4", self.edge)
        };
        self.names.knows(&host(shop), is_known.then_some(edge));
    }

    /// Both vantage points find every domain up.
    fn all_up(&self) {
        for shop in self.shops.keys() {
            eventually(shop, LONG, || {
                let words = ["uptime", shop, "--output", "json"];
                let outcome = self.platform.operator(words).run();
                let uptime: Value = serde_json::from_str(&outcome.stdout).ok()?;
                let probes = uptime["hosts"][0]["probes"].as_array()?;
                let is_up = |probe: &Value| probe.get("problem").is_none();
                (probes.len() == 2 && probes.iter().all(is_up)).then_some(())
            });
        }
    }

    /// Once, in time, people are told this of this shop, and nothing else of anybody.
    fn is_told(&self, begin: Instant, alert: &str, shop: &str, words: &str) -> Duration {
        let told = eventually(alert, TOLD + Duration::from_secs(30), || {
            let all = self.told.since(begin).into_iter();
            all.clone().find(|it| it.alert == alert && it.shop == shop)
        });
        let after = told.at - begin;
        println!(
            "{shop}: {alert} after {:.0} s: {}",
            after.as_secs_f64(),
            told.summary
        );
        assert!(after < TOLD, "{told:#?}");
        assert!(told.summary.contains(words), "{told:#?}");
        thread::sleep(QUIET);
        let all = self.told.since(begin);
        let others: Vec<&Ringing> = all.iter().filter(|it| it.which() != told.which()).collect();
        assert!(others.is_empty(), "{others:#?}");
        assert_eq!(
            self.told.mails(alert, shop),
            1,
            "mails of {alert} of {shop}"
        );
        after
    }

    fn certificate_ends(&self, shop: &str, signed: &Signed) {
        self.all_up();
        let begin = Instant::now();
        self.platform.bring(shop, signed);
        self.is_told(
            begin,
            "LongshoreShopCertificateEndsSoon",
            shop,
            "ends in 4d",
        );
    }
}

/// A certificate that ends at the beginning of the fifth day from now.
fn soon(host: &str) -> Signed {
    let day = Timestamp::now().to_zoned(TimeZone::UTC).date() + 5.days();
    let number = |it: i8| it.unsigned_abs();
    Signed::until(
        host,
        (day.year().into(), number(day.month()), number(day.day())),
    )
}

/// Sends a signal to every process of php-fpm.
fn php(shop: &Tenant<'_>, signal: Signal) {
    for pod in shop.list("web") {
        let uid = pod["metadata"]["uid"].as_str().unwrap();
        for process in processes_of(uid, "php-fpm8.2") {
            kill_process(Pid::from_raw(process).unwrap(), signal).unwrap();
        }
    }
}

#[test]
#[ignore = "needs the programs of `tests/tools/tools DIRECTORY stack`; `make test-stack` runs it"]
fn the_right_alert_is_told_once_and_none_of_a_neighbour() {
    let cluster = Cluster::alone();
    let platform = Platform::install(&cluster);
    let stage = Stage::new(&platform, &["hangs", "lost", "ends", "gone", "well"]);
    let nodes = |verb: &str| {
        for node in ["n1", "n2"] {
            cluster.ask(&[verb, node]);
        }
    };

    let begin = Instant::now();
    php(&stage.shops["hangs"], Signal::STOP);
    stage.is_told(
        begin,
        "LongshoreShopDown",
        "hangs",
        "seen from inside, cause: status",
    );
    php(&stage.shops["hangs"], Signal::CONT);
    stage.all_up();

    // No node takes another one.
    nodes("cordon");
    let begin = Instant::now();
    for pod in stage.shops["lost"].pods() {
        let words = [
            "--namespace",
            &stage.shops["lost"].namespace,
            "delete",
            "pod",
        ];
        cluster.ask(&[&words[..], &[&pod.name, "--grace-period=0", "--force"]].concat());
    }
    stage.is_told(
        begin,
        "LongshoreShopDown",
        "lost",
        "seen from inside, cause: status",
    );
    nodes("uncordon");
    stage.shops["lost"].served_by(1);
    stage.all_up();

    let begin = Instant::now();
    stage.resolves("gone", false);
    stage.is_told(begin, "LongshoreShopDomainLost", "gone", "cause: dns");
}

#[test]
#[ignore = "needs the programs of `tests/tools/tools DIRECTORY stack`; `make test-stack` runs it"]
fn no_line_is_lost_while_the_store_is_away() {
    let away = env::var("STACK_AWAY_SECONDS").map_or(120, |text| text.parse().unwrap());
    let cluster = Cluster::alone();
    let platform = Platform::install(&cluster);
    // No other test's: the store keeps the lines of all.
    let stage = Stage::new(&platform, &["cut", "calm"]);
    let (cut, release) = (&stage.shops["cut"], stage.shops["cut"].told());
    let pod = cut.pods().remove(0);
    let fail = |word: &str| {
        let page = format!("/breaks.php?word={word}");
        web::get_from((pod.address, 8080).into(), &page, "").unwrap();
    };

    let begin = Instant::now();
    fail("first");
    let line = platform
        .found(
            &format!("source:=shop shop:=cut text:\"the first\" {}", WAYS[0].0),
            LONG,
        )
        .remove(0);
    println!(
        "its line is in the store after {:.1} s: {line}",
        begin.elapsed().as_secs_f64()
    );
    assert!(begin.elapsed() < VISIBLE);
    assert_eq!(line["shop"], "cut");
    assert_eq!(
        line["release"].as_str(),
        release.map(|it| it.to_string()).as_deref()
    );
    assert_eq!(line["kubernetes.pod_namespace"], "shop-cut");
    assert_eq!(
        platform.lines("source:=shop shop:=calm").unwrap(),
        [] as [Value; 0]
    );

    platform.store_of_logs(0);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(away) {
        // 26 groups, each of fewer than the 10 lines a minute that an agent writes of one.
        let letter = u8::try_from(begin.elapsed().as_millis() / 500 % 26).unwrap();
        fail(&format!("{}away", char::from(b'a' + letter)));
        thread::sleep(Duration::from_millis(500));
    }
    platform.store_of_logs(1);
    fail("last");
    let last = "source:=shop shop:=cut text:\"the last\"";
    let _last = platform.found(last, LONG);
    let printed = printed(cut, &pod.name);
    for (way, times) in WAYS {
        let question = format!("source:=shop shop:=cut {way} | fields _time, fingerprint");
        let mut kept = Vec::new();
        eventually(way, LONG, || {
            kept = platform.lines(&question)?;
            let mut kept: Vec<_> = kept.iter().map(|it| key(&it["_time"], it)).collect();
            kept.sort();
            kept.dedup();
            printed.iter().all(|it| kept.contains(it)).then_some(())
        });
        let (printed, kept) = (printed.len(), kept.len());
        println!("{way} away for {away} s: {printed} lines printed, {kept} in the store");
        // At least once: what was on its way when the store ended may come again.
        assert!(kept <= times * printed + 2, "{kept} of {printed}");
    }
}

#[test]
#[ignore = "needs the programs of `tests/tools/tools DIRECTORY stack`; `make test-stack` runs it"]
fn a_flood_of_errors_harms_nobody() {
    let cluster = Cluster::alone();
    let platform = Platform::install(&cluster);
    let stage = Stage::new(&platform, &["loud", "well"]);
    let address =
        |shop: &str| -> SocketAddr { (stage.shops[shop].pods().remove(0).address, 8080).into() };
    let (loud, well) = (address("loud"), address("well"));
    let _warm = web::get_from(well, "/", "").unwrap();

    let begin = Instant::now();
    let flood = thread::spawn(move || web::get_from(loud, "/breaks.php?flood=1", ""));
    let (mut slowest, mut asked) = (Duration::ZERO, 0);
    while !flood.is_finished() {
        let asks = Instant::now();
        let page = web::get_from(well, "/", "").unwrap();
        assert!(page.body.contains("entry=first"), "{}", page.body);
        slowest = slowest.max(asks.elapsed());
        asked += 1;
        thread::sleep(Duration::from_millis(50));
    }
    let flooded = begin.elapsed();
    assert_eq!(flood.join().unwrap().unwrap().body, "done");
    // What the agent tells of the groups that it only counted comes when their minute is over.
    thread::sleep(Duration::from_secs(75));
    let question = format!(
        "source:=shop shop:=loud {} | stats by (_time:10s) count() lines",
        WAYS[0].0
    );
    let lines = platform.found(&question, LONG).into_iter();
    let lines = lines.map(|it| it["lines"].as_str().unwrap().parse::<u64>().unwrap());
    let most = lines.max().unwrap();
    let counted = told(&platform, "loud");
    println!(
        "{:.1} s of a flood: {counted} errors counted, {most} lines in ten seconds at most; a \
         neighbour was asked {asked} times, and took {:.3} s at most",
        flooded.as_secs_f64(),
        slowest.as_secs_f64()
    );
    assert!(counted > 10_000, "{counted}");
    // 20 a second, and those of the second that is cut in two.
    assert!(most <= 220, "{most}");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
}

/// Errors of a shop that longshore-watch counts.
fn told(platform: &Platform<'_>, shop: &str) -> u64 {
    let words = ["errors", shop, "--all", "--output", "json"];
    let told = platform.operator(words).run().expect(0).stdout;
    let told: Value = serde_json::from_str(&told).unwrap();
    let groups = told["groups"].as_array().unwrap().iter();
    let releases = groups.flat_map(|group| group["releases"].as_array().unwrap());
    releases.filter_map(|it| it["count"].as_u64()).sum()
}

/// What tells lines apart: their moment in microseconds, and their group.
fn key(time: &Value, line: &Value) -> (Timestamp, String) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(time).parse().unwrap(), text(&line["fingerprint"]))
}

/// Events of the shop's errors that the agent of a pod printed.
fn printed(shop: &Tenant<'_>, pod: &str) -> Vec<(Timestamp, String)> {
    let log = shop.container_log(pod, "agent");
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let ours = lines.filter(|line: &Value| line["source"] == "shop");
    let printed: Vec<_> = ours.map(|line| key(&line["timestamp"], &line)).collect();
    assert!(printed.len() > 50, "{log}");
    printed
}
