//! What changes below the visitors: a release with a module's upgrade, bad ones, roll backs, pods.
//! None of them notices.

use super::{
    Extent, Stage, Table,
    browser::Body,
    stage::{FIRST, LONG, facts},
    tree::Version,
};
use crate::{
    platform::Pod,
    web::{Network, Visitors},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

const SECOND: Version = Version {
    name: "r2",
    module: "2.0.0",
    fault: "",
};
/// Between these the shop goes forth and back in the end.
const THIRD: Version = Version {
    name: "r3",
    module: "2.0.0",
    fault: "",
};
const FOURTH: Version = Version {
    name: "r4",
    module: "2.0.0",
    fault: "",
};
const THROWS: Version = Version {
    name: "bad1",
    module: "2.0.0",
    fault: "throws",
};
const EMPTY: Version = Version {
    name: "bad2",
    module: "2.0.0",
    fault: "empty",
};
/// Visitors at the same time, and the pause of each.
const VISITORS: usize = 3;
const PAUSE: Duration = Duration::from_millis(50);

/// All rows of it.
pub(super) fn all(stage: &Stage<'_>, table: &mut Table, extent: Extent) {
    let mut second = 0;
    table.row(
        "release 2 with a module upgrade, under load",
        "every pod serves it on the new schema, no answer is wrong",
        || {
            second = stage.publish(SECOND, "additive")?;
            let (took, visits) = under_load(stage, || follow(stage, second, SECOND.name))?;
            let pod = stage.tenant.pods().remove(0);
            let facts = facts(&mut stage.browser(&pod), "/")?;
            let schema = [facts.get("module"), facts.get("schema")];
            if schema
                .iter()
                .any(|version| version.map(String::as_str) != Some(SECOND.module))
            {
                return Err(format!("{facts:?}"));
            }
            Ok(format!("{:.1} s, {visits}", took.as_secs_f64()))
        },
    );
    for (name, bad, told) in [
        (
            "a release that throws in every layout",
            THROWS,
            "throws in every layout",
        ),
        ("a release whose pages are empty", EMPTY, "empty"),
    ] {
        table.row(
            name,
            "rejected, no answer is wrong, and the reason is told",
            || {
                let sequence = stage.publish(bad, "none")?;
                let (status, visits) = under_load(stage, || rejected(stage, sequence))?;
                let why = stage.tenant.why();
                if !why.contains(told) && !status.to_string().contains(told) {
                    return Err(format!(
                        "{told:?} is neither in why nor on the Rollout: {why}\n{status:#}"
                    ));
                }
                stage.serve(SECOND.name)?;
                Ok(visits)
            },
        );
    }
    table.row(
        "a roll back",
        "every pod serves release 1 again in time, no answer is wrong, no container is made anew",
        || {
            let (back, before) = (stage.tenant.publish_again(stage.first), containers(stage));
            let (took, visits) = under_load(stage, || follow(stage, back, FIRST.name))?;
            unchanged(stage, &before)?;
            if took < extent.switch {
                Ok(format!("{:.1} s, {visits}", took.as_secs_f64()))
            } else {
                Err(format!("{took:?}"))
            }
        },
    );
    table.row(
        &format!(
            "{} switches and roll backs, a pod killed meanwhile",
            extent.switches
        ),
        "no answer is wrong or of two releases",
        || {
            let (took, visits) = under_load(stage, || go_forth_and_back(stage, extent.switches))?;
            Ok(format!("{:.1} s at most, {visits}", took.as_secs_f64()))
        },
    );
    table.row(
        "shop clean-cache",
        "the running release's caches are empty, and fill again",
        || clean(stage),
    );
    if extent.slow {
        table.row(
            "a changed config.values",
            "every pod shows it, no answer is wrong",
            || {
                let ((), visits) = under_load(stage, || changed(stage))?;
                Ok(visits)
            },
        );
        table.row(
            "maintenance",
            "503 for visitors, and then the shop again",
            || maintenance(stage),
        );
    }
}

/// The pods by name, with how often each of their containers was started again.
type Containers = BTreeMap<String, Vec<(String, u64)>>;

/// Whether two pods serve that are those of `before`, with none of their containers made anew.
fn unchanged(stage: &Stage<'_>, before: &Containers) -> Result<(), String> {
    let after = containers(stage);
    if *before == after && before.len() == 2 {
        Ok(())
    } else {
        Err(format!(
            "before: {before:#?}, after: {after:#?}\n{}",
            stage.tell()
        ))
    }
}

/// Those of its web pods.
fn containers(stage: &Stage<'_>) -> Containers {
    let pods = stage.tenant.list("web");
    let restarts = |pod: &Value| {
        let lists = ["initContainerStatuses", "containerStatuses"]
            .iter()
            .filter_map(|list| pod["status"][list].as_array());
        let all = lists.flatten().map(|it| {
            (
                it["name"].as_str().unwrap_or_default().to_owned(),
                it["restartCount"].as_u64().unwrap_or(u64::MAX),
            )
        });
        all.collect::<Vec<_>>()
    };
    pods.iter()
        .map(|pod| {
            (
                pod["metadata"]["name"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
                restarts(pod),
            )
        })
        .collect()
}

/// Registers a release, rolls it out, and waits until every pod serves it.
fn follow(stage: &Stage<'_>, sequence: u64, release: &str) -> Result<Duration, String> {
    stage.tenant.register(sequence);
    let begin = Instant::now();
    stage.tenant.roll_out(sequence);
    stage.serve(release)?;
    let took = begin.elapsed();
    stage
        .platform
        .rollout(&stage.tenant.release_name(sequence), LONG, |status| {
            status["phase"] == "Completed"
        });
    Ok(took)
}

/// Rolls a bad release out, and waits until that has stopped. Gives the Rollout's status.
fn rejected(stage: &Stage<'_>, sequence: u64) -> Result<Value, String> {
    stage.tenant.register(sequence);
    stage.tenant.roll_out(sequence);
    let over = |status: &Value| {
        ["Stopped", "Completed"]
            .iter()
            .any(|phase| status["phase"] == *phase)
    };
    let status = stage
        .platform
        .rollout(&stage.tenant.release_name(sequence), LONG, over);
    if status["phase"] == "Stopped" {
        Ok(status)
    } else {
        Err(format!("it was kept: {status:#}"))
    }
}

fn go_forth_and_back(stage: &Stage<'_>, switches: usize) -> Result<Duration, String> {
    let both = [
        (stage.publish(THIRD, "none")?, THIRD.name),
        (stage.publish(FOURTH, "none")?, FOURTH.name),
    ];
    let mut longest = Duration::ZERO;
    for turn in 0..switches {
        let (first, release) = both[turn % 2];
        let sequence = if turn < 2 {
            first
        } else {
            stage.tenant.publish_again(first)
        };
        if turn == 2 {
            let pod = stage.tenant.pods().remove(0);
            stage.platform.cluster.ask(&[
                "--namespace",
                &stage.tenant.namespace,
                "delete",
                "pod",
                &pod.name,
                "--wait=false",
            ]);
        }
        longest = longest.max(follow(stage, sequence, release)?);
    }
    stage.tenant.served_by(2);
    stage.serve(both[(switches - 1) % 2].1)?;
    Ok(longest)
}

/// Changes a value of the Shop, which makes its pods anew, and waits until all of them show it.
fn changed(stage: &Stage<'_>) -> Result<(), String> {
    stage.tenant.change(
        &json!({ "config": { "values": { "default/design/head/title_prefix": "Changed" } } }),
    );
    let begin = Instant::now();
    let shows = |pod: &Pod| {
        stage
            .browser(pod)
            .ask("/customer/account/login/", "", &Body::None)
            .is_ok_and(|page| page.text().contains("<title>Changed"))
    };
    while begin.elapsed() < LONG {
        let pods = stage.tenant.pods();
        if pods.len() == 2
            && pods
                .iter()
                .all(|pod| pod.ready && !pod.leaving && shows(pod))
        {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(500));
    }
    Err(format!("not every pod shows it within {LONG:?}"))
}

fn clean(stage: &Stage<'_>) -> Result<String, String> {
    let before = stage.cached();
    let said = stage.tenant.clean_cache();
    let after = stage.cached();
    if before == 0 || after >= before {
        return Err(format!(
            "{before} entries before, {after} after; it said: {said}"
        ));
    }
    for pod in stage.tenant.pods() {
        facts(&mut stage.browser(&pod), "/")?;
    }
    let filled = stage.cached();
    if filled > after {
        Ok(format!(
            "{before} entries, {after} after it, {filled} after a page"
        ))
    } else {
        Err("nothing is cached".into())
    }
}

fn maintenance(stage: &Stage<'_>) -> Result<String, String> {
    let until = |status: u16| {
        let begin = Instant::now();
        while begin.elapsed() < LONG {
            let pods = stage.tenant.pods();
            let all = pods.len() == 2 && pods.iter().all(|pod| pod.ready && !pod.leaving);
            let so = |pod| {
                stage
                    .browser(pod)
                    .ask("/", "", &Body::None)
                    .is_ok_and(|answer| answer.status == status)
            };
            if all && pods.iter().all(so) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(500));
        }
        Err(format!("not {status} within {LONG:?}"))
    };
    stage.tenant.change(&json!({ "state": "Maintenance" }));
    until(503)?;
    stage.tenant.change(&json!({ "state": "Active" }));
    until(200)?;
    Ok("503, then 200".to_owned())
}

/// Does it while visitors come, half of them from each node. Gives what it gave, and how many
/// answers there were.
///
/// # Errors
///
/// It failed, or an answer was wrong.
fn under_load<T>(
    stage: &Stage<'_>,
    work: impl FnOnce() -> Result<T, String>,
) -> Result<(T, String), String> {
    let cluster = stage.platform.cluster;
    let networks = [
        Network::Of(cluster.node_process(1)),
        Network::Of(cluster.node_process(2)),
    ];
    let (stranger, visits) = (stage.visitor(), stage.kind.visits);
    let visitors = Visitors::with(&networks, VISITORS, PAUSE, move |turn| {
        // A new visitor each time: sessions are other rows' business.
        facts(&mut stranger.clone(), visits[turn % visits.len()]).map(drop)
    });
    let done = work();
    // What still runs after it, such as connections to pods that are on their way out.
    thread::sleep(Duration::from_secs(2));
    let (count, wrong) = visitors.end();
    let done = done.map_err(|problem| {
        format!(
            "{problem}; {} of {count} answers were wrong: {:#?}",
            wrong.len(),
            wrong.first()
        )
    })?;
    if !wrong.is_empty() {
        return Err(format!(
            "{} of {count} answers: {:#?}",
            wrong.len(),
            &wrong[..wrong.len().min(5)]
        ));
    }
    if count < 20 {
        Err(format!("only {count} answers"))
    } else {
        Ok((done, format!("0 of {count} answers wrong")))
    }
}
