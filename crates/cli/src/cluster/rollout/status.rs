//! `rollout status`: where rollouts are.

use super::arguments::{Form, StatusArguments};
use crate::cluster::{ClusterError, show};
use api::{Phase, Rollout, Started};
use std::fmt::Write as _;

pub(super) async fn status(arguments: &StatusArguments) -> Result<(), ClusterError> {
    let cluster = arguments.connection.open().await?;
    let fleet = client::read(&cluster).await?.fleet;
    let rollouts: Vec<_> = fleet
        .rollouts
        .into_values()
        .filter(|it| arguments.name.is_none() || arguments.name == it.metadata.name)
        .collect();
    if let (Some(name), true) = (&arguments.name, rollouts.is_empty()) {
        return Err(ClusterError::Argument(format!(
            "there is no rollout {name}"
        )));
    }
    match arguments.output {
        Form::Json => {
            let lines = rollouts
                .iter()
                .map(serde_json::to_string)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| ClusterError::Output(error.into()))?;
            show(&(lines.join("\n") + "\n"))
        }
        Form::Text if rollouts.is_empty() => show("no rollout was ever started\n"),
        Form::Text => show(&rollouts.iter().map(text).collect::<String>()),
    }
}

/// A rollout in a few lines.
fn text(rollout: &Rollout) -> String {
    let (spec, status) = (&rollout.spec, rollout.status.clone().unwrap_or_default());
    let counts = &status.counts;
    let phase = status.phase.unwrap_or(Phase::Pending);
    let mut text = format!(
        "{}  {phase:?}  release {}  wave {} of {}\n  {} shops: {} done, {} on their way, {} to \
         go, {} failed ({} back)\n",
        rollout.metadata.name.as_deref().unwrap_or_default(),
        spec.release,
        status.wave.unwrap_or(0),
        spec.waves.len(),
        counts.all,
        counts.done,
        counts.moving,
        counts.waiting,
        counts.failed,
        counts.returned,
    );
    if let Some(why) = status
        .conditions
        .iter()
        .find(|condition| condition.kind == "Progressing" && !condition.message.is_empty())
    {
        writeln!(text, "  {}", why.message).unwrap_or_default();
    }
    if let Some(Started { by, why }) = &spec.started {
        writeln!(text, "  started by {by}: {why}").unwrap_or_default();
    }
    for act in status.history.iter().rev().take(5).rev() {
        writeln!(text, "  {}", act.line()).unwrap_or_default();
    }
    for failed in status.failed.iter().take(10) {
        writeln!(text, "  failed {}: {}", failed.shop, failed.why).unwrap_or_default();
    }
    text
}
