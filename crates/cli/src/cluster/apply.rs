//! `apply`: does what `plan` shows, or nothing.

use super::{
    ClusterError,
    connection::{Sourced, wait},
    plan::{self as shown, PlanArguments, Shape},
    show,
};
use api::{Fleet, LEASE, Object, SYSTEM, Step};
use client::{
    Cluster, Conflicts, Mode,
    apply::{self, Ownership, Stopped},
};
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::Api;
use plan::{Plan, counted, dry_run, gate, moved};
use registry::read_text;
use render::assign;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Shops that are written at the same time.
const AT_ONCE: usize = 32;

/// What `apply` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
apply shows the plan, reads the cluster once more, and carries the plan out only if nothing moved
meanwhile. With --plan it does what somebody has reviewed, and nothing else.

It stores the files' resources first, as `kubectl apply --server-side` would, so that a running
scheduler agrees with what is made of them. With --only-files it stores shops' objects alone. It
refuses that if a scheduler runs, which would undo them.

Examples:
  longshore apply --only-files *.yaml --dry-run
  longshore apply class.yaml --plan plan.json
  longshore apply --shop acme --take-over")]
pub(crate) struct Apply {
    #[command(flatten)]
    plan: PlanArguments,
    /// Do what this plan says, which `plan --save` wrote
    #[arg(long = "plan", value_name = "FILE")]
    saved: Option<PathBuf>,
    /// Carry on even if the cluster has changed since the plan
    #[arg(long)]
    even_if_moved: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(arguments: &Apply) -> Result<(), ClusterError> {
    wait(carry_out(arguments))
}

async fn carry_out(arguments: &Apply) -> Result<(), ClusterError> {
    let saved = arguments.saved.as_deref().map(read).transpose()?;
    let cluster = arguments.plan.connection.open().await?;
    let sourced = arguments
        .plan
        .sources
        .read(&cluster, arguments.plan.conflicts())
        .await?;
    let named = shown::named(&sourced.fleet, &arguments.plan.shops)?;
    // What was reviewed is not shown again, field by field.
    let plan = dry_run::plan(
        &cluster,
        &dry_run::PlanRequest {
            fields: saved.is_none(),
            ..shown::question(&arguments.plan, &sourced, &named)
        },
    )
    .await?;
    if saved.is_none() {
        show(&shown::shaped(arguments.plan.output, &plan)?)?;
    }
    refuse(&plan, saved.as_ref())?;
    if arguments.dry_run {
        return Ok(());
    }
    if arguments.plan.sources.only_files
        && let Some(leader) = leader(&cluster).await?
    {
        return Err(ClusterError::Led(leader));
    }
    if !arguments.even_if_moved {
        let again = dry_run::plan(
            &cluster,
            &dry_run::PlanRequest {
                fields: false,
                ..shown::question(&arguments.plan, &sourced, &named)
            },
        )
        .await?;
        moved(
            &settled(saved.unwrap_or_else(|| plan.clone())),
            &settled(again),
        )?;
    }
    let stored = store(
        &cluster,
        &sourced.resources,
        &plan,
        arguments.plan.conflicts(),
    )
    .await?;
    let ownership = if arguments.plan.take_over {
        Ownership::Take
    } else {
        Ownership::Ask
    };
    let told = stored + &everything(&cluster, &sourced, &plan, ownership).await?;
    if arguments.plan.output == Shape::Text {
        show(&told)
    } else {
        Ok(())
    }
}

/// Whether only our record or also a field is written is the dry run's finding; both are the same
/// step.
fn settled(mut plan: Plan) -> Plan {
    let changes = plan.shops.values_mut().flatten();
    changes
        .filter(|change| change.action == plan::Action::Adopt)
        .for_each(|change| change.action = plan::Action::Change);
    plan
}

fn read(path: &Path) -> Result<Plan, ClusterError> {
    let text = read_text(path)?;
    serde_json::from_str(&text).map_err(|error| ClusterError::Plan {
        path: path.to_owned(),
        source: error,
    })
}

/// A plan that is known to fail, or that a guard holds, is not begun.
fn refuse(plan: &Plan, saved: Option<&Plan>) -> Result<(), ClusterError> {
    let all = || [Some(plan), saved].into_iter().flatten();
    let refused: Vec<_> = all()
        .flat_map(Plan::changes)
        .filter_map(|change| change.refused.clone())
        .collect();
    let failed: Vec<_> = plan.failed.values().cloned().collect();
    // Without --prune, shops that are not in the registry are only told.
    let held: Vec<_> = plan
        .held
        .iter()
        .filter(|held| !held.contains("--prune"))
        .cloned()
        .collect();
    match (refused.is_empty(), failed.is_empty(), held.is_empty()) {
        (_, _, false) => Err(ClusterError::Guard(held)),
        (false, ..) => Err(ClusterError::Refused(refused)),
        (_, false, _) => Err(ClusterError::Missing(failed)),
        _ => Ok(()),
    }
}

/// Stores what the plan says of the registry. It stops at the first that fails: what comes after
/// may name it.
async fn store(
    cluster: &Cluster,
    resources: &[Object],
    plan: &Plan,
    conflicts: Conflicts,
) -> Result<String, ClusterError> {
    let planned: BTreeMap<_, _> = plan
        .resources
        .iter()
        .map(|change| (&change.object, change.desired))
        .collect();
    let mut count = 0;
    for resource in resources
        .iter()
        .filter(|resource| planned.get(resource.identity()) == Some(&Some(resource.digest())))
    {
        cluster.put(resource, Mode::Real, conflicts).await?;
        count += 1;
    }
    Ok(if count == 0 {
        String::new()
    } else {
        format!("stored: {}\n", counted(count, "resource"))
    })
}

/// A scheduler that leads here, by its Lease.
async fn leader(cluster: &Cluster) -> Result<Option<String>, ClusterError> {
    let leases: Api<Lease> = Api::namespaced(cluster.client(), SYSTEM);
    let lease = cluster
        .call(&format!("get Lease {SYSTEM}/{LEASE}"), || {
            leases.get_opt(LEASE)
        })
        .await?;
    let now = Timestamp::now();
    let leads = |lease: Lease| {
        let spec = lease.spec?;
        let holder = spec.holder_identity.filter(|holder| !holder.is_empty())?;
        let until = spec.renew_time?.0
            + jiff::SignedDuration::from_secs(
                spec.lease_duration_seconds.unwrap_or_default().into(),
            );
        (until > now).then(|| format!("{holder}, which holds the Lease {SYSTEM}/{LEASE},"))
    };
    Ok(lease.and_then(leads))
}

async fn everything(
    cluster: &Cluster,
    sourced: &Sourced,
    plan: &Plan,
    ownership: Ownership,
) -> Result<String, ClusterError> {
    let (now, fleet, claims) = (Timestamp::now(), &sourced.fleet, &sourced.claims);
    let mut world = cluster.world(None).await?;
    let work: Vec<_> = plan
        .shops
        .keys()
        .map(|name| (name, world.remove(name).unwrap_or_default()))
        .collect();
    let (mut objects, mut failed) = (0, Vec::new());
    let done = stream::iter(work).map(|(name, live)| async move {
        let desired: Vec<Object> = match fleet.shops.get(name) {
            Some(shop) => assign::desired(
                &assign::Resolution::new(name, shop, fleet),
                claims,
                &assign::Circumstances::recorded(shop),
                now,
            )
            .unwrap_or_default(),
            None => Vec::new(),
        };
        let planned: BTreeMap<_, _> = plan.shops[name]
            .iter()
            .map(|change| (&change.object, change.desired))
            .collect();
        // What the plan did not have is not done, whatever --even-if-moved says.
        let steps = gate(&desired, &live, |_| None, now)
            .into_iter()
            .filter(|step| match step {
                Step::Create(object) | Step::Write(object) => {
                    planned.get(object.identity()) == Some(&Some(object.digest()))
                }
                Step::Delete(doomed) => planned.get(&doomed.identity) == Some(&None),
            });
        let result = apply::steps(cluster, steps.collect(), ownership).await;
        if result.is_ok() {
            record(cluster, fleet, name).await;
        }
        (name, result)
    });
    let mut done = done.buffer_unordered(AT_ONCE);
    while let Some((name, result)) = done.next().await {
        match result {
            Ok(done) => objects += done.writes(),
            Err(Stopped { done, error }) => {
                objects += done.writes();
                failed.push((name.clone(), error));
            }
        }
    }
    if failed.is_empty() {
        return Ok(format!(
            "applied: {objects} objects of {} shops\n",
            plan.shops.len()
        ));
    }
    Err(ClusterError::Stopped { objects, failed })
}

/// A shop that got its first release keeps it, until a rollout moves it.
async fn record(cluster: &Cluster, fleet: &Fleet, name: &str) {
    let Some(shop) = fleet.shops.get(name) else {
        return;
    };
    if shop
        .status
        .as_ref()
        .is_some_and(|status| status.release.is_some())
    {
        return;
    }
    let Some(release) = assign::initial_release(&shop.spec.channel, fleet) else {
        return;
    };
    let patch =
        serde_json::json!({ "status": { "release": assign::record(release, Timestamp::now()) } });
    // Without a Shop in the cluster, there is nothing to record.
    if let Err(error) = cluster
        .merge(&client::shop(name), Some("status"), &patch)
        .await
    {
        tracing::warn!(shop = name, %error, "release not recorded in the shop's status");
    }
}
