//! Who said what to a rollout, for the record: its last fifty entries are in its status.

use api::{Act, Phase, Rollout};
use client::{ApiError, Cluster};
use jiff::Timestamp;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::json;
use std::io::{self, Write as _};

/// Entries that are kept; the oldest goes first.
const KEPT: usize = 50;
/// How often it is tried where the scheduler writes at the same moment.
const TRIES: usize = 5;

/// Who acts, and why.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct By {
    /// Your name, for the record; otherwise the user of this session
    #[arg(long, env = "USER", default_value = "unknown")]
    pub(super) by: String,
    /// The reason, for the record
    #[arg(long, default_value = "")]
    pub(super) why: String,
}

/// Records that this was done. What was done stays done where that fails: an entry is no reason to
/// keep somebody from stopping a rollout.
pub(super) async fn note(cluster: &Cluster, rollout: &str, what: &str, by: &str, why: &str) {
    if let Err(error) = add(cluster, rollout, what, by, why).await {
        // A terminal that went away has nobody to be told.
        writeln!(
            io::stderr(),
            "rollout {rollout}: {what} is not recorded in its history: {}",
            runtime::Chain(&error)
        )
        .ok();
    }
}

/// The same for every rollout that is not over.
pub(super) async fn note_all(
    cluster: &Cluster,
    what: &str,
    by: &str,
    why: &str,
) -> Result<(), ApiError> {
    let api: Api<Rollout> = Api::all(cluster.client());
    let params = ListParams::default();
    let found = cluster.call("list rollouts", || api.list(&params)).await?;
    let open = |rollout: &&Rollout| {
        !matches!(
            rollout.status.as_ref().and_then(|status| status.phase),
            Some(Phase::Completed | Phase::Aborted)
        )
    };
    for rollout in found.items.iter().filter(open) {
        note(
            cluster,
            rollout.metadata.name.as_deref().unwrap_or_default(),
            what,
            by,
            why,
        )
        .await;
    }
    Ok(())
}

async fn add(
    cluster: &Cluster,
    rollout: &str,
    what: &str,
    by: &str,
    why: &str,
) -> Result<(), ApiError> {
    let api: Api<Rollout> = Api::all(cluster.client());
    let (called, params) = (
        format!("record in Rollout {rollout}"),
        PatchParams::default(),
    );
    let mut tries = 0;
    loop {
        let found = cluster.call(&called, || api.get(rollout)).await?;
        let act = Act {
            at: Timestamp::now().to_string(),
            by: cut(by, 253),
            what: what.to_owned(),
            why: cut(why, 1000),
        };
        let history = with(
            found
                .status
                .map(|status| status.history)
                .unwrap_or_default(),
            act,
        );
        // The version makes it fail if somebody wrote in between.
        let patch = Patch::Merge(
            json!({ "metadata": { "resourceVersion": found.metadata.resource_version }, "status": { "history": history } }),
        );
        tries += 1;
        match cluster
            .once(&called, || async {
                api.patch_status(rollout, &params, &patch).await.map(drop)
            })
            .await
        {
            Err(ApiError::Refused { status, .. }) if status.code == 409 && tries < TRIES => {}
            other => return other,
        }
    }
}

fn cut(text: &str, length: usize) -> String {
    text.chars().take(length).collect()
}

fn with(mut history: Vec<Act>, act: Act) -> Vec<Act> {
    history.push(act);
    history.drain(..history.len().saturating_sub(KEPT));
    history
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifty_entries_are_kept_and_the_oldest_goes() {
        let act = |number: usize| Act {
            at: "2026-11-23T12:00:00Z".into(),
            by: "anna".into(),
            what: "paused".into(),
            why: number.to_string(),
        };
        let history = (0..60).fold(Vec::new(), |history, number| with(history, act(number)));
        assert_eq!(
            (
                history.len(),
                history[0].why.as_str(),
                history[49].why.as_str()
            ),
            (50, "10", "59")
        );
        assert_eq!(
            history[0].line(),
            "paused by anna at 2026-11-23T12:00:00Z: 10"
        );
    }
}
