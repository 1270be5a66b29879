//! 10,000 domains, as `make bench-watch` measures them.

use crate::{
    api::Api,
    hosts::{nginx, write_many},
    world::{metric, program, shop, until},
};
use runtime::fixtures::free_port;
use serde_json::{Value, json};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    process::Stdio,
    time::Duration,
};
use tokio::time::sleep;

const SHOPS: usize = 100;
const OF_EACH: usize = 100;
/// How long it is measured, after a minute to begin.
const MEASURED: Duration = Duration::from_mins(2);

/// Seconds of processor time of a process.
pub fn processor(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

/// The most memory that a process had, in MiB.
pub fn peak(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
    let kib = line.unwrap().split_whitespace().next().unwrap();
    kib.parse::<u64>().unwrap() / 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "three minutes; make bench-watch"]
async fn ten_thousand_domains_are_probed_each_minute_on_time() {
    let directory = tempfile::tempdir().unwrap();
    let (api, port) = (Api::new().await, free_port());
    let listen: SocketAddr = (Ipv4Addr::LOCALHOST, free_port()).into();
    write_many(directory.path(), port);
    let _server = nginx(directory.path());
    for name in 0..SHOPS {
        let host = |it: usize| json!({ "host": format!("shop{name}-{it}.many.example") });
        let domains: Vec<_> = (0..OF_EACH).map(host).collect();
        shop(&api, &format!("shop{name}"), &Value::from(domains));
    }
    fs::write(directory.path().join("kubeconfig"), api.kubeconfig()).unwrap();
    let child = program()
        .args(["run", "--outside", "false", "--log", "warn"])
        .args([
            "--edge",
            &format!("127.0.0.1:{port}"),
            "--listen",
            &listen.to_string(),
        ])
        .arg("--data")
        .arg(directory.path().join("data"))
        .arg("--authority")
        .arg(directory.path().join("root.pem"))
        .env("KUBECONFIG", directory.path().join("kubeconfig"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let pid = child.id().unwrap();
    let of = async |line: &str| metric(listen, line).await.unwrap();
    until("shops", async || {
        metric(listen, "longshore_watch_shops")
            .await
            .filter(|it| *it >= 100.0)
    })
    .await;
    sleep(Duration::from_mins(1)).await;
    let (before, mut worst) = (processor(pid), 0_f64);
    for _ in 0..MEASURED.as_secs() / 10 {
        sleep(Duration::from_secs(10)).await;
        worst = worst.max(of("longshore_watch_probe_lag_seconds").await);
    }
    let share = (processor(pid) - before) / MEASURED.as_secs_f64();
    let (hosts, down, skipped) = (
        of("longshore_watch_hosts{vantage=\"inside\"}").await,
        of("longshore_watch_hosts_down{vantage=\"inside\"}").await,
        of("longshore_watch_probes_skipped_total").await,
    );
    println!(
        "{hosts} domains: lag p99 {worst} s, {} MiB at most, {share:.2} of a core, {down} down, \
         {skipped} skipped",
        peak(pid)
    );
    assert!(hosts >= 10_000.0 && down < 1.0 && skipped < 1.0);
    assert!(worst <= 1.0 && peak(pid) <= 200 && share <= 1.0);
}
