//! `rollout start`: from a Release to a Rollout, and to its end if somebody waits for that.

use super::{
    arguments::{Evidence, Failed, Start},
    follow,
};
use crate::cluster::{
    CommandError,
    connection::{registry, resource},
    show,
};
use api::{
    EvidencePolicy, FailureBudget, Fleet, Object, OnFailure, ResolvedRelease, Rollout, RolloutSpec,
    Started, WindowPolicy,
};
use client::{Cluster, Conflicts, Mode};
use kube::api::{Api, PostParams};
use plan::counted;
use serde_json::json;
use std::{collections::BTreeMap, path::Path};

/// The Release of standard input, and the object that it is stored as.
fn given() -> Result<(ResolvedRelease, Object), CommandError> {
    let documents = registry::read(Path::new("-"))?;
    let mut releases = registry::fleet(&documents)?
        .releases
        .into_values()
        .flat_map(BTreeMap::into_values);
    let (Some(release), None, [document]) = (releases.next(), releases.next(), &documents[..])
    else {
        return Err(CommandError::Argument(
            "standard input is not one Release, as `longshore release resource` prints it"
                .to_owned(),
        ));
    };
    Ok((release, resource(document)?))
}

fn spec(
    start: &Start,
    release: &ResolvedRelease,
    fleet: &Fleet,
) -> Result<RolloutSpec, CommandError> {
    let wrong = |error: serde_json::Error| CommandError::Argument(error.to_string());
    // Defaults are those of the definition.
    let mut spec: RolloutSpec =
        serde_json::from_value(json!({ "release": release.name })).map_err(wrong)?;
    (spec.shops, spec.canaries) = (start.shops.clone(), start.canaries.clone());
    if !start.waves.is_empty() {
        spec.waves.clone_from(&start.waves);
    }
    spec.failure_budget = FailureBudget {
        shops: start.budget,
        percent: start.budget_percent,
    };
    spec.at_once = start.at_once.unwrap_or(spec.at_once);
    spec.per_database = start.per_database.unwrap_or(spec.per_database);
    spec.order.clone_from(&start.order);
    spec.on_failure = match start.on_failure {
        Failed::Return => OnFailure::Return,
        Failed::Pause => OnFailure::Pause,
    };
    spec.evidence = match start.evidence {
        Some(Evidence::Errors) => EvidencePolicy::Errors,
        Some(Evidence::None) => EvidencePolicy::None,
        None => of_classes(release, fleet),
    };
    spec.deadline = start.deadline.unwrap_or(spec.deadline);
    if start.ignore_windows {
        spec.windows = WindowPolicy::Ignore;
    }
    spec.started = Some(Started {
        by: start.by.clone(),
        why: start.why.clone(),
    });
    Ok(spec)
}

/// What the classes of the channel's shops say: one that asks for evidence is enough.
fn of_classes(release: &ResolvedRelease, fleet: &Fleet) -> EvidencePolicy {
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

pub(super) async fn start(start: &Start) -> Result<(), CommandError> {
    let given = if start.release == "-" {
        Some(given()?)
    } else {
        None
    };
    let cluster = start.connection.open().await?;
    let fleet = registry(&cluster).await?.fleet;
    let stored = fleet
        .releases
        .values()
        .flat_map(|all| all.values())
        .find(|release| release.name == start.release);
    let Some(release) = given.as_ref().map(|(release, _)| release).or(stored) else {
        let known: Vec<_> = fleet
            .releases
            .values()
            .flat_map(|all| all.values().rev().take(3))
            .map(|it| it.name.as_str())
            .take(20)
            .collect();
        return Err(CommandError::Argument(format!(
            "Release {} does not exist; the newest are: {}",
            start.release,
            known.join(", ")
        )));
    };
    let shops = fleet
        .shops
        .values()
        .filter(|shop| shop.spec.channel == release.channel.as_str())
        .count();
    let strange = start
        .shops
        .iter()
        .chain(&start.canaries)
        .chain(start.waves.iter().flat_map(|wave| &wave.shops))
        .filter(|name| {
            fleet
                .shops
                .get(*name)
                .is_none_or(|shop| shop.spec.channel != release.channel.as_str())
        });
    let strange: Vec<_> = strange.cloned().collect();
    if !strange.is_empty() {
        return Err(CommandError::Argument(format!(
            "{} do not follow channel {}",
            strange.join(", "),
            release.channel
        )));
    }
    let name = start.name.clone().unwrap_or_else(|| release.name.clone());
    // Whoever was cut off while waiting comes again with the same Release.
    let again = given.is_some()
        && fleet
            .rollouts
            .get(&name)
            .is_some_and(|it| it.spec.release == release.name);
    if !again {
        create(
            &cluster,
            &Rollout::new(&name, spec(start, release, &fleet)?),
        )
        .await?;
    }
    // After its rollout, which keeps it from new shops.
    if let Some((_, object)) = &given {
        cluster.put(object, Mode::Real, Conflicts::Refuse).await?;
    }
    let verb = if again {
        "was started before"
    } else {
        "started"
    };
    show(&format!(
        "rollout {name} {verb}: {} to sequence {} of {}\n",
        counted(shops, "shop"),
        release.sequence,
        release.channel
    ))?;
    if start.wait {
        follow::follow(&cluster, &name, start.within).await
    } else {
        Ok(())
    }
}

async fn create(cluster: &Cluster, rollout: &Rollout) -> Result<(), CommandError> {
    let api: Api<Rollout> = Api::all(cluster.client());
    let params = PostParams {
        field_manager: Some("longshore-scheduler-cli".to_owned()),
        ..PostParams::default()
    };
    let what = format!(
        "create Rollout {}",
        rollout.metadata.name.as_deref().unwrap_or_default()
    );
    Ok(cluster
        .call(&what, || api.create(&params, rollout))
        .await
        .map(drop)?)
}
