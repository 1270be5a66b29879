//! Packets that are lost between the prober and the edge.

use crate::{
    api::Api,
    hosts::{nginx, write_many},
    world::{Program, settings, shop, until},
};
use runtime::fixtures::free_port;
use serde_json::{Value, json};
use std::{env, process::Command, time::Duration};
use tokio::time::{Instant, sleep};
use watch::{Pace, Settings};

/// Domains of each of two shops.
const DOMAINS: u64 = 100;
/// How often each is probed. Probes know nothing of each other, so those of an hour may be made in
/// two minutes; `PROBE_SECONDS=60` makes it the hour.
const PROBE_SECONDS: u64 = 2;
/// As many as a minute's pace makes of one shop's domains in an hour.
const PROBES: u64 = 60 * DOMAINS;

/// Drops two of a hundred packets of a port, both ways, while it is held.
struct Loss(String);

impl Loss {
    fn begin(port: u16) -> Self {
        let table = format!("longshore_watch_{port}");
        let rule =
            |side: &str| format!("tcp {side} {port} numgen random mod 100 lt 2 counter drop");
        nft(&format!("add table inet {table}"));
        nft(&format!(
            "add chain inet {table} lost {{ type filter hook input priority 0; }}"
        ));
        for side in ["dport", "sport"] {
            nft(&format!("add rule inet {table} lost {}", rule(side)));
        }
        Self(table)
    }

    /// Packets that were dropped.
    fn lost(&self) -> u64 {
        let listed = nft(&format!("list table inet {}", self.0));
        let counts = listed.split("packets ").skip(1);
        counts
            .map(|it| it.split(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    }
}

impl Drop for Loss {
    fn drop(&mut self) {
        nft(&format!("delete table inet {}", self.0));
    }
}

fn nft(command: &str) -> String {
    let done = Command::new("/usr/sbin/nft").arg(command).output().unwrap();
    assert!(
        done.status.success(),
        "{command}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8(done.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root, and nft of the kernel; PROBE_SECONDS minutes, which is 2: make bench-watch"]
async fn two_lost_packets_in_a_hundred_are_no_incident() {
    let seconds = env::var("PROBE_SECONDS").map_or(PROBE_SECONDS, |it| it.parse().unwrap());
    let every = Duration::from_secs(seconds);
    let directory = tempfile::tempdir().unwrap();
    let (api, port) = (Api::new().await, free_port());
    write_many(directory.path(), port);
    let _server = nginx(directory.path());
    for name in ["a", "b"] {
        let domains = (0..DOMAINS).map(|it| json!({ "host": format!("{name}{it}.many.example") }));
        shop(&api, name, &Value::from(domains.collect::<Vec<_>>()));
    }
    let settings = Settings {
        edge: Some(format!("127.0.0.1:{port}")),
        authority: Some(directory.path().join("root.pem")),
        pace: Pace {
            probe: every,
            ..Pace::default()
        },
        ..settings(&directory.path().join("data"), 1)
    };
    until("nginx", async || {
        tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .ok()
    })
    .await;
    let loss = Loss::begin(port);
    let program = Program::begin(&api, settings).await;
    let began = Instant::now();
    loop {
        sleep(Duration::from_secs(1)).await;
        let (mut probes, mut up) = (0, 0.0);
        for name in ["a", "b"] {
            let uptime = program.uptime(name).await;
            let months = uptime.iter().flat_map(|it| &it.months);
            for month in months {
                probes += month.probes;
                up += month.up / 2.0;
            }
            let incidents = uptime.iter().flat_map(|it| &it.incidents);
            assert_eq!(
                incidents.collect::<Vec<_>>(),
                Vec::<&observe::v1::Incident>::new()
            );
        }
        if probes >= 2 * PROBES {
            assert!((up - 1.0).abs() < f64::EPSILON, "{up}");
            println!(
                "{probes} probes in {:.0?}, {} packets lost, no incident",
                began.elapsed(),
                loss.lost()
            );
            break;
        }
        assert!(began.elapsed() < 150 * every, "{probes} probes");
    }
    assert!(loss.lost() > 1000, "{}", loss.lost());
    program.end().await;
}
