//! The real binary, killed at any moment.

use crate::{
    agents::agent,
    api::Api,
    world::{get, pod, program, shop, until},
};
use observe::v1::Errors;
use parking_lot::Mutex;
use runtime::fixtures::free_port;
use serde_json::json;
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Stdio,
    time::Duration,
};
use tokio::{process::Child, time::sleep};

const PLACES: [Ipv4Addr; 3] = [
    Ipv4Addr::new(127, 0, 4, 1),
    Ipv4Addr::new(127, 0, 4, 2),
    Ipv4Addr::new(127, 0, 4, 3),
];

fn begin(directory: &Path, agents: u16, listen: SocketAddr) -> Child {
    program()
        .args(["run", "--outside", "false", "--log", "warn"])
        .arg("--data")
        .arg(directory.join("data"))
        .args([
            "--listen",
            &listen.to_string(),
            "--agent-port",
            &agents.to_string(),
        ])
        .args(["--collect-seconds", "1"])
        .env("KUBECONFIG", directory.join("kubeconfig"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Events that were counted, by group.
fn counted(errors: &Errors) -> BTreeMap<u64, u64> {
    let groups = errors.groups.iter();
    groups
        .map(|it| {
            (
                it.fingerprint.into(),
                it.releases.iter().map(|it| it.count).sum(),
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_it_loses_nothing_that_was_told_and_counts_nothing_twice() {
    let (api, agents) = (Api::new().await, free_port());
    let listen: SocketAddr = (Ipv4Addr::LOCALHOST, free_port()).into();
    shop(
        &api,
        "acme",
        &json!([{ "host": "www.acme.example", "primary": true }]),
    );
    let mut held = Vec::new();
    for (place, name) in PLACES.into_iter().zip(["web-0", "web-1", "web-2"]) {
        pod(&api, name, "shop-acme", place);
        held.push(agent(place, agents).await);
    }
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("kubeconfig"), api.kubeconfig()).unwrap();
    let (mut happened, told) = (BTreeMap::<u64, u64>::new(), Mutex::new(BTreeMap::new()));
    let mut happen = |round: u64| {
        for (agent, place) in held.iter().zip(0..) {
            for name in 0..8 {
                let (name, times) = ((round + name + place) % 24, 1 + name % 3);
                agent.counted.lock().happens(name, 1 + round / 10, times);
                *happened.entry(name).or_default() += times;
            }
        }
        happened.clone()
    };
    let path = "/v1/shops/acme/errors?all=true";
    let mut answers = 0;
    for round in 0..10_u64 {
        let mut child = begin(directory.path(), agents, listen);
        // From before its first question to amid many.
        let moment = Duration::from_millis(500 + 617 * round % 3000);
        let killed = async {
            sleep(moment).await;
            child.kill().await.unwrap();
        };
        let asked = async {
            loop {
                happen(round);
                if let Some(errors) = get::<Errors>(listen, path).await {
                    answers += u32::from(!errors.groups.is_empty());
                    for (name, count) in counted(&errors) {
                        let before = told.lock().insert(name, count);
                        assert!(before.is_none_or(|it| it <= count), "{name} lost");
                    }
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = killed => {}
            () = asked => {}
        }
    }
    assert!(answers > 10, "{answers}");
    let told = told.into_inner();
    let all = happen(99);
    let mut child = begin(directory.path(), agents, listen);
    until("all that happened, and no more", async || {
        let found = counted(&get::<Errors>(listen, path).await?);
        for (name, count) in &found {
            assert!(*count <= all[name], "{name} twice: {found:?} {all:?}");
            assert!(told.get(name).is_none_or(|it| it <= count), "{name} lost");
        }
        (found == all).then_some(())
    })
    .await;
    child.kill().await.unwrap();
}
