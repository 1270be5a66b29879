//! What agents say, and what is answered of it.

use crate::{
    agents::{Hostile, agent, hostile},
    api::Api,
    world::{Program, ask, get, metric, pod, settings, shop, until},
};
use observe::v1::{ErrorGroup, Problem, Shops, State};
use runtime::fixtures::free_port;
use serde_json::json;
use std::{net::Ipv4Addr, time::Duration};
use tokio::time::{Instant, sleep};

const OURS: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 1);

fn counts(groups: &[ErrorGroup]) -> u64 {
    groups
        .iter()
        .flat_map(|it| &it.releases)
        .map(|it| it.count)
        .sum()
}

fn domains(host: &str) -> serde_json::Value {
    json!([{ "host": host, "primary": true }])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_are_seen_soon_and_counted_once_whatever_is_lost_or_starts_anew() {
    let (api, port) = (Api::new().await, free_port());
    shop(&api, "acme", &domains("www.acme.example"));
    pod(&api, "web-0", "shop-acme", OURS);
    let agent = agent(OURS, port).await;
    let directory = tempfile::tempdir().unwrap();
    let program = Program::begin(&api, settings(directory.path(), port)).await;
    agent.counted.lock().happens(1, 7, 3);
    let happened = Instant::now();
    let errors = until("a group", async || {
        program
            .errors("acme")
            .await
            .filter(|it| !it.groups.is_empty())
    });
    let errors = errors.await;
    // Here an agent is asked each 200 ms, and in a cluster each 5 s.
    assert!(
        happened.elapsed() < Duration::from_secs(3),
        "{:?}",
        happened.elapsed()
    );
    assert!(errors.as_of.is_some());
    assert_eq!(
        (errors.groups[0].message.as_str(), counts(&errors.groups)),
        ("Error number 1", 3)
    );

    let sum = async |program: &Program, expected: u64| {
        until(&format!("{expected} events"), async || {
            let errors = program.errors("acme").await?;
            assert!(counts(&errors.groups) <= expected, "{errors:?}");
            (counts(&errors.groups) == expected).then_some(())
        })
        .await;
    };
    // Answers are lost on their way.
    agent.counted.lock().lose = 2;
    agent.counted.lock().happens(1, 7, 2);
    sum(&program, 5).await;
    // The program starts anew, and is told everything again.
    program.end().await;
    let program = Program::begin(&api, settings(directory.path(), port)).await;
    agent.counted.lock().happens(2, 7, 1);
    sum(&program, 6).await;
    // The agent starts anew.
    agent.counted.lock().restarts("r2");
    agent.counted.lock().happens(1, 8, 4);
    sum(&program, 10).await;
    let asked = agent.counted.lock().asked;
    until("more questions", async || {
        (agent.counted.lock().asked > asked + 5).then_some(())
    })
    .await;
    sum(&program, 10).await;
    program.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_agents_change_nothing_for_others_and_speak_for_no_other_shop() {
    let (api, port) = (Api::new().await, free_port());
    shop(&api, "acme", &domains("www.acme.example"));
    shop(&api, "evil", &domains("www.evil.example"));
    pod(&api, "web-0", "shop-acme", OURS);
    let agent = agent(OURS, port).await;
    let mut held = Vec::new();
    for (what, place) in Hostile::ALL.into_iter().zip(1..) {
        let address = Ipv4Addr::new(127, 0, 2, place);
        held.push(hostile(what, address, port).await);
        pod(&api, &format!("evil-{place}"), "shop-evil", address);
    }
    // In a namespace that is no shop's.
    let stranger = Ipv4Addr::new(127, 0, 3, 1);
    let other = crate::agents::agent(stranger, port).await;
    other.counted.lock().happens(9, 1, 1);
    pod(&api, "stranger", "default", stranger);
    let directory = tempfile::tempdir().unwrap();
    let program = Program::begin(&api, settings(directory.path(), port)).await;
    for round in 1..=5 {
        agent.counted.lock().happens(1, 7, 1);
        until("ours", async || {
            let errors = program.errors("acme").await?;
            (counts(&errors.groups) == round).then_some(())
        })
        .await;
    }
    for why in ["large", "json", "count", "text", "entries"] {
        until(why, async || {
            let line = format!("longshore_watch_pages_refused_total{{why=\"{why}\"}}");
            metric(program.address, &line).await.filter(|it| *it >= 1.0)
        })
        .await;
    }
    until("failures", async || {
        let failed = metric(program.address, "longshore_watch_collect_failures_total").await?;
        (failed >= 3.0).then_some(())
    })
    .await;
    assert_eq!(program.errors("evil").await.unwrap().groups, []);
    assert_eq!(other.counted.lock().asked, 0);
    let memory = runtime::resident_memory().unwrap_or(0);
    assert!(memory < 256 << 20, "{memory} bytes");
    program.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_say_what_becomes_of_a_group_and_the_api_says_what_it_does_not_take() {
    let (api, port) = (Api::new().await, free_port());
    shop(&api, "acme", &domains("www.acme.example"));
    pod(&api, "web-0", "shop-acme", OURS);
    let agent = agent(OURS, port).await;
    agent.counted.lock().happens(1, 7, 1);
    let directory = tempfile::tempdir().unwrap();
    let program = Program::begin(&api, settings(directory.path(), port)).await;
    let found = until("a group", async || {
        program.errors("acme").await?.groups.pop()
    })
    .await;
    let path = format!("/v1/shops/acme/errors/{}/state", found.fingerprint);
    let put = async |path: &str, body: &str| {
        ask(program.address, "PUT", path, body.to_owned())
            .await
            .unwrap()
    };
    let (code, body) = put(&path, "{\"state\":\"resolved\"}").await;
    let group: ErrorGroup = serde_json::from_str(&body).unwrap();
    assert_eq!((code, group.state), (200, State::Resolved));
    let shops: Shops = get(program.address, "/v1/shops").await.unwrap();
    assert_eq!(
        (shops.shops[0].shop.as_str(), shops.shops[0].open.len()),
        ("acme", 0)
    );
    agent.counted.lock().happens(1, 8, 1);
    let back = until("it is back", async || {
        let group = program.errors("acme").await?.groups.pop()?;
        (group.state == State::Open).then_some(group)
    });
    assert_eq!(back.await.back_since, Some(8));
    let shops: Shops = get(program.address, "/v1/shops").await.unwrap();
    assert_eq!(
        shops.shops[0].problem.as_deref(),
        Some("one fatal error is open")
    );

    let large = format!("{{\"state\":\"open\"{}}}", " ".repeat(5000));
    for (method, path, body, expected) in [
        ("GET", "/v1/shops/nobody/errors", "", 404),
        ("GET", "/v1/shops/nobody/uptime", "", 404),
        ("GET", "/v1/nothing", "", 404),
        ("POST", "/v1/shops", "", 405),
        ("GET", "/v1/shops/acme/errors?x=1", "", 400),
        ("PUT", path.as_str(), "", 400),
        ("PUT", path.as_str(), "{\"state\":\"gone\"}", 400),
        ("PUT", path.as_str(), "{\"state\":\"open\",\"why\":1}", 400),
        ("PUT", path.as_str(), large.as_str(), 413),
        (
            "PUT",
            "/v1/shops/acme/errors/00000000000000aa/state",
            "{\"state\":\"open\"}",
            404,
        ),
        (
            "PUT",
            "/v1/shops/acme/errors/aa/state",
            "{\"state\":\"open\"}",
            400,
        ),
    ] {
        let (code, answer) = ask(program.address, method, path, body.to_owned())
            .await
            .unwrap();
        let problem: Problem = serde_json::from_str(&answer).unwrap();
        assert_eq!(code, expected, "{method} {path}: {problem:?}");
        assert!(!problem.problem.is_empty());
    }
    for path in ["/livez", "/readyz"] {
        assert_eq!(
            ask(program.address, "GET", path, "").await,
            Some((200, "ok\n".to_owned()))
        );
    }
    program.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_lost_or_damaged_is_begun_anew_and_agents_say_what_they_have() {
    let (api, port) = (Api::new().await, free_port());
    shop(&api, "acme", &domains("www.acme.example"));
    pod(&api, "web-0", "shop-acme", OURS);
    let agent = agent(OURS, port).await;
    agent.counted.lock().happens(1, 7, 3);
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("watch.db"), "junk".repeat(4096)).unwrap();
    let program = Program::begin(&api, settings(directory.path(), port)).await;
    let found = until("a group", async || {
        program.errors("acme").await?.groups.pop()
    })
    .await;
    assert_eq!(counts(&[found]), 3);
    let rebuilt = metric(program.address, "longshore_watch_store_rebuilt_total").await;
    assert_eq!(rebuilt, Some(1.0));
    program.end().await;
    sleep(Duration::from_millis(10)).await;
    std::fs::remove_file(directory.path().join("watch.db")).unwrap();
    let program = Program::begin(&api, settings(directory.path(), port)).await;
    let found = until("a group", async || {
        program.errors("acme").await?.groups.pop()
    })
    .await;
    assert_eq!(counts(&[found]), 3);
    program.end().await;
}
