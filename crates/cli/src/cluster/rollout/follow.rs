//! Waiting for a rollout's end, for who starts one and must know what became of it, such as CI.

use crate::cluster::ClusterError;
use api::{Phase, Rollout};
use client::Cluster;
use operations::rollout::found;
use std::{
    io::{self, Write as _},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// How often it is looked at: as often as it is decided on.
const EVERY: Duration = Duration::from_secs(2);
/// Failed shops that are named.
const NAMED: usize = 10;

/// Waits until the rollout has ended, and tells on standard error how it goes.
///
/// # Errors
///
/// If it does not end well, or not within the time; it goes on then, or stays as it is. If it
/// cannot be asked for.
pub(super) async fn follow(
    cluster: &Cluster,
    name: &str,
    within: Duration,
) -> Result<(), ClusterError> {
    let (deadline, mut told) = (Instant::now() + within, String::new());
    loop {
        let rollout = found(cluster, name).await?;
        let line = line(name, &rollout);
        if line != told {
            // A terminal that went away has nobody to be told.
            writeln!(io::stderr(), "{line}").ok();
            told = line;
        }
        match end(name, &rollout) {
            Some(ended) => return ended,
            None if Instant::now() >= deadline => {
                let why = format!(
                    "rollout {name} has not ended within {within:?}, and goes on; say `rollout \
                     status {name}` to look at it"
                );
                return Err(ClusterError::Rollout(why));
            }
            None => sleep(EVERY).await,
        }
    }
}

/// How a rollout ended, once it has: where shops failed within the budget, too, it did not do what
/// was asked of it.
fn end(name: &str, rollout: &Rollout) -> Option<Result<(), ClusterError>> {
    type Error = fn(String) -> ClusterError;
    let status = rollout.status.as_ref()?;
    let (error, what, then): (Error, _, _) = match status.phase? {
        Phase::Completed if status.counts.failed == 0 => return Some(Ok(())),
        Phase::Completed => (
            ClusterError::RolloutPartly,
            "completed, and shops failed",
            String::new(),
        ),
        Phase::Stopped => (
            ClusterError::RolloutFailed,
            "stopped",
            format!("; say `rollout resume {name}` or `rollout abort {name}`"),
        ),
        Phase::Aborted => (ClusterError::RolloutFailed, "was aborted", String::new()),
        // A person who pauses means to go on.
        Phase::Pending | Phase::Moving | Phase::Soaking | Phase::Paused | Phase::Returning => {
            return None;
        }
    };
    let mut failed: Vec<_> = status
        .failed
        .iter()
        .take(NAMED)
        .map(|failed| format!("\n  {}: {}", failed.shop, failed.why))
        .collect();
    let more = (status.counts.failed as usize).saturating_sub(failed.len());
    if more > 0 && !failed.is_empty() {
        failed.push(format!(
            "\n  … and {more} more: `longshore rollout status {name}`"
        ));
    }
    let counts = &status.counts;
    let so_far = format!(
        "{} of {} shops done, {} failed, {} back",
        counts.done, counts.all, counts.failed, counts.returned
    );
    Some(Err(error(format!(
        "rollout {name} {what}: {so_far}{then}{}",
        failed.concat()
    ))))
}

/// How it goes, in a line.
fn line(name: &str, rollout: &Rollout) -> String {
    let status = rollout.status.clone().unwrap_or_default();
    let (phase, counts) = (status.phase.unwrap_or(Phase::Pending), &status.counts);
    let why = status
        .conditions
        .iter()
        .find(|condition| condition.kind == "Progressing")
        .map_or("", |condition| condition.message.as_str());
    let colon = if why.is_empty() { "" } else { "; " };
    format!(
        "rollout {name} {phase:?}: {} of {} shops done, {} failed{colon}{why}",
        counts.done, counts.all, counts.failed
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Request, Response};
    use kube::{Client, client::Body};
    use serde_json::{Value, json};
    use std::{
        convert::Infallible,
        sync::{Arc, Mutex},
    };

    /// An API server whose rollout is in these phases, one look after another; the last one stays.
    fn cluster(phases: &[&str], failed: u32) -> (Cluster, Arc<Mutex<usize>>) {
        let phases: Vec<String> = phases.iter().map(|phase| (*phase).to_owned()).collect();
        let looks = Arc::new(Mutex::new(0));
        let seen = Arc::clone(&looks);
        let serve = tower::service_fn(move |_request: Request<Body>| {
            let mut looks = seen.lock().unwrap();
            let phase = phases[(*looks).min(phases.len() - 1)].clone();
            *looks += 1;
            let status: Value = if phase == "none" {
                Value::Null
            } else {
                let shops = json!({ "all": 3, "done": 3 - failed, "moving": 0, "waiting": 0, "failed": failed, "returned": 0 });
                json!({ "phase": phase, "counts": shops, "failed": [{ "shop": "acme", "why": "probe: 503" }] })
            };
            let spec =
                json!({ "release": "shops-acme-43", "waves": [{ "percent": 100, "soak": "1m" }] });
            let rollout = json!({ "apiVersion": "longshore.dev/v1alpha1", "kind": "Rollout", "metadata": { "name": "r" }, "spec": spec, "status": status });
            let response = Response::builder().body(Body::from(rollout.to_string().into_bytes()));
            async move { Ok::<_, Infallible>(response.expect("a response")) }
        });
        (Cluster::over(Client::new(serve, "default")), looks)
    }

    async fn ends(phases: &[&str], failed: u32) -> (Result<(), String>, u8, usize) {
        let (cluster, looks) = cluster(phases, failed);
        let result = follow(&cluster, "r", Duration::from_mins(10)).await;
        let looks = *looks.lock().unwrap();
        let code = result
            .as_ref()
            .map_or_else(|error| error.reason().trouble().exit_code(), |()| 0);
        (result.map_err(|error| error.to_string()), code, looks)
    }

    #[tokio::test(start_paused = true)]
    async fn it_waits_for_the_end_and_says_how_that_was() {
        let whole = [
            "none",
            "Pending",
            "Moving",
            "Soaking",
            "Paused",
            "Moving",
            "Completed",
        ];
        assert_eq!(ends(&whole, 0).await, (Ok(()), 0, whole.len()));
        for (phases, failed, says, expected) in [
            (
                &["Moving", "Completed"][..],
                1,
                "rollout r completed, and shops failed: 2 of 3 shops done, 1 failed, 0 back\n  \
                 acme: probe: 503",
                80,
            ),
            (
                &["Moving", "Returning", "Stopped"],
                2,
                "rollout r stopped: 1 of 3 shops done, 2 failed, 0 back; say `rollout resume r` or",
                81,
            ),
            (&["Returning", "Aborted"], 0, "rollout r was aborted", 81),
        ] {
            let (result, code, looks) = ends(phases, failed).await;
            assert!(
                result.as_ref().is_err_and(|why| why.starts_with(says)),
                "{result:?}"
            );
            assert!(
                failed < 2
                    || result.is_err_and(|why| why.ends_with(
                        "\n  acme: probe: 503\n  … and 1 more: `longshore rollout status r`"
                    ))
            );
            assert_eq!((code, looks), (expected, phases.len()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_does_not_wait_for_ever() {
        let (result, code, looks) = ends(&["Moving"], 0).await;
        assert!(
            result
                .unwrap_err()
                .starts_with("rollout r has not ended within 600s, and goes on")
        );
        assert_eq!((code, looks), (75, 301));
    }
}
