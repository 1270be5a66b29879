//! What goes wrong in a shop, from a real PHP and a real nginx to the agent's log, its page and its
//! metrics; and a shop that logs without end.

use crate::agent::Pod;
use e2e::web::Web;
use serde_json::Value;
use std::fmt::Write as _;
use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::Path,
    thread,
    time::{Duration, Instant},
};

const FAILS: &str = "function pay($number) { throw new RuntimeException(\"No order $number of \
                     jane@shop.example\"); } if (isset($_GET['fails'])) { pay($_GET['fails']); }";

fn events(pod: &Pod) -> Vec<Value> {
    let log = pod.agent.process().complained();
    let events = log.lines().map(|line| serde_json::from_str(line).unwrap());
    events
        .filter(|event: &Value| event["source"] == "shop")
        .collect()
}

#[track_caller]
fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        thread::sleep(Duration::from_millis(30));
    }
}

fn page(pod: &Pod, since: u64) -> Value {
    let answer = pod.agent.get(&format!("/errors?since={since}")).unwrap();
    serde_json::from_str(&answer.body).unwrap()
}

#[test]
fn an_error_is_one_event_one_group_and_one_count_in_each_release() {
    let mut pod = Pod::new();
    pod.release("1", FAILS);
    let web = Web::start(&pod.root());
    let program = pod
        .with_shop(&web)
        .env("LONGSHORE_POD_LOGS", web.logs())
        .env("LONGSHORE_SHOP", "acme");
    pod.start(program);
    pod.agent.until("release 2 runs", e2e::pod::runs(2));
    assert_eq!(web.get("/?fails=7").unwrap().status, 500);
    let event = until("the event", || {
        events(&pod)
            .into_iter()
            .find(|event| event["class"] == "RuntimeException")
    });
    for (field, expected) in [
        ("message", Value::from("shop error")),
        ("kind", "php".into()),
        ("severity", "fatal".into()),
        ("shop", "acme".into()),
        ("release", 2.into()),
        ("cut", false.into()),
    ] {
        assert_eq!(event[field], expected, "{event}");
    }
    let text = event["text"].as_str().unwrap();
    assert!(
        text.contains("No order 7 of <email>")
            && text.contains("\n#0 ")
            && text.contains("thrown in"),
        "{text}"
    );

    // The next release has the same error elsewhere, and a visitor another order.
    pod.release("2", &format!("// A line more.\n\n{FAILS}"));
    pod.agent.until("release 3 runs", e2e::pod::runs(3));
    assert_eq!(web.get("/?fails=8").unwrap().status, 500);
    let page = until("both releases on the page", || {
        let page = page(&pod, 0);
        let groups = page["groups"].as_array().unwrap();
        let of = groups
            .iter()
            .filter(|group| group["class"] == "RuntimeException");
        (of.count() == 2).then_some(page)
    });
    let groups: Vec<_> = page["groups"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|group| group["class"] == "RuntimeException")
        .map(|group| {
            (
                &group["fingerprint"],
                group["sequence"].as_u64(),
                &group["count"],
                &group["message"],
            )
        })
        .collect();
    let message = &Value::from("No order * of <email>");
    let fingerprint = &event["fingerprint"];
    assert_eq!(
        groups,
        [
            (fingerprint, Some(2), &1.into(), message),
            (fingerprint, Some(3), &1.into(), message)
        ]
    );
    let cursor = page["cursor"].as_u64().unwrap();
    assert_eq!(self::page(&pod, cursor)["groups"], serde_json::json!([]));
    let metrics = pod.agent.get("/metrics").unwrap().body;
    assert!(
        metrics.contains("longshore_error_events_total{severity=\"fatal\"} 2"),
        "{metrics}"
    );
    // PHP ends, and nginx says so: an incident with the number that a visitor got, and no visitor's
    // query.
    web.without_php(|port| {
        e2e::web::get(port, "/?password=hunter2").unwrap();
        let incident = until("the incident", || {
            events(&pod)
                .into_iter()
                .find(|event| event["class"] == "incident")
        });
        let text = incident["text"].as_str().unwrap();
        assert!(
            text.starts_with("incident=") && text.contains("status=502"),
            "{text}"
        );
    });
    let log = pod.agent.end().stderr;
    assert!(!log.contains("hunter2") && !log.contains("jane@"), "{log}");
}

/// What a rehearsal meets is the reason of a rejected release, and no error of a visitor.
#[test]
fn what_the_agent_asks_for_is_no_error_of_the_shop() {
    let mut pod = Pod::new();
    let web = Web::start(&pod.root());
    let program = pod.with_shop(&web).env("LONGSHORE_POD_LOGS", web.logs());
    pod.start(program);
    pod.release("2", "throw new LogicException('broken');");
    let status = pod.agent.until("it is rejected", |status| {
        status["newer"]["why"] == "rejected"
    });
    let detail = status["newer"]["detail"].as_str().unwrap();
    assert!(detail.contains("LogicException: broken"), "{detail}");
    thread::sleep(Duration::from_secs(1));
    assert!(events(&pod).is_empty(), "{:#?}", events(&pod));
    assert_eq!(web.log("php.log"), "");
    pod.agent.end();
}

fn flood(log: &Path, until: Instant) -> u64 {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .unwrap();
    let mut written = 0;
    let start = Instant::now();
    while Instant::now() < until {
        let due = u64::try_from(start.elapsed().as_millis()).unwrap() * 10;
        let mut batch = String::new();
        while written < due {
            written += 1;
            write!(
                batch,
                "[01-Dec-2026 03:00:00 UTC] PHP Fatal error:  Uncaught Shop\\Oops{}: No product \
                 {written} in /srv/shop/releases/0123456789abcdef/vendor/shop/src/Cart.php:12\nStack \
                 trace:\n#0 /srv/shop/releases/0123456789abcdef/vendor/shop/src/App.php(99): \
                 Shop\\Cart->pay()\n#1 /srv/shop/releases/0123456789abcdef/index.php(3): \
                 Shop\\App->run()\n#2 {{main}}\n  thrown in \
                 /srv/shop/releases/0123456789abcdef/vendor/shop/src/Cart.php on line 12\n",
                written % 50
            )
            .unwrap();
        }
        file.write_all(batch.as_bytes()).unwrap();
        thread::sleep(Duration::from_millis(5));
    }
    written
}

/// 10,000 errors a second: few lines leave, the log does not grow, and each error is counted.
#[test]
fn a_flood_of_errors_costs_little() {
    let mut pod = Pod::new();
    let logs = pod.shop.path("logs");
    fs::create_dir(&logs).unwrap();
    let program = pod
        .program()
        .env("LONGSHORE_POD_LOGS", &logs)
        .env("LONGSHORE_POLL", "60s");
    pod.start(program);
    let log = logs.join("php.log");
    File::create(&log).unwrap();
    let figure = |name: &str| {
        let metrics = pod.agent.get("/metrics").unwrap().body;
        let value = metrics.lines().find_map(|line| {
            let (found, value) = line.rsplit_once(' ')?;
            let found = found.trim_end_matches("{}");
            (found == name).then(|| value.parse::<f64>().ok())?
        });
        value.unwrap_or_else(|| panic!("{name} in {metrics}"))
    };
    let before = [
        figure("longshore_process_cpu_seconds_total"),
        figure("longshore_process_resident_memory_bytes"),
    ];
    let begin = Instant::now();
    let writer = thread::spawn({
        let log = log.clone();
        move || flood(&log, begin + Duration::from_secs(12))
    });
    let mut largest = 0;
    while !writer.is_finished() {
        largest = largest.max(fs::metadata(&log).unwrap().len());
        thread::sleep(Duration::from_millis(50));
    }
    let written = writer.join().unwrap();
    let seconds = begin.elapsed().as_secs_f64();
    let cpu = figure("longshore_process_cpu_seconds_total") - before[0];
    let memory = figure("longshore_process_resident_memory_bytes") - before[1];
    // What waits is read, or counted.
    let count = || {
        let page = page(&pod, 0);
        let groups = page["groups"].as_array().unwrap().iter();
        let read: u64 = groups.map(|group| group["count"].as_u64().unwrap()).sum();
        (read, page["dropped"].as_u64().unwrap())
    };
    let (read, dropped) = until("all is counted", || {
        let (read, dropped) = count();
        // What of a record is on each side of a gap is counted once too often, or not at all.
        ((read + dropped).abs_diff(written) * 100 < written).then_some((read, dropped))
    });
    let told = events(&pod).len();
    println!(
        "{written} errors in {seconds:.1} s: {told} lines told, {read} read, {dropped} counted; {:.1} \
         % of a core, {:+.1} MiB, the log had {:.1} MiB at most",
        100.0 * cpu / seconds,
        memory / 1_048_576.0,
        f64::from(u32::try_from(largest).unwrap()) / 1_048_576.0
    );
    assert!(
        f64::from(u32::try_from(told).unwrap()) <= 20.0 * (begin.elapsed().as_secs_f64() + 1.0),
        "{told}"
    );
    assert!(told >= 100, "{told}");
    assert!(largest < 24 << 20, "{largest}");
    // The figures are 10 % and 2 MiB; the rest is for a build that is not optimized.
    assert!(
        cpu < 0.2 * seconds && memory < 3.0 * 1_048_576.0,
        "{cpu} s, {memory} B"
    );
    let answer = pod.agent.get("/errors").unwrap().body;
    assert!(answer.len() <= 256 << 10, "{}", answer.len());
    pod.agent.end();
}
