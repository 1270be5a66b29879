//! Metrics as others see them: Prometheus' own parser, and the page.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails there, also inside a function that it calls"
)]

use agent::{
    metrics::{ALL, Kind, Metrics, reference},
    status::{CheckOutcome, Newer, Phase, ProbeOutcome, Running, Snapshot, SwitchOutcome, Why},
};
use jiff::Timestamp;
use mounts::{Health, MountHealth};
use release::{Sequence, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

/// Reads a page with the parser of Prometheus' Python client, which is strict, and prints each
/// sample's name, labels and value.
const PARSER: &str = "
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        print(json.dumps([sample.name, sample.labels, sample.value, family.type]))
";

type Sample = (String, BTreeMap<String, String>, f64, String);

/// Python with the packages of `requirements.txt`, or promtool: `make tools` leaves them beside the
/// test's own binary.
fn tool(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let mut found = test
        .ancestors()
        .map(|directory| directory.join("tools/bin").join(name));
    found
        .find(|tool| tool.is_file())
        .unwrap_or_else(|| panic!("{name} is not installed; run `make tools`"))
}

fn parsed(page: &str) -> Vec<Sample> {
    let mut parser = Command::new(tool("python"))
        .args(["-c", PARSER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    parser
        .stdin
        .take()
        .unwrap()
        .write_all(page.as_bytes())
        .unwrap();
    let output = parser.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "Prometheus' parser refused this page (or is not installed: run `make tools`):\n{page}"
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn value(samples: &[Sample], name: &str, label: &str) -> Option<f64> {
    let matches = |sample: &&Sample| {
        sample.0 == name && (label.is_empty() || sample.1.values().any(|value| value == label))
    };
    samples.iter().find(matches).map(|sample| sample.2)
}

fn busy() -> Snapshot {
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let mut snapshot = Snapshot::new("shops/acme".parse().unwrap(), now);
    snapshot.running = Some(Running {
        sequence: Sequence::FIRST,
        manifest: Sha256::digest(b"1"),
        since: now,
        on_trial: false,
    });
    snapshot.newer = Some(Newer {
        sequence: Sequence::FIRST,
        manifest: Sha256::digest(b"2"),
        why: Why::Migration,
        detail: String::new(),
    });
    snapshot.last_success_at = Some(now);
    snapshot.store.requests = 7;
    snapshot.tamper.changed_files = 3;
    snapshot.tamper.unrepaired_files = 2;
    snapshot.tamper.last_scan_at = Some(now);
    // A name that needs escaping.
    let name = "me\"dia\\\n".to_owned();
    snapshot.mounts = vec![MountHealth {
        name,
        kind: mounts::Kind::Nfs4,
        path: "/m".into(),
        required: true,
        state: Health::Stale,
        since: now,
        detail: None,
    }];
    snapshot
}

#[test]
fn prometheus_own_parser_reads_every_declared_metric_and_no_other() {
    let metrics = Metrics::new();
    metrics.checked(CheckOutcome::Newer);
    metrics.switched(SwitchOutcome::RolledBack);
    metrics.staged(Duration::from_millis(1500));
    metrics.probed(ProbeOutcome::Failed, Duration::from_mins(1));
    metrics.busy_workers(Some(0.25));
    let page = metrics.text(&busy(), true);
    let samples = parsed(&page);
    for (name, label, expected) in [
        ("longshore_checks_total", "newer", 1.0),
        ("longshore_checks_total", "refused", 0.0),
        ("longshore_rollbacks_total", "", 1.0),
        ("longshore_staging_seconds_sum", "", 1.5),
        ("longshore_probe_seconds_count", "failed", 1.0),
        ("longshore_newer_release", "migration", 1.0),
        ("longshore_newer_release", "paused", 0.0),
        ("longshore_mount_state", "stale", 1.0),
        ("longshore_busy_workers_ratio", "", 0.25),
        (
            "longshore_last_success_timestamp_seconds",
            "",
            1_800_000_000.0,
        ),
        ("longshore_store_requests_total", "", 7.0),
        ("longshore_changed_files_total", "", 3.0),
        ("longshore_unrepaired_files", "", 2.0),
        ("longshore_last_scan_timestamp_seconds", "", 1_800_000_000.0),
        ("longshore_release_info", "shops/acme", 1.0),
        ("longshore_ready", "", 1.0),
    ] {
        assert_eq!(
            value(&samples, name, label),
            Some(expected),
            "{name} {label}\n{page}"
        );
    }
    // One for each state, in no order.
    let named = |sample: &&Sample| {
        sample
            .1
            .get("mount")
            .is_some_and(|name| name == "me\"dia\\\n")
    };
    assert_eq!(samples.iter().filter(named).count(), Health::ALL.len());
    assert!(value(&samples, "longshore_process_resident_memory_bytes", "").unwrap() > 100_000.0);

    let base = |name: &str, kind: &str| {
        let suffixes = if kind == "histogram" {
            &["_bucket", "_sum", "_count"][..]
        } else {
            &[]
        };
        suffixes
            .iter()
            .find_map(|suffix| name.strip_suffix(suffix))
            .unwrap_or(name)
            .to_owned()
    };
    let served: BTreeSet<_> = samples
        .iter()
        .map(|(name, _, _, kind)| (base(name, kind), kind.clone()))
        .collect();
    let declared: BTreeSet<_> = ALL
        .iter()
        .map(|metric| {
            (
                metric.name.to_owned(),
                format!("{:?}", metric.kind).to_lowercase(),
            )
        })
        .collect();
    assert_eq!(served, declared);
    for (name, labels, _, kind) in &samples {
        let metric = ALL
            .iter()
            .find(|metric| metric.name == base(name, kind))
            .unwrap();
        let labels: BTreeSet<_> = labels
            .keys()
            .map(String::as_str)
            .filter(|label| *label != "le")
            .collect();
        assert_eq!(labels, metric.labels.iter().copied().collect(), "{name}");
    }
}

#[test]
fn promtool_has_nothing_to_say_of_the_page() {
    let page = Metrics::new().text(&busy(), true);
    let counters: BTreeSet<_> = ALL
        .iter()
        .filter(|metric| metric.kind == Kind::Counter)
        .map(|metric| metric.name)
        .collect();
    // It reads the older format, which has no units and calls a counter by its whole name.
    let older = page
        .lines()
        .filter(|line| !line.starts_with("# UNIT") && *line != "# EOF")
        .map(|line| {
            let mut words: Vec<_> = line.splitn(4, ' ').map(str::to_owned).collect();
            if line.starts_with("# ") && counters.contains(format!("{}_total", words[2]).as_str()) {
                words[2] += "_total";
            }
            words.join(" ") + "\n"
        });
    let older: String = older.collect();
    let promtool = Command::new(tool("promtool"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut promtool = promtool.unwrap();
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(older.as_bytes())
        .unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}\n{older}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn what_is_over_leaves_the_page_and_counters_never_fall() {
    let metrics = Metrics::new();
    drop(metrics.text(&busy(), true));
    let samples = parsed(&metrics.text(
        &Snapshot::new("shops/acme".parse().unwrap(), Timestamp::now()),
        false,
    ));
    for gone in [
        "longshore_release_info",
        "longshore_mount_state",
        "longshore_last_success_timestamp_seconds",
    ] {
        assert_eq!(value(&samples, gone, ""), None);
    }
    assert_eq!(value(&samples, "longshore_ready", ""), Some(0.0));
    assert_eq!(
        value(&samples, "longshore_store_requests_total", ""),
        Some(7.0)
    );
}

#[test]
fn names_follow_the_rule() {
    for metric in ALL {
        assert!(
            metric.name.starts_with("longshore_") && metric.help.ends_with('.'),
            "{}",
            metric.name
        );
        assert_eq!(
            metric.kind == Kind::Counter,
            metric.name.ends_with("_total"),
            "{}",
            metric.name
        );
    }
}

#[test]
fn the_committed_page_says_what_the_code_does() {
    let committed = include_str!("../../../docs/metrics.md");
    assert!(
        committed == reference(),
        "docs/metrics.md is not what the code says: run `make reference`"
    );
}

#[test]
fn the_state_diagram_has_the_arrows_of_the_code_and_no_others() {
    let page = include_str!("../../../docs/release-in-a-pod.md");
    let diagram = page.split("```").nth(1).unwrap();
    let arrows = diagram.lines().filter_map(|line| line.split_once("-->"));
    let drawn: Vec<_> = arrows
        .map(|(from, to)| (from.trim(), to.split(':').next().unwrap().trim()))
        .collect();
    let (start, drawn): (Vec<_>, Vec<_>) = drawn.into_iter().partition(|(from, _)| *from == "[*]");
    assert_eq!(start, [("[*]", Phase::Idle.word())]);
    let coded = Phase::ALL
        .iter()
        .flat_map(|phase| phase.next().iter().map(|next| (phase.word(), next.word())));
    assert_eq!(
        drawn.iter().copied().collect::<BTreeSet<_>>(),
        coded.collect()
    );
    assert_eq!(
        drawn.len(),
        drawn.iter().collect::<BTreeSet<_>>().len(),
        "an arrow is drawn twice"
    );
}
