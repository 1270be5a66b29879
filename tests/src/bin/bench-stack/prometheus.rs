//! Prometheus with a fleet and all rules of the chart.

use super::{Arguments, played, usage};
use e2e::{
    figures::{bytes, count, table, time},
    peers::required,
    process::{Program, Running},
    shop::scratch,
};
use runtime::fixtures::free_port;
use serde_json::{Value, json};
use std::{
    error::Error,
    fs,
    io::{self, Write as _},
    path::Path,
    thread,
    time::{Duration, Instant},
};

const RULES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../manifests/chart/files/alerts"
);
/// Of rules that say that what is not played is missing.
const PLAYED: [&str; 2] = ["agent", "shops"];

pub(crate) fn measure(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let (scratch, fleet) = (scratch(), played::serve(arguments.shops)?);
    let rules = PLAYED.map(|name| format!("{RULES}/{name}.yaml"));
    let address = format!("127.0.0.1:{}", free_port());
    let agents = (0..arguments.pods).map(|pod| {
        let shop = pod % arguments.shops;
        json!({ "targets": [fleet.to_string()], "labels": {
            "__metrics_path__": format!("/agent/{pod}"), "instance": format!("10.1.0.0:{pod}"),
            "container": "agent", "namespace": format!("shop-shop-{shop}"),
            "pod": format!("web-5d9f7c6b8-{pod:05}"), "shop": format!("shop-{shop}"),
        } })
    });
    let configuration = json!({
        "global": {
            "scrape_interval": format!("{}s", arguments.interval),
            "scrape_timeout": format!("{}s", arguments.interval.min(10)),
            "evaluation_interval": format!("{}s", arguments.interval),
        },
        "rule_files": rules,
        "scrape_configs": [
            { "job_name": "longshore-watch", "metrics_path": "/watch",
              "static_configs": [{ "targets": [fleet.to_string()] }] },
            { "job_name": "longshore-prometheus", "static_configs": [{ "targets": [address] }] },
            { "job_name": "longshore-agent", "static_configs": agents.collect::<Vec<_>>() },
        ],
    });
    let file = scratch.path().join("prometheus.yaml");
    fs::write(&file, configuration.to_string())?;
    let lasts = Duration::from_secs(60 * arguments.minutes);
    let prometheus = start(scratch.path(), &file, &address, lasts)?;
    let begin = Instant::now();
    thread::sleep(lasts);
    let used = usage(prometheus.pid())?;
    let number = |query: &str| ask(&address, query);
    let series = number("prometheus_tsdb_head_series");
    let failed = number("sum(prometheus_rule_evaluation_failures_total)");
    let slowest = number("max(prometheus_rule_group_last_duration_seconds)");
    let missed = number("sum(prometheus_rule_group_iterations_missed_total)");
    let silent = number("count(up == 0) or vector(0)");
    let rows = [
        ("shops", count(arguments.shops as u64)),
        ("pods", count(arguments.pods as u64)),
        ("minutes", arguments.minutes.to_string()),
        ("asked each", format!("{} s", arguments.interval)),
        ("series", series),
        ("memory at the end", bytes(used.resident)),
        ("memory at most", bytes(used.peak)),
        (
            "processor",
            format!(
                "{:.2} of a core",
                used.processor.as_secs_f64() / begin.elapsed().as_secs_f64()
            ),
        ),
        ("slowest group of rules, in seconds", slowest),
        ("rules that failed", failed),
        ("evaluations that were missed", missed),
        ("targets that do not answer", silent),
        ("disk", bytes(size(scratch.path())?)),
        ("took", time(begin.elapsed())),
    ];
    let rows = rows.map(|(what, value)| vec![what.to_owned(), value]);
    writeln!(
        io::stdout(),
        "Prometheus\n{}",
        table(&["what", "value"], &[1], &rows)
    )?;
    Ok(())
}

fn start(directory: &Path, file: &Path, address: &str, lasts: Duration) -> Result<Running, String> {
    let prometheus = Program::new(required("prometheus"))
        .arg(format!("--config.file={}", file.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            directory.join("data").display()
        ))
        .arg(format!("--web.listen-address={address}"))
        .deadline(lasts * 2 + Duration::from_mins(5))
        .start();
    let begin = Instant::now();
    while std::net::TcpStream::connect(address).is_err() {
        if begin.elapsed() > Duration::from_mins(1) {
            return Err(format!("{:#?}", prometheus.kill_after(Duration::ZERO)));
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(prometheus)
}

/// What a query gives, as it says it.
fn ask(address: &str, query: &str) -> String {
    let (url, query) = (
        format!("http://{address}/api/v1/query"),
        format!("query={query}"),
    );
    let words = ["--silent", "--data-urlencode", &query, &url];
    let answer = Program::new("curl").args(words).run().stdout;
    let parsed: Value = serde_json::from_str(&answer).unwrap_or_default();
    let value = parsed["data"]["result"][0]["value"][1].as_str();
    value.unwrap_or("not known").to_owned()
}

/// Bytes of all files below, but for those that go meanwhile.
pub(crate) fn size(directory: &Path) -> io::Result<u64> {
    let there = |result: io::Result<u64>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        result => result,
    };
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let sizes = entries.map(|entry| {
        let entry = entry?;
        let found = entry.metadata()?;
        if found.is_dir() {
            size(&entry.path())
        } else {
            Ok(found.len())
        }
    });
    sizes.map(there).sum()
}
