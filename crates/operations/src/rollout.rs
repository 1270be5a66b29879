//! A rollout: how it is started, and what people say to it.

use crate::{Done, OperationError, Who, history::note};
use api::{
    Download, EvidencePolicy, Fleet, Phase, ResolvedRelease, Rollout, RolloutSpec, Shop,
    ShortDuration, Wave,
};
use client::{Cluster, longshore};
use kube::api::{Api, PostParams};
use plan::rollout::{PROMOTE, RESUMED};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The field manager of what people write here.
const MANAGER: &str = "longshore-scheduler-cli";

/// What a person says to a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// No further shop moves.
    Pause,
    /// It goes on, and tries again what failed.
    Resume,
    /// The wave is watched no longer.
    Promote,
    /// Shops go back; those of a rollout that is completed, too.
    Abort,
}

/// A rollout as the definition's defaults have it.
#[must_use]
pub fn defaults(release: &str) -> RolloutSpec {
    // Only a field without a default could fail, and the release is the only one.
    serde_json::from_value(json!({ "release": release })).unwrap_or_else(|_| unreachable!())
}

/// Reads a wave: a percentage or shops with commas between them, and how long it is watched, such
/// as `10:30m`.
///
/// # Errors
///
/// If the text is none.
pub fn wave(text: &str) -> Result<Wave, String> {
    let wrong = || {
        format!(
            "{text:?}: expected a percentage or shops, and a time, such as 10:30m or \
             vinyl,casa:30m"
        )
    };
    let (who, soak) = text.rsplit_once(':').ok_or_else(wrong)?;
    let soak: ShortDuration = soak.parse().map_err(|_| wrong())?;
    if who.bytes().all(|byte| byte.is_ascii_digit()) {
        let percent = who
            .parse()
            .ok()
            .filter(|percent| (1..=100).contains(percent))
            .ok_or_else(wrong)?;
        return Ok(Wave {
            percent: Some(percent),
            shops: Vec::new(),
            soak,
        });
    }
    let shops: Vec<_> = who.split(',').map(str::to_owned).collect();
    if shops.iter().any(String::is_empty) {
        Err(wrong())
    } else {
        Ok(Wave {
            percent: None,
            shops,
            soak,
        })
    }
}

/// Shops that would move to a release from the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moving {
    /// The sequence that they are assigned, if they are assigned any.
    pub from: Option<i64>,
    /// How many they are.
    pub shops: usize,
    /// What each of their pods downloads, if somebody noted it.
    pub download: Option<Download>,
}

/// What a pod of the shop downloads for a release, if somebody noted it on the Release.
#[must_use]
pub fn download(shop: &Shop, release: &ResolvedRelease, fleet: &Fleet) -> Option<Download> {
    let status = shop.status.as_ref();
    let assigned = status.and_then(|status| status.release.as_ref());
    // Sequences of another channel are other releases.
    let own = fleet.releases.get(&release.channel);
    let running = assigned.and_then(|assigned| {
        let mut own = own.into_iter().flat_map(BTreeMap::values);
        own.find(|it| it.name == assigned.name)
            .map(|it| it.sequence.get())
    });
    let downloads = release.downloads.as_ref()?;
    Some(match (assigned, running) {
        (Some(_), None) => Download::AtMost(downloads.fresh),
        (_, running) => downloads.for_running(running),
    })
}

/// Which shops of the release's channel would move, by what they are assigned now. `shops` are
/// those that were named; all of them if that is empty.
#[must_use]
pub fn moving(shops: &[String], release: &ResolvedRelease, fleet: &Fleet) -> Vec<Moving> {
    let channel = release.channel.as_str();
    let mut moving: BTreeMap<Option<i64>, Moving> = BTreeMap::new();
    for (name, shop) in &fleet.shops {
        if shop.spec.channel != channel || !(shops.is_empty() || shops.contains(name)) {
            continue;
        }
        let status = shop.status.as_ref();
        let assigned = status.and_then(|status| status.release.as_ref());
        let from = assigned.map(|assigned| assigned.sequence);
        let one = moving.entry(from).or_insert_with(|| Moving {
            from,
            shops: 0,
            download: download(shop, release, fleet),
        });
        one.shops += 1;
    }
    moving.into_values().collect()
}

/// What the classes of the channel's shops say of evidence: one that asks for it is enough.
#[must_use]
pub fn evidence_of_classes(release: &ResolvedRelease, fleet: &Fleet) -> EvidencePolicy {
    let asks = fleet
        .shops
        .values()
        .filter(|shop| shop.spec.channel == release.channel.as_str())
        .filter_map(|shop| fleet.classes.get(&shop.spec.class))
        .any(|class| class.spec.evidence == EvidencePolicy::Errors);
    if asks {
        EvidencePolicy::Errors
    } else {
        EvidencePolicy::None
    }
}

/// Refuses a rollout that names shops which do not follow the release's channel.
///
/// # Errors
///
/// If it does.
pub fn check(
    spec: &RolloutSpec,
    release: &ResolvedRelease,
    fleet: &Fleet,
) -> Result<(), OperationError> {
    let channel = release.channel.as_str();
    let follows = |name: &String| {
        let shop = fleet.shops.get(name);
        shop.is_some_and(|shop| shop.spec.channel == channel)
    };
    let named = spec
        .shops
        .iter()
        .chain(&spec.canaries)
        .chain(spec.waves.iter().flat_map(|wave| &wave.shops));
    let strange: Vec<_> = named
        .filter(|name| !follows(name))
        .map(String::as_str)
        .collect();
    if strange.is_empty() {
        return Ok(());
    }
    Err(OperationError::Argument(format!(
        "{} do not follow channel {channel}",
        strange.join(", ")
    )))
}

/// Stores a new rollout.
///
/// # Errors
///
/// If the API server does not do it, as it has one of that name.
pub async fn create(
    cluster: &Cluster,
    name: &str,
    spec: RolloutSpec,
) -> Result<(), OperationError> {
    let rollout = Rollout::new(name, spec);
    let api: Api<Rollout> = Api::all(cluster.client());
    let params = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    let what = format!("create Rollout {name}");
    let created = cluster.call(&what, || api.create(&params, &rollout)).await;
    Ok(created.map(drop)?)
}

/// Says something to a rollout, and records who said it.
///
/// # Errors
///
/// If there is no such rollout, if it is in no state to hear it, or if the API server does not do
/// it.
pub async fn say(
    cluster: &Cluster,
    name: &str,
    verb: Verb,
    who: &Who,
) -> Result<Done, OperationError> {
    match verb {
        Verb::Pause => {
            let patch = json!({ "spec": { "paused": true } });
            let then = ": no further shop is moved";
            change(cluster, name, &patch, "paused", then, who).await
        }
        Verb::Abort => {
            let patch = json!({ "spec": { "aborted": true, "paused": false } });
            let then =
                ": its shops go back, but for those whose database a breaking release changed";
            change(cluster, name, &patch, "aborted", then, who).await
        }
        Verb::Resume => resume(cluster, name, who).await,
        Verb::Promote => promote(cluster, name, who).await,
    }
}

async fn change(
    cluster: &Cluster,
    name: &str,
    patch: &Value,
    what: &str,
    then: &str,
    who: &Who,
) -> Result<Done, OperationError> {
    merge(cluster, name, None, patch).await?;
    Ok(Done {
        said: format!("rollout {name} {what}{then}"),
        warnings: note(cluster, name, what, who).await,
    })
}

async fn merge(
    cluster: &Cluster,
    name: &str,
    part: Option<&str>,
    patch: &Value,
) -> Result<(), OperationError> {
    let rollout = longshore("Rollout", name);
    if cluster.merge(&rollout, part, patch).await? {
        Ok(())
    } else {
        Err(missing(name))
    }
}

/// The rollout of this name.
///
/// # Errors
///
/// If there is none, or if the API server does not say it.
pub async fn found(cluster: &Cluster, name: &str) -> Result<Rollout, OperationError> {
    let value = cluster.get(&longshore("Rollout", name)).await?;
    let rollout = value.and_then(|value| serde_json::from_value(value).ok());
    rollout.ok_or_else(|| missing(name))
}

fn missing(name: &str) -> OperationError {
    OperationError::Argument(format!("there is no rollout {name}"))
}

async fn resume(cluster: &Cluster, name: &str, who: &Who) -> Result<Done, OperationError> {
    let rollout = found(cluster, name).await?;
    if rollout.spec.aborted {
        return Err(OperationError::Argument(format!(
            "rollout {name} was aborted; start another one with --name"
        )));
    }
    // First the record: from then on what shops rejected before is tried again.
    let warnings = note(cluster, name, RESUMED, who).await;
    let phase = rollout.status.and_then(|status| status.phase);
    if matches!(phase, Some(Phase::Stopped | Phase::Returning)) {
        // What failed is forgotten, and so tried again.
        let again = json!({ "status": { "phase": "Moving", "failed": [] } });
        merge(cluster, name, Some("status"), &again).await?;
    }
    merge(cluster, name, None, &json!({ "spec": { "paused": false } })).await?;
    Ok(Done {
        said: format!("rollout {name} goes on"),
        warnings,
    })
}

async fn promote(cluster: &Cluster, name: &str, who: &Who) -> Result<Done, OperationError> {
    let status = found(cluster, name).await?.status.unwrap_or_default();
    let (Some(Phase::Soaking), Some(wave)) = (status.phase, status.wave) else {
        let phase = status.phase.unwrap_or(Phase::Pending);
        return Err(OperationError::Argument(format!(
            "rollout {name} is not being watched: {phase:?}"
        )));
    };
    let promoted = json!({ "metadata": { "annotations": { PROMOTE: wave.to_string() } } });
    merge(cluster, name, None, &promoted).await?;
    let what = format!("promoted from wave {wave}");
    Ok(Done {
        said: format!("rollout {name}: wave {wave} is watched no longer"),
        warnings: note(cluster, name, &what, who).await,
    })
}
