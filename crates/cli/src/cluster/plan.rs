//! `plan`: what would change.

use super::{
    ClusterError,
    connection::{Connection, Sourced, Sources, wait},
    show,
};
use api::{Fleet, claims::Claims};
use client::Conflicts;
use jiff::Timestamp;
use plan::{
    Plan, dry_run,
    guard::{Limit, Registry},
};
use registry::write;
use render::{
    assign::{Circumstances, Resolution, desired},
    check,
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// What `plan` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The API server itself says what would change, by a dry run of each object whose digest differs;
nothing is stored. Shops whose changes are the same are one group, so that a fleet fits on one
screen. If more than 100 unmodified shops would change in the same fields, plan dry-runs 100 of
them; if one of these differs from the prediction, it dry-runs all.

Examples:
  longshore plan                              what a pass over the cluster's own registry would
                                              change
  longshore plan class.yaml                   the same, were this class applied
  longshore plan --shop acme --output diff    one shop, every field
  longshore plan class.yaml --save plan.json && longshore apply class.yaml --plan plan.json
  longshore plan *.yaml --against rendered/   against what `render --out` wrote; no cluster is asked")]
pub(crate) struct PlanArguments {
    #[command(flatten)]
    pub(crate) sources: Sources,
    /// Only these shops
    #[arg(long = "shop", value_name = "SHOP")]
    pub(crate) shops: Vec<String>,
    /// Compare with a file or a directory that `render` wrote, instead of a cluster
    #[arg(long, value_name = "PATH", requires = "files", conflicts_with_all = ["prune", "save"])]
    against: Option<PathBuf>,
    /// How the plan is shown
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Shape,
    /// Keep the plan in this file, for `apply --plan`
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) removal: RemovalArguments,
    /// Dry-run every object of every shop, even if more than a hundred shops change in the same
    /// fields
    #[arg(long)]
    every: bool,
    /// Also show what fields of other managers would become
    #[arg(long)]
    pub(crate) take_over: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// Whether shops that are no longer in the registry are taken down.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RemovalArguments {
    /// Take down shops that have objects and are not in the registry; their data, claims and
    /// namespaces stay
    #[arg(long)]
    pub(crate) prune: bool,
    /// How many shops may be taken down; otherwise 5, or 1 percent
    #[arg(long, value_name = "COUNT")]
    pub(crate) delete_at_most: Option<usize>,
}

impl RemovalArguments {
    pub(crate) fn limit(&self) -> Limit {
        self.delete_at_most.map_or(Limit::Default, Limit::Explicit)
    }
}

/// How a plan is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Shape {
    /// Summed over shops whose changes are the same
    #[default]
    Text,
    /// Everything, for programs
    Json,
    /// A unified diff of every object
    Diff,
}

impl PlanArguments {
    /// Whether fields that others own are taken.
    pub(super) const fn conflicts(&self) -> Conflicts {
        if self.take_over {
            Conflicts::Take
        } else {
            Conflicts::Refuse
        }
    }
}

pub(super) fn run(arguments: &PlanArguments) -> Result<(), ClusterError> {
    let plan = match &arguments.against {
        Some(path) => against_files(arguments, path)?,
        None => wait(async {
            let cluster = arguments.connection.open().await?;
            let sourced = arguments
                .sources
                .read(&cluster, arguments.conflicts())
                .await?;
            let named = named(&sourced.fleet, &arguments.shops)?;
            Ok(dry_run::plan(&cluster, &question(arguments, &sourced, &named)).await?)
        })?,
    };
    if let Some(path) = &arguments.save {
        save(path, &plan)?;
    }
    show(&shaped(arguments.output, &plan)?)
}

pub(super) fn shaped(shape: Shape, plan: &Plan) -> Result<String, ClusterError> {
    Ok(match shape {
        Shape::Text => plan::summed(plan),
        Shape::Diff => plan::unified(plan),
        Shape::Json => {
            serde_json::to_string_pretty(plan)
                .map_err(|error| ClusterError::Output(error.into()))?
                + "\n"
        }
    })
}

/// What is asked of the cluster, fields included.
pub(super) fn question<'a>(
    arguments: &PlanArguments,
    Sourced {
        before,
        fleet,
        claims,
        resources,
    }: &'a Sourced,
    shops: &'a BTreeSet<String>,
) -> dry_run::PlanRequest<'a> {
    dry_run::PlanRequest {
        fleet,
        claims,
        before: before.as_ref().unwrap_or(fleet),
        tries: if arguments.every {
            usize::MAX
        } else {
            dry_run::TRIES
        },
        resources,
        shops,
        // Both the files and the cluster's lists were read whole, or we were not here.
        registry: Registry::Whole {
            shops: fleet.shops.len(),
        },
        remove: arguments.removal.prune.then(|| arguments.removal.limit()),
        conflicts: arguments.conflicts(),
        fields: true,
        now: Timestamp::now(),
    }
}

/// The shops that were asked for, all of which must be there.
pub(super) fn named(fleet: &Fleet, shops: &[String]) -> Result<BTreeSet<String>, ClusterError> {
    let missing: Vec<_> = shops
        .iter()
        .filter(|shop| !fleet.shops.contains_key(*shop))
        .map(|shop| format!("shop {shop} is not in the registry"))
        .collect();
    if missing.is_empty() {
        Ok(shops.iter().cloned().collect())
    } else {
        Err(ClusterError::Missing(missing))
    }
}

fn against_files(arguments: &PlanArguments, path: &Path) -> Result<Plan, ClusterError> {
    let fleet = registry::read_fleet(&arguments.sources.files)?;
    let named = named(&fleet, &arguments.shops)?;
    let claims = Claims::new(&fleet);
    let mut rendered = std::collections::BTreeMap::new();
    let mut problems = Vec::new();
    for (name, shop) in fleet
        .shops
        .iter()
        .filter(|(name, _)| named.is_empty() || named.contains(*name))
    {
        // As `render` does without --at: campaigns do not count.
        match desired(
            &Resolution::new(name, shop, &fleet),
            &claims,
            &Circumstances::default(),
            Timestamp::MIN,
        ) {
            Ok(objects) => {
                problems.extend(
                    check::shop(&objects)
                        .iter()
                        .map(|finding| format!("shop {name}: {finding}")),
                );
                rendered.insert(name.clone(), objects);
            }
            Err(error) => problems.push(runtime::Chain(&error).to_string()),
        }
    }
    if !problems.is_empty() {
        return Err(ClusterError::Missing(problems));
    }
    let mut before = plan::files::rendered(path)?;
    if !named.is_empty() {
        before.retain(|_, value| {
            value["metadata"]["labels"][client::SHOP]
                .as_str()
                .is_some_and(|shop| named.contains(shop))
        });
    }
    Ok(plan::files::plan(&rendered, before))
}

fn save(path: &Path, plan: &Plan) -> Result<(), ClusterError> {
    let failed = |source| ClusterError::Write {
        path: path.to_owned(),
        source,
    };
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| failed(std::io::ErrorKind::InvalidFilename.into()))?;
    write(
        directory,
        name,
        &serde_json::to_string(plan).map_err(|error| failed(error.into()))?,
    )
    .map_err(failed)
}
