//! `halt`: stops every rollout.

use super::{
    ClusterError,
    connection::{Connection, wait},
    show, warn,
};
use api::SYSTEM;
use client::Cluster;
use operations::{Who, halt};

/// What `halt` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Every rollout of the cluster stops within seconds: no shop is assigned another release, and agents
that are about to switch wait. Shops go on being served and kept as they are. With several clusters,
halt each: name the others with --cell.

Examples:
  longshore halt --why 'checkout fails in canaries'
  longshore halt --cell cell-1 --cell cell-2 --why 'payment provider is down'
  longshore halt --lift")]
pub(crate) struct Halt {
    /// The reason, for everybody who waits
    #[arg(long, required_unless_present = "lift")]
    why: Option<String>,
    /// Let rollouts go on
    #[arg(long, conflicts_with = "why")]
    lift: bool,
    /// For whom, for the record; the account that asks stands behind it in any case
    #[arg(long)]
    by: Option<String>,
    /// Namespace of the scheduler
    #[arg(long, default_value = SYSTEM)]
    namespace: String,
    /// More contexts of the kubeconfig: the other cells
    #[arg(long = "cell", value_name = "CONTEXT")]
    cells: Vec<String>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Halt) -> Result<(), ClusterError> {
    wait(async {
        let mut failed = Vec::new();
        let own = pull(arguments, arguments.connection.open().await);
        let others = arguments.cells.iter().map(|cell| async move {
            let cluster = arguments.connection.in_context(cell).open().await;
            (cell, pull(arguments, cluster).await)
        });
        // All at once: a cell that cannot be reached must not keep the others going.
        let (own, others) =
            futures_util::future::join(own, futures_util::future::join_all(others)).await;
        let count = 1 + others.len();
        for (cell, result) in std::iter::once((&"this cell".to_owned(), own)).chain(others) {
            if let Err(error) = result {
                failed.push((cell.clone(), error));
            }
        }
        if !failed.is_empty() {
            return Err(ClusterError::Cells {
                done: count - failed.len(),
                failed,
            });
        }
        let said = if arguments.lift {
            "rollouts go on"
        } else {
            "halted: no shop is moved"
        };
        show(&format!(
            "{said} in {count} {}\n",
            if count == 1 { "cell" } else { "cells" }
        ))
    })
}

async fn pull(
    arguments: &Halt,
    cluster: Result<Cluster, client::ApiError>,
) -> Result<(), client::ApiError> {
    let (cluster, namespace) = (cluster?, &arguments.namespace);
    let why = arguments.why.as_deref().unwrap_or_default();
    let who = Who::asks(&cluster, arguments.by.as_deref(), why).await?;
    let warnings = if arguments.lift {
        halt::lift(&cluster, namespace, &who.by).await?
    } else {
        halt::halt(&cluster, namespace, &who).await?
    };
    warn(&warnings);
    Ok(())
}
