//! A thousand agents, as `make bench-watch` measures them: how soon an error is seen.

use crate::{
    agents::{Agent, agent},
    api::Api,
    many::{peak, processor},
    world::{metric, pod, program, shop, until},
};
use observe::v1::Errors;
use runtime::fixtures::free_port;
use serde_json::json;
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    process::Stdio,
    time::Duration,
};
use tokio::time::{Instant, sleep};

const AGENTS: u16 = 1000;
/// Errors that nobody had before, one after the other, each in another shop.
const NEW: u16 = 200;
const EVERY: Duration = Duration::from_millis(300);
/// From an error to its group, for 99 of 100.
const VISIBLE: Duration = Duration::from_secs(15);

fn address(number: u16) -> Ipv4Addr {
    let [high, low] = number.to_be_bytes();
    Ipv4Addr::new(127, 9, high, low)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "two minutes; make bench-watch"]
async fn errors_of_a_thousand_agents_are_seen_soon() {
    let directory = tempfile::tempdir().unwrap();
    let (api, port) = (Api::new().await, free_port());
    let listen: SocketAddr = (Ipv4Addr::LOCALHOST, free_port()).into();
    let mut agents = Vec::<Agent>::new();
    for number in 0..AGENTS {
        let name = format!("shop{number}");
        let domains = json!([{ "host": format!("{name}.example"), "primary": true }]);
        shop(&api, &name, &domains);
        pod(
            &api,
            &format!("web-{number}"),
            &format!("shop-{name}"),
            address(number),
        );
        let agent = agent(address(number), port).await;
        // Each has as many groups as an agent keeps, some of which happen again and again.
        (0..60).for_each(|group| agent.counted.lock().happens(group, 1, 3));
        agents.push(agent);
    }
    fs::write(directory.path().join("kubeconfig"), api.kubeconfig()).unwrap();
    let child = program()
        .args(["run", "--outside", "false", "--log", "warn"])
        .args([
            "--listen",
            &listen.to_string(),
            "--agent-port",
            &port.to_string(),
        ])
        .arg("--data")
        .arg(directory.path().join("data"))
        .env("KUBECONFIG", directory.path().join("kubeconfig"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let pid = child.id().unwrap();
    let errors = async |number: u16| {
        let path = format!("/v1/shops/shop{number}/errors?all=true");
        crate::world::get::<Errors>(listen, &path).await
    };
    until("all groups of the last agent", async || {
        let errors = errors(AGENTS - 1).await?;
        (errors.groups.len() == 60).then_some(())
    })
    .await;

    let (began, before) = (Instant::now(), processor(pid));
    let mut waiting = Vec::new();
    let mut took = Vec::new();
    let mut next = 0;
    while took.len() < usize::from(NEW) {
        if next < NEW && began.elapsed() >= EVERY * next.into() {
            let number = next * (AGENTS / NEW);
            agents[usize::from(number)]
                .counted
                .lock()
                .happens(1000, 2, 1);
            waiting.push((number, Instant::now()));
            next += 1;
        }
        let mut still = Vec::new();
        for (number, since) in waiting {
            let seen = errors(number).await.is_some_and(|it| it.groups.len() == 61);
            if seen {
                took.push(since.elapsed());
            } else {
                still.push((number, since));
            }
        }
        waiting = still;
        sleep(Duration::from_millis(100)).await;
    }
    let share = (processor(pid) - before) / began.elapsed().as_secs_f64();
    took.sort_unstable();
    let p99 = took[took.len() * 99 / 100];
    let lag = metric(listen, "longshore_watch_collect_lag_seconds").await;
    println!(
        "{AGENTS} agents with 60 groups each: an error is seen after {:.1} s, 99 of 100 within \
         {:.1} s; {} MiB at most, {share:.2} of a core, agents wait {:.2} s for their turn",
        took[took.len() / 2].as_secs_f64(),
        p99.as_secs_f64(),
        peak(pid),
        lag.unwrap()
    );
    assert!(p99 <= VISIBLE && peak(pid) <= 200);
}
