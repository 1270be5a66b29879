//! Who said what to a rollout, for the record: its last fifty entries are in its status.

use crate::Who;
use api::{Act, Rollout};
use client::{ApiError, Cluster};
use jiff::Timestamp;
use kube::api::{Api, ListParams, Patch, PatchParams};
use plan::rollout::over;
use serde_json::json;

/// Entries that are kept; the oldest goes first.
const KEPT: usize = 50;
/// How often it is tried where the scheduler writes at the same moment.
const TRIES: usize = 5;

/// Records that this was done. What was done stays done if that fails: an entry is no reason to
/// keep somebody from stopping a rollout. So a failure is a warning.
pub(crate) async fn note(cluster: &Cluster, rollout: &str, what: &str, who: &Who) -> Vec<String> {
    match add(cluster, rollout, what, who).await {
        Ok(()) => Vec::new(),
        Err(error) => vec![format!(
            "rollout {rollout}: {what} is not recorded in its history: {}",
            runtime::Chain(&error)
        )],
    }
}

/// The same for every rollout that is not over.
pub(crate) async fn note_all(
    cluster: &Cluster,
    what: &str,
    who: &Who,
) -> Result<Vec<String>, ApiError> {
    let api: Api<Rollout> = Api::all(cluster.client());
    let params = ListParams::default();
    let found = cluster.call("list rollouts", || api.list(&params)).await?;
    let open = |rollout: &&Rollout| {
        let phase = rollout.status.as_ref().and_then(|status| status.phase);
        !over(&rollout.spec, phase)
    };
    let mut warnings = Vec::new();
    for rollout in found.items.iter().filter(open) {
        let name = rollout.metadata.name.as_deref().unwrap_or_default();
        warnings.extend(note(cluster, name, what, who).await);
    }
    Ok(warnings)
}

async fn add(cluster: &Cluster, rollout: &str, what: &str, who: &Who) -> Result<(), ApiError> {
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
            by: cut(&who.by, 253),
            what: what.to_owned(),
            why: cut(&who.why, 1000),
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
