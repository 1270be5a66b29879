//! `rollout`: a release on its way through the shops, and what a person says to it.

mod arguments;
mod follow;
mod start;
mod status;

pub(crate) use arguments::{Arguments, Form};

use arguments::{One, Verb};
use start::start;
use status::status;

use super::{CommandError, connection::wait, history::note, show};
use api::{Phase, Rollout};
use client::{Cluster, longshore};
use plan::rollout::{PROMOTE, RESUMED};
use serde_json::{Value, json};

pub(super) fn run(arguments: &Arguments) -> Result<(), CommandError> {
    match &arguments.verb {
        Verb::Start(arguments) => wait(start(arguments)),
        Verb::Status(arguments) => wait(status(arguments)),
        Verb::Pause(name) => wait(change(
            name,
            json!({ "spec": { "paused": true } }),
            "paused",
            ": no further shop is moved",
        )),
        Verb::Abort(name) => wait(change(
            name,
            json!({ "spec": { "aborted": true, "paused": false } }),
            "aborted",
            ": its shops go back, but for those whose database a breaking release changed",
        )),
        Verb::Resume(name) => wait(resume(name)),
        Verb::Promote(name) => wait(promote(name)),
    }
}

async fn change(name: &One, patch: Value, what: &str, then: &str) -> Result<(), CommandError> {
    let cluster = name.connection.open().await?;
    merge(&cluster, &name.name, None, &patch).await?;
    note(&cluster, &name.name, what, &name.who.by, &name.who.why).await;
    show(&format!("rollout {} {what}{then}\n", name.name))
}

async fn merge(
    cluster: &Cluster,
    name: &str,
    part: Option<&str>,
    patch: &Value,
) -> Result<(), CommandError> {
    let known = cluster
        .merge(&longshore("Rollout", name), part, patch)
        .await?;
    if known {
        Ok(())
    } else {
        Err(CommandError::Argument(format!(
            "there is no rollout {name}"
        )))
    }
}

async fn found(cluster: &Cluster, name: &str) -> Result<Rollout, CommandError> {
    let value = cluster.get(&longshore("Rollout", name)).await?;
    let rollout = value.and_then(|value| serde_json::from_value(value).ok());
    rollout.ok_or_else(|| CommandError::Argument(format!("there is no rollout {name}")))
}

async fn resume(name: &One) -> Result<(), CommandError> {
    let cluster = name.connection.open().await?;
    let rollout = found(&cluster, &name.name).await?;
    if rollout.spec.aborted {
        return Err(CommandError::Argument(format!(
            "rollout {} was aborted; start another one with --name",
            name.name
        )));
    }
    // First the record: from then on what shops rejected before is tried again.
    note(&cluster, &name.name, RESUMED, &name.who.by, &name.who.why).await;
    if rollout
        .status
        .and_then(|status| status.phase)
        .is_some_and(|phase| matches!(phase, Phase::Stopped | Phase::Returning))
    {
        // What failed is forgotten, and so tried again.
        merge(
            &cluster,
            &name.name,
            Some("status"),
            &json!({ "status": { "phase": "Moving", "failed": [] } }),
        )
        .await?;
    }
    merge(
        &cluster,
        &name.name,
        None,
        &json!({ "spec": { "paused": false } }),
    )
    .await?;
    show(&format!("rollout {} goes on\n", name.name))
}

async fn promote(name: &One) -> Result<(), CommandError> {
    let cluster = name.connection.open().await?;
    let status = found(&cluster, &name.name)
        .await?
        .status
        .unwrap_or_default();
    let (Some(Phase::Soaking), Some(wave)) = (status.phase, status.wave) else {
        return Err(CommandError::Argument(format!(
            "rollout {} is not being watched: {:?}",
            name.name,
            status.phase.unwrap_or(Phase::Pending)
        )));
    };
    merge(
        &cluster,
        &name.name,
        None,
        &json!({ "metadata": { "annotations": { PROMOTE: wave.to_string() } } }),
    )
    .await?;
    note(
        &cluster,
        &name.name,
        &format!("promoted from wave {wave}"),
        &name.who.by,
        &name.who.why,
    )
    .await;
    show(&format!(
        "rollout {}: wave {wave} is watched no longer\n",
        name.name
    ))
}
