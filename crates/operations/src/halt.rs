//! The halt: while it is there, no shop is moved.

use crate::{Who, history::note_all};
use api::{HALT, Identity};
use client::{ApiError, Cluster};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    api::{Api, Patch, PatchParams},
    core::ObjectMeta,
};
use serde_json::Value;

/// The field manager of what people write here.
const MANAGER: &str = "longshore-scheduler-cli";

/// Who halted, when, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halt {
    /// Who.
    pub by: String,
    /// When.
    pub at: String,
    /// Why.
    pub why: String,
}

impl Halt {
    /// Reads the ConfigMap; what it does not say is "somebody".
    #[must_use]
    pub fn from_config_map(found: &Value) -> Self {
        let text = |key: &str| found["data"][key].as_str().unwrap_or("somebody").to_owned();
        Self {
            by: text("by"),
            at: text("at"),
            why: text("why"),
        }
    }

    /// The halt in a line.
    #[must_use]
    pub fn line(&self) -> String {
        format!("halted by {} at {}: {}", self.by, self.at, self.why)
    }
}

/// The halt, if there is one. `namespace` is that of the scheduler.
///
/// # Errors
///
/// If the API server does not do it.
pub async fn get(cluster: &Cluster, namespace: &str) -> Result<Option<Halt>, ApiError> {
    let found = cluster.get(&identity(namespace)).await?;
    Ok(found.as_ref().map(Halt::from_config_map))
}

/// Halts every rollout within seconds. The result is what could not be recorded.
///
/// # Errors
///
/// If the API server does not do it.
pub async fn halt(cluster: &Cluster, namespace: &str, who: &Who) -> Result<Vec<String>, ApiError> {
    let said = [
        ("why", who.why.clone()),
        ("by", who.by.clone()),
        ("at", format!("{:.0}", Timestamp::now())),
    ];
    let halt = ConfigMap {
        metadata: ObjectMeta {
            name: Some(HALT.to_owned()),
            ..ObjectMeta::default()
        },
        data: Some(said.map(|(key, value)| (key.to_owned(), value)).into()),
        ..ConfigMap::default()
    };
    let api: Api<ConfigMap> = Api::namespaced(cluster.client(), namespace);
    let params = PatchParams::apply(MANAGER).force();
    let write = || async {
        let patch = Patch::Apply(&halt);
        api.patch(HALT, &params, &patch).await.map(drop)
    };
    cluster.call("halt", write).await?;
    note_all(cluster, "halted", who).await
}

/// Lets rollouts go on, if they are halted. The result is what could not be recorded.
///
/// # Errors
///
/// If the API server does not do it.
pub async fn lift(cluster: &Cluster, namespace: &str, by: &str) -> Result<Vec<String>, ApiError> {
    let identity = identity(namespace);
    let Some(found) = cluster.get(&identity).await? else {
        return Ok(Vec::new());
    };
    let uid = found["metadata"]["uid"].as_str().unwrap_or_default();
    cluster.delete(&identity, uid).await?;
    let Halt {
        by: pulled,
        at,
        why,
    } = Halt::from_config_map(&found);
    let who = Who {
        by: by.to_owned(),
        why: format!("it was pulled by {pulled} at {at}: {why}"),
    };
    note_all(cluster, "let go on because the halt was lifted,", &who).await
}

fn identity(namespace: &str) -> Identity {
    Identity {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: Some(namespace.to_owned()),
        name: HALT.to_owned(),
    }
}
