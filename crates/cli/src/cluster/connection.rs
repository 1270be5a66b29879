//! How a command finds its cluster and its registry.

use super::ClusterError;
use api::{Fleet, Object, claims::Claims};
use client::{ApiError, Cluster, Conflicts, Mode, Read};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use operations::watch::WatchRequest;
use registry::Document;
use serde::de::DeserializeOwned;
use std::{
    future::Future,
    io::{self, Write as _},
    path::PathBuf,
    time::Duration,
};

/// Which cluster.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Connection {
    /// Context of the kubeconfig; otherwise its current one, or the pod's service account
    #[arg(long)]
    context: Option<String>,
    /// Seconds after which to give up a call that is tried again and again
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 60,
        value_parser = clap::value_parser!(u64).range(1..=3600)
    )]
    patience: u64,
}

impl Connection {
    pub(crate) fn in_context(&self, context: &str) -> Self {
        Self {
            context: Some(context.to_owned()),
            ..self.clone()
        }
    }

    pub(crate) async fn open(&self) -> Result<Cluster, ApiError> {
        Cluster::connect(self.context.as_deref(), Duration::from_secs(self.patience)).await
    }
}

/// Where shops, classes and releases are.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Sources {
    /// Files of resources that replace the cluster's, or directories of them; - for standard input
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The files are the whole registry: do not read the cluster's
    #[arg(long, requires = "files")]
    pub(crate) only_files: bool,
}

impl Sources {
    /// The registry of the cluster with the files' resources in it, as they would be stored; or the
    /// files alone.
    pub(crate) async fn read(
        &self,
        cluster: &Cluster,
        conflicts: Conflicts,
    ) -> Result<Sourced, ClusterError> {
        let documents = self
            .files
            .iter()
            .map(|path| registry::read(path))
            .collect::<Result<Vec<_>, _>>()?
            .concat();
        let files = registry::fleet(&documents)?;
        if self.only_files {
            return Ok(Sourced {
                before: None,
                claims: Claims::new(&files),
                fleet: files,
                resources: Vec::new(),
            });
        }
        // Fields that somebody else set, and that no file names, stay: the controller will see
        // them, too.
        let files = registry::fleet(&stored(cluster, &documents, conflicts).await?)?;
        let read = registry(cluster).await?;
        for problem in &read.problems {
            // A terminal that went away has nobody to be told.
            writeln!(io::stderr(), "{problem}").ok();
        }
        let mut fleet = read.fleet;
        let before = (!documents.is_empty()).then(|| fleet.clone());
        for (name, mut shop) in files.shops {
            // What it runs is not the file's to say.
            shop.status = fleet.shops.get(&name).and_then(|shop| shop.status.clone());
            fleet.shops.insert(name, shop);
        }
        fleet.classes.extend(files.classes);
        fleet.rollouts.extend(files.rollouts);
        for (channel, releases) in files.releases {
            fleet.releases.entry(channel).or_default().extend(releases);
        }
        Ok(Sourced {
            before,
            claims: Claims::new(&fleet),
            fleet,
            resources: resources(&documents)?,
        })
    }
}

/// The registry of the cluster, and what of it cannot be read.
pub(crate) async fn registry(cluster: &Cluster) -> Result<Read, ClusterError> {
    client::read(cluster).await.map_err(|error| {
        if error.is_missing() {
            ClusterError::Definitions(error)
        } else {
            error.into()
        }
    })
}

/// The registry, and what of it is in files and may not be in the cluster.
pub(crate) struct Sourced {
    /// The registry as it is stored, where files differ from it.
    pub(crate) before: Option<Fleet>,
    pub(crate) fleet: Fleet,
    /// What its shops claim.
    pub(crate) claims: Claims,
    /// In the order in which they are stored: what others name comes first.
    pub(crate) resources: Vec<Object>,
}

/// Resources that are tried at the same time.
const AT_ONCE: usize = 16;

/// Kinds in that order. A Rollout comes before its Release, which it keeps from new shops.
const ORDER: [&str; 4] = ["ShopClass", "Rollout", "Release", "Shop"];

/// A document as it is stored.
pub(crate) fn resource(document: &Document) -> Result<Object, ClusterError> {
    let mut value = document.value.clone();
    // What became of it is not the file's to say.
    value.as_object_mut().map(|fields| fields.remove("status"));
    serde_json::from_value(value)
        .map(|object| Object::dynamic(&object))
        .map_err(|error| ClusterError::Missing(vec![format!("{}: {error}", document.place())]))
}

/// The documents as the API server would store them; one that it would refuse stays as it is, and
/// the plan says why it is refused.
async fn stored(
    cluster: &Cluster,
    documents: &[Document],
    conflicts: Conflicts,
) -> Result<Vec<Document>, ClusterError> {
    let one = |document: &Document| {
        let (document, resource) = (document.clone(), resource(document));
        async move {
            match cluster.put(&resource?, Mode::Dry, conflicts).await {
                Ok(value) => Ok(Document { value, ..document }),
                Err(error) if error.is_transient() => Err(error.into()),
                Err(_refused) => Ok(document),
            }
        }
    };
    stream::iter(documents.iter().map(one))
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

fn resources(documents: &[Document]) -> Result<Vec<Object>, ClusterError> {
    let mut resources = documents
        .iter()
        .map(resource)
        .collect::<Result<Vec<_>, _>>()?;
    resources.sort_by_key(|resource| {
        ORDER
            .iter()
            .position(|kind| *kind == resource.identity().kind)
    });
    Ok(resources)
}

/// What `longshore-watch` of the cluster answers.
pub(crate) fn asked<T: DeserializeOwned>(
    connection: &Connection,
    question: WatchRequest<'_>,
) -> Result<T, ClusterError> {
    wait(async { Ok(question.ask(&connection.open().await?).await?) })
}

/// Runs what waits for the network, until it ends.
pub(crate) fn wait<T>(
    work: impl Future<Output = Result<T, ClusterError>>,
) -> Result<T, ClusterError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(ClusterError::Runtime)?;
    runtime.block_on(work)
}
