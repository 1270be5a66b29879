//! `longshore root why`: what runs in a release root, since when, and why not something newer.

use crate::{
    CommandError, Context, files,
    remote::{Deadline, Remote},
};
use clap::Args;
use deploy::View;
use release::{AcceptancePolicy, ChannelName, Reason, Sequence, Sha256};
use serde::Serialize;
use std::{fmt, path::PathBuf};
use store::Location;

/// Arguments of `why`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  longshore root why /srv/shop
  longshore root why /srv/shop --store s3://releases/prod --trust 1.root.json
      also: what is newer, and why it is not here
Reads only, takes no lock, and never disturbs a pull that is going on.")]
pub(crate) struct Why {
    /// The release root
    directory: PathBuf,
    /// Where releases are; without it, only the directory is read
    #[arg(
        long,
        env = "LONGSHORE_STORE",
        hide_env_values = true,
        value_name = "URL",
        requires = "trust"
    )]
    store: Option<Location>,
    /// Trust root that the pod believes
    #[arg(
        long,
        env = "LONGSHORE_TRUST",
        hide_env_values = true,
        value_name = "FILE"
    )]
    trust: Option<PathBuf>,
    /// The channel that the pod follows; otherwise the one of the running release
    #[arg(long, env = "LONGSHORE_CHANNEL", hide_env_values = true)]
    channel: Option<ChannelName>,
    /// Lowest sequence that the pod accepts
    #[arg(long, env = "LONGSHORE_FLOOR", hide_env_values = true)]
    floor: Option<Sequence>,
    #[command(flatten)]
    deadline: Deadline,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    directory: PathBuf,
    running: Option<Tree>,
    previous: Option<Tree>,
    accepted: Option<Sequence>,
    rejected: Vec<Rejected>,
    newer: Option<Newer>,
    verdict: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Tree {
    channel: String,
    sequence: Sequence,
    manifest: Sha256,
    since: String,
}

#[derive(Debug, Serialize)]
struct Rejected {
    manifest: Sha256,
    at: String,
    reason: String,
}

/// The release in force in the store, if it is not the one that runs.
#[derive(Debug, Serialize)]
struct Newer {
    sequence: Sequence,
    manifest: Sha256,
    created: String,
    /// Why it is refused; absent where the next pull activates it.
    refused: Option<&'static str>,
    hint: Option<&'static str>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.verdict)?;
        for (what, tree) in [("running", &self.running), ("previous", &self.previous)] {
            if let Some(Tree {
                channel,
                sequence,
                manifest,
                since,
            }) = tree
            {
                writeln!(
                    f,
                    "  {what:<9} {channel} sequence {sequence} since {since}\n            \
                     sha256:{manifest}"
                )?;
            }
        }
        if let Some(accepted) = self.accepted {
            writeln!(
                f,
                "  accepted  sequence {accepted} is the highest; older ones are refused"
            )?;
        }
        for Rejected {
            manifest,
            at,
            reason,
        } in &self.rejected
        {
            writeln!(f, "  rejected  sha256:{manifest} at {at}: {reason}")?;
        }
        if let Some(Newer {
            sequence,
            manifest,
            created,
            refused,
            hint,
        }) = &self.newer
        {
            writeln!(
                f,
                "  in store  sequence {sequence}, created {created}\n            sha256:{manifest}"
            )?;
            if let (Some(reason), Some(hint)) = (refused, hint) {
                writeln!(f, "  refused   {reason}; {hint}")?;
            }
        }
        Ok(())
    }
}

/// Runs `longshore root why`.
///
/// # Errors
///
/// If the directory is no release root, or the store was asked for and does not answer.
pub(crate) async fn run(arguments: Why, context: &Context) -> Result<(), CommandError> {
    let view = View::read(&arguments.directory)?;
    let running = view.running().map(|active| Tree {
        channel: active.channel.to_string(),
        sequence: active.sequence,
        manifest: active.manifest,
        since: active.since.to_string(),
    });
    let previous = view.state.previous.as_ref().map(|previous| Tree {
        channel: previous.channel.to_string(),
        sequence: previous.sequence,
        manifest: previous.manifest,
        since: previous.since.to_string(),
    });
    let rejected = view
        .state
        .rejected
        .iter()
        .map(|(manifest, rejection)| Rejected {
            manifest: *manifest,
            at: rejection.at.to_string(),
            reason: rejection.reason.clone(),
        });
    let (verdict, newer) = match (&arguments.store, &arguments.trust) {
        (Some(location), Some(trust)) => {
            compare(&arguments, location, trust, &view, context).await?
        }
        _ => (local_verdict(&view), None),
    };
    context.output.show(&Report {
        running,
        previous,
        accepted: view
            .state
            .accepted
            .as_ref()
            .map(|accepted| accepted.sequence),
        rejected: rejected.collect(),
        newer,
        verdict,
        directory: arguments.directory.clone(),
    })
}

fn local_verdict(view: &View) -> String {
    match (view.running(), &view.current) {
        (Some(running), _) => format!(
            "{} sequence {} runs since {}",
            running.channel, running.sequence, running.since
        ),
        (None, Some(current)) => format!(
            "`current` points at {}, which state.json does not know",
            current.display()
        ),
        (None, None) => "nothing runs here: no release was activated yet".to_owned(),
    }
}

/// Asks the store what is in force, and the policy what this node thinks of it.
async fn compare(
    arguments: &Why,
    location: &Location,
    trust: &std::path::Path,
    view: &View,
    context: &Context,
) -> Result<(String, Option<Newer>), CommandError> {
    let root = files::trust_root(trust)?;
    let running = view.running();
    let Some(channel) = arguments
        .channel
        .clone()
        .or_else(|| running.map(|running| running.channel.clone()))
    else {
        return Err(CommandError::Usage(
            "nothing runs here yet, so say which channel to compare with: --channel".to_owned(),
        ));
    };
    let remote = Remote {
        store: arguments.deadline.open(location).await?,
        channel,
    };
    let found = remote.required_head().await?;
    let release = &found.release;
    if running.is_some_and(|running| {
        running.manifest == release.manifest && running.sequence >= release.sequence
    }) {
        return Ok((
            format!(
                "{} sequence {} runs, and nothing newer is in the store",
                release.channel, release.sequence
            ),
            None,
        ));
    }
    let rejected = view.state.rejected.keys().copied().collect();
    let policy = AcceptancePolicy {
        channel: &remote.channel,
        floor: arguments.floor,
        accepted: view.state.policy_floor(),
        rejected: &rejected,
        now: context.now,
    };
    let refusal: Option<(Reason, String)> =
        match deploy::pull::newest_root(root, &*remote.store).await {
            Err(error) => Some((error.reason(), error.to_string())),
            Ok(root) => match root.verify_release(&found.envelope) {
                Err(error) => Some((error.reason(), error.to_string())),
                Ok(verified) => policy
                    .accept(&root, &verified)
                    .err()
                    .map(|refusal| (refusal.reason(), refusal.to_string())),
            },
        };
    let verdict = match &refusal {
        Some((reason, why)) => format!(
            "sequence {} in the store is refused [{reason}]: {why}",
            release.sequence
        ),
        None => format!(
            "sequence {} in the store is good; the next pull activates it",
            release.sequence
        ),
    };
    let newer = Newer {
        sequence: release.sequence,
        manifest: release.manifest,
        created: release.created.to_string(),
        refused: refusal.as_ref().map(|(reason, _)| reason.code()),
        hint: refusal.as_ref().map(|(reason, _)| reason.hint()),
    };
    Ok((verdict, Some(newer)))
}
