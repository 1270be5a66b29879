//! `run`: the controller.

use super::{
    CommandError,
    connection::{Connection, wait},
};
use crate::{
    cluster::SYSTEM,
    guard::Limit,
    run::{self, Settings},
};
use jiff::SignedDuration;
use runtime::{
    Setting as _,
    telemetry::{self, Filter, Format},
};
use std::net::SocketAddr;

/// What `run` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Only the process that holds a shard's Lease writes; others watch, and take over within 15 seconds. A pass over an unchanged fleet reads
metadata and writes nothing.

Examples:
  longshore-scheduler run                            in a pod, as `longshore-scheduler manifests` installs it
  longshore-scheduler run --delete-at-most 40        after a person has read why a removal was held")]
pub(crate) struct Run {
    /// Namespace of the Leases and of the andon cord
    #[arg(long, default_value = SYSTEM)]
    namespace: String,
    /// Name of this process in Leases; otherwise that of the pod, or of the host, with a random end
    #[arg(long, env = "POD_NAME")]
    identity: Option<String>,
    /// Shards of the fleet, each with its own leader; the same number everywhere
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    shards: u32,
    /// Shops that are written at the same time: more helps where the API server is far away, and makes it slower for others where it is busy
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    at_once: u16,
    /// Address of /livez, /readyz and /metrics
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:9809")]
    listen: SocketAddr,
    /// How many shops may lose their workloads in an hour; otherwise 5, or 1 percent
    #[arg(long, value_name = "COUNT")]
    delete_at_most: Option<usize>,
    /// Seconds that a shop must have been missing in the registry before it is taken down
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(i64).range(0..=604_800))]
    delete_after: i64,
    /// What tells that a shop runs a release
    #[arg(long, value_enum, default_value_t)]
    evidence: Evidence,
    /// Which events are logged
    #[arg(long, default_value = "info", value_parser = filter)]
    log: String,
    #[command(flatten)]
    connection: Connection,
}

/// What tells that a shop runs a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Evidence {
    /// Its pods are ready, and their agents say that they run it
    #[default]
    Agents,
    /// Its pods are ready
    Readiness,
}

fn filter(text: &str) -> Result<String, String> {
    Filter::read(text).map(|_| text.to_owned()).ok_or_else(|| format!("expected {}", Filter::EXPECTED))
}

pub(super) fn run(arguments: &Run) -> Result<(), CommandError> {
    // The client reports every failed request as an error, also those that are made again and succeed; ours say which one mattered.
    let log = if arguments.log.contains("kube_client") { arguments.log.clone() } else { format!("{},kube_client=off", arguments.log) };
    if let Some(filter) = Filter::read(&log) {
        telemetry::start(&filter, Format::of_stderr());
    }
    let random = || format!("longshore-scheduler-{:08x}", rand::random::<u32>());
    let settings = Settings {
        namespace: arguments.namespace.clone(),
        identity: arguments.identity.clone().unwrap_or_else(random),
        shards: arguments.shards,
        at_once: usize::from(arguments.at_once),
        listen: arguments.listen,
        limit: arguments.delete_at_most.map_or(Limit::Default, Limit::Explicit),
        grace: SignedDuration::from_secs(arguments.delete_after),
        agents: arguments.evidence == Evidence::Agents,
    };
    wait(async {
        let cluster = arguments.connection.open().await?;
        Ok(run::run(cluster, settings).await?)
    })
}
