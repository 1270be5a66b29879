//! What the chart sends to a store that a user has: lines by OTLP, figures by `remote_write`.
//! `make test-stack` runs it, with the configurations that Helm renders.

#![allow(
    clippy::disallowed_methods,
    reason = "a test makes its files itself, and has no failpoints"
)]

use e2e::{
    chart,
    cluster::eventually,
    peers::required,
    process::{Program, Running},
    shop::scratch,
};
use runtime::fixtures::free_port;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

const START: Duration = Duration::from_secs(30);
/// The collector looks for new files each fifth of a second, and sends each second.
const SOON: Duration = Duration::from_secs(30);
const LIFE: Duration = Duration::from_mins(5);
const TEMPLATE: &str = "templates/logs/otlp.yaml";

fn values(more: &Value) -> Value {
    let mut values = json!({ "scheduler": { "enabled": false }, "headroom": { "enabled": false } });
    values
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    values
}

fn image() -> Value {
    json!({ "digest": format!("sha256:{:064}", 0) })
}

/// A node's logs, what sends them, and `VictoriaLogs`, which takes OTLP.
struct Stage {
    scratch: tempfile::TempDir,
    configuration: PathBuf,
    store: u16,
}

impl Stage {
    fn new() -> Self {
        let (scratch, store) = (scratch(), free_port());
        let pods = scratch.path().join("pods");
        let token = scratch.path().join("token");
        fs::write(&token, "sesame").unwrap();
        let values = values(&json!({ "logs": { "otlp": {
            "enabled": true,
            "image": image(),
            "podLogs": [pods],
            "targets": [{
                "endpoint": format!("http://127.0.0.1:{store}/insert/opentelemetry"),
                "token": { "secret": "store", "scheme": "" },
            }],
        } } }));
        let text = chart::configuration(&values, TEMPLATE, "config.yaml")
            .replace(
                "/var/lib/otelcol",
                &scratch.path().join("data").display().to_string(),
            )
            .replace("/etc/otelcol-token/0/token", &token.display().to_string())
            .replace("0.0.0.0:13133", &format!("127.0.0.1:{}", free_port()))
            .replace("port: 8888", &format!("port: {}", free_port()));
        let configuration = scratch.path().join("config.yaml");
        fs::write(&configuration, text).unwrap();
        Self {
            scratch,
            configuration,
            store,
        }
    }

    fn store(&self) -> Running {
        let store = Program::new(required("victoria-logs"))
            .arg(format!("-httpListenAddr=127.0.0.1:{}", self.store))
            .arg(format!(
                "-storageDataPath={}",
                self.scratch.path().join("store").display()
            ))
            .arg("-retentionPeriod=100y")
            .deadline(LIFE)
            .start();
        eventually("VictoriaLogs", START, || self.lines("*"));
        store
    }

    fn collector(&self) -> Running {
        Program::new(required("otelcol"))
            .arg(format!("--config={}", self.configuration.display()))
            .arg("--feature-gates=stanza.synchronousLogEmitter")
            .deadline(LIFE)
            .start()
    }

    /// Writes lines as containerd does.
    fn say(&self, pod: &str, lines: &[String]) {
        let log = self
            .scratch
            .path()
            .join("pods")
            .join(pod)
            .join("agent/0.log");
        append(&log, &lines.concat());
    }

    fn lines(&self, question: &str) -> Option<Vec<Value>> {
        let asked = Program::new("curl")
            .args(["--silent", "--fail", "--data-urlencode"])
            .arg(format!("query={question} | limit 5000"))
            .arg(format!(
                "http://127.0.0.1:{}/select/logsql/query",
                self.store
            ))
            .run();
        let lines = asked.stdout.lines();
        (asked.code() == Some(0))
            .then(|| lines.map(|it| serde_json::from_str(it).unwrap()).collect())
    }

    fn found(&self, question: &str, least: usize) -> Vec<Value> {
        eventually(question, SOON, || {
            self.lines(question).filter(|lines| lines.len() >= least)
        })
    }
}

fn append(file: &Path, text: &str) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let file = OpenOptions::new().create(true).append(true).open(file);
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

/// A line of a container's log.
fn line(text: &str) -> String {
    format!("2026-11-01T10:00:00.123456789Z stdout F {text}\n")
}

/// An event of a shop's error, as its agent prints it.
fn event(number: usize) -> String {
    let event = json!({
        "timestamp": format!("2026-11-01T09:59:{:02}.{number:06}Z", number % 60),
        "time": "2019-01-01T00:00:00Z", "source": "shop", "severity": "fatal", "shop": "acme",
        "release": 7, "fingerprint": format!("{number:016x}"), "message": "no price",
    });
    line(&event.to_string())
}

#[test]
#[ignore = "needs the programs of `tests/tools/tools DIRECTORY stack`; `make test-stack` runs it"]
fn lines_get_to_a_target_that_speaks_otlp_by_their_fields() {
    let stage = Stage::new();
    let (_store, _collector) = (stage.store(), stage.collector());
    stage.say("shop-acme_web-1_3f", &[event(5), line("no JSON {")]);
    // Of a namespace that is not asked for.
    stage.say("kube-system_dns-1_3f", &[event(6)]);
    // In parts, as the container runtime cuts a long line.
    let whole = event(7);
    let (first, second) = whole.split_at(120);
    let second = second.trim_end();
    let cut = format!(
        "{}\n2026-11-01T10:00:00.2Z stdout F {second}\n",
        first.replace(" F ", " P ")
    );
    stage.say("shop-acme_web-2_4f", &[cut]);
    let found = stage.found("shop:=acme", 2);
    assert_eq!(found.len(), 2, "{found:#?}");
    let fifth = found
        .iter()
        .find(|it| it["fingerprint"] == "0000000000000005")
        .unwrap();
    println!("{fifth:#}");
    let expected = [
        ("_msg", "no price"),
        // The agent's, to the microsecond.
        ("_time", "2026-11-01T09:59:05.000005Z"),
        ("release", "7"),
        ("source", "shop"),
        ("severity", "fatal"),
        ("k8s.namespace.name", "shop-acme"),
        ("k8s.pod.name", "web-1"),
        ("k8s.container.name", "agent"),
    ];
    for (field, value) in expected {
        assert_eq!(fifth[field], value, "{field}: {fifth:#}");
    }
    let plain = stage.found("\"no JSON\"", 1);
    assert_eq!(plain[0]["_msg"], "no JSON {");
    assert_eq!(
        stage.lines("fingerprint:=0000000000000006").unwrap().len(),
        0
    );
}

#[test]
#[ignore = "needs the programs of `tests/tools/tools DIRECTORY stack`; `make test-stack` runs it"]
fn no_line_is_lost_while_the_target_is_away_and_the_collector_is_killed() {
    let stage = Stage::new();
    let collector = stage.collector();
    for number in 0..1000 {
        stage.say("shop-acme_web-1_3f", &[event(number)]);
        thread::sleep(Duration::from_millis(5));
    }
    // Killed, in the midst of it.
    drop(collector);
    let log = stage.scratch.path().join("pods/shop-acme_web-1_3f/agent");
    stage.say(
        "shop-acme_web-1_3f",
        &(1000..1200).map(event).collect::<Vec<_>>(),
    );
    let (_store, _collector) = (stage.store(), stage.collector());
    stage.found("shop:=acme", 1200);
    // The kubelet rotates a log while it is read.
    fs::rename(log.join("0.log"), log.join("0.log.20261101-100000")).unwrap();
    stage.say(
        "shop-acme_web-1_3f",
        &(1200..1300).map(event).collect::<Vec<_>>(),
    );
    let found = stage.found("shop:=acme", 1300);
    let different: BTreeSet<_> = found
        .iter()
        .map(|it| it["fingerprint"].to_string())
        .collect();
    println!(
        "{} lines in the store, {} different",
        found.len(),
        different.len()
    );
    assert_eq!(different.len(), 1300);
}

#[test]
#[ignore = "needs the programs of `tests/tools/tools DIRECTORY stack`; `make test-stack` runs it"]
fn figures_get_to_a_receiver_of_remote_write_with_their_labels() {
    let scratch = scratch();
    let (sender, receiver) = (free_port(), free_port());
    let values = values(&json!({
        "watch": { "enabled": false },
        "prometheus": {
            "enabled": true,
            "image": image(),
            "agents": "none",
            "intervalSeconds": 1,
            "externalLabels": { "cluster": "eu1" },
            "remoteWrite": [{ "url": format!("http://127.0.0.1:{receiver}/api/v1/write") }],
        },
    }));
    let text = chart::configuration(
        &values,
        "templates/prometheus/config.yaml",
        "prometheus.yaml",
    );
    // No API server tells of pods here: it asks itself.
    let (head, _) = text.split_once("scrape_configs:").unwrap();
    let own = format!(
        "scrape_configs:\n  - job_name: longshore-watch\n    static_configs: [{{targets: ['127.0.0.1:{sender}']}}]\n"
    );
    let start = |name: &str, text: &str, port: u16, more: &[&str]| {
        let file = scratch.path().join(format!("{name}.yaml"));
        fs::write(&file, text).unwrap();
        Program::new(required("prometheus"))
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                scratch.path().join(name).display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(more)
            .deadline(LIFE)
            .start()
    };
    let _receiver = start(
        "receiver",
        "",
        receiver,
        &["--web.enable-remote-write-receiver"],
    );
    let _sender = start("sender", &format!("{head}{own}"), sender, &[]);
    let question = r#"query=up{job="longshore-watch",cluster="eu1"}"#;
    let found = eventually("a figure", START, || {
        let asked = Program::new("curl")
            .args(["--silent", "--fail", "--data-urlencode", question])
            .arg(format!("http://127.0.0.1:{receiver}/api/v1/query"))
            .run();
        let answer: Value = serde_json::from_str(&asked.stdout).ok()?;
        answer["data"]["result"].as_array()?.first().cloned()
    });
    println!("{found}");
    assert_eq!(found["value"][1], "1");
}
