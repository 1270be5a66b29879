//! A backup is put back. That overwrites what the shop has, and cannot be undone; so the shop is
//! closed, nothing of it writes, and whoever asks for it says its name once more.

use super::{BACKUP, Job, backup_job, made_up, no_backups, start};
use crate::{
    OperationError,
    create::{SecretKeys, look, object},
};
use api::{Fleet, Object, Shop, ShopClass, ShopState, namespace};
use client::Cluster;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};

/// Seconds after which it is given up: a dump is read twice, and loaded.
const DEADLINE: u64 = 6 * 3600;
/// Seconds for which its log can be read: a day.
const KEPT: u64 = 24 * 3600;
/// The keys of the Secret that reads backups, which the shop's own pods must not have, and the
/// variables that they become.
const KEYS: [(&str, &str); 2] = [
    ("access-key-id", "AWS_ACCESS_KEY_ID"),
    ("secret-access-key", "AWS_SECRET_ACCESS_KEY"),
];
/// Variables by which the backup's pod is known to the store, and this one is not.
const IDENTITY: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];
/// Parts of a shop that write to its database or read it as a whole, and are not stopped by its
/// state at once.
const WRITERS: &str = "app.kubernetes.io/component in (cron,migration,backup)";
const ALIVE: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// Which backup is put back, and how.
#[derive(Debug, Clone, Copy)]
pub struct Restore<'a> {
    /// The shop.
    pub shop: &'a str,
    /// The shop's name once more, as a person typed it.
    pub confirmed: &'a str,
    /// The backup's time, as the bucket has it; otherwise the newest complete one.
    pub backup: Option<&'a str>,
    /// Secret in the shop's namespace with the keys access-key-id and secret-access-key, which may
    /// read backups.
    pub secret: &'a str,
}

/// Starts to put a backup back.
///
/// # Errors
///
/// If it was not confirmed, if the shop is open or something of it still writes, if it has no
/// backups, or if the API server does not do it.
pub async fn restore(
    cluster: &Cluster,
    fleet: &Fleet,
    wanted: &Restore<'_>,
) -> Result<Job, OperationError> {
    let name = wanted.shop;
    if wanted.confirmed != name {
        return Err(OperationError::Argument(format!(
            "{:?} is not the name of the shop; type {name} to overwrite its database",
            wanted.confirmed
        )));
    }
    let mut arguments = vec!["longshore-restore"];
    if let Some(backup) = wanted.backup {
        check(backup)?;
        arguments.push(backup);
    }
    let (shop, class) = found(fleet, name)?;
    let refused = refusals(name, shop, fleet);
    if !refused.is_empty() {
        return Err(OperationError::State(refused.join("; ")));
    }
    let namespace = namespace(name);
    let writers = writers(cluster, &namespace).await?;
    if !writers.is_empty() {
        return Err(OperationError::State(format!(
            "pods of {namespace} still read or write its database: {}; try again when they have \
             ended",
            writers.join(", ")
        )));
    }
    begin(cluster, name, class, wanted.secret, &arguments).await
}

/// Starts to list the backups of a shop: its log has one a line.
///
/// # Errors
///
/// If the shop has no backups, or if the API server does not do it.
pub async fn list_backups(
    cluster: &Cluster,
    fleet: &Fleet,
    shop: &str,
    secret: &str,
) -> Result<Job, OperationError> {
    let (_, class) = found(fleet, shop)?;
    let arguments = ["longshore-restore", "--list"];
    begin(cluster, shop, class, secret, &arguments).await
}

/// Why a shop cannot be restored as it is, in sentences.
#[must_use]
pub fn refusals(name: &str, shop: &Shop, fleet: &Fleet) -> Vec<String> {
    let mut refused = Vec::new();
    let status = shop.status.as_ref();
    if !matches!(
        shop.spec.state,
        ShopState::Maintenance | ShopState::Suspended
    ) {
        refused.push(format!(
            "shop {name} is {:?}: visitors and cron write to the database that would be \
             overwritten; set its state to Maintenance first",
            shop.spec.state
        ));
    } else if status.and_then(|status| status.observed_generation) != shop.metadata.generation {
        refused.push(format!(
            "the scheduler has not applied the state {:?} of shop {name} yet; try again in a moment",
            shop.spec.state
        ));
    }
    let others = sharers(name, shop, fleet);
    if !others.is_empty() {
        refused.push(format!(
            "tables of {} are in the same database, and a backup has all of them: they would be \
             overwritten, too; restore by hand what is of shop {name}",
            others.join(", ")
        ));
    }
    refused
}

/// Shops whose tables are in this shop's database, under another prefix.
fn sharers<'a>(name: &str, shop: &Shop, fleet: &'a Fleet) -> Vec<&'a str> {
    let place = |shop: &Shop| {
        let wanted = shop.spec.services.database.as_ref()?;
        let class = &fleet.classes.get(&shop.spec.class)?.spec;
        let mut servers = class.backends.databases.iter();
        let server = servers.find(|server| server.name == wanted.server)?;
        let host = server.host.trim_end_matches('.').to_ascii_lowercase();
        Some((host, server.port, wanted.name.to_ascii_lowercase()))
    };
    let Some(own) = place(shop) else {
        return Vec::new();
    };
    let others = fleet.shops.iter().filter(|(other, _)| *other != name);
    others
        .filter(|(_, other)| place(other).as_ref() == Some(&own))
        .map(|(other, _)| other.as_str())
        .collect()
}

fn found<'a>(fleet: &'a Fleet, name: &str) -> Result<(&'a Shop, &'a ShopClass), OperationError> {
    let missing = |what: String| OperationError::Missing(what);
    let shop = fleet.shops.get(name);
    let shop = shop.ok_or_else(|| missing(format!("shop {name} is not in the registry")))?;
    let class = fleet.classes.get(&shop.spec.class);
    let class = class.ok_or_else(|| {
        let class = &shop.spec.class;
        missing(format!("class {class} of shop {name} does not exist"))
    })?;
    Ok((shop, class))
}

/// A time as the names of backups have it. It becomes a part of a path in the bucket.
fn check(backup: &str) -> Result<(), OperationError> {
    let like = b"0000-00-00T00-00-00Z";
    let same = |(is, like): (u8, &u8)| match like {
        b'0' => is.is_ascii_digit(),
        like => is == *like,
    };
    if backup.len() == like.len() && backup.bytes().zip(like).all(same) {
        return Ok(());
    }
    Err(OperationError::Argument(format!(
        "{backup:?} is no backup; expected its time, such as 2026-12-01T02-10-33Z"
    )))
}

/// Pods of the shop that may still write.
async fn writers(cluster: &Cluster, namespace: &str) -> Result<Vec<String>, OperationError> {
    let pods: Api<Pod> = Api::namespaced(cluster.client(), namespace);
    let params = ListParams::default().labels(WRITERS).fields(ALIVE);
    let what = format!("list pods of {namespace}");
    let listed = cluster.call(&what, || pods.list_metadata(&params)).await?;
    let name = |pod: kube::core::PartialObjectMeta<Pod>| pod.metadata.name;
    Ok(listed.items.into_iter().filter_map(name).collect())
}

async fn begin(
    cluster: &Cluster,
    shop: &str,
    class: &ShopClass,
    secret: &str,
    arguments: &[&str],
) -> Result<Job, OperationError> {
    let namespace = namespace(shop);
    // A pod without its Secret would wait for it until the deadline.
    let lacks = match look(cluster, shop, secret).await? {
        SecretKeys::Unknown => Vec::new(),
        SecretKeys::Nothing => KEYS.map(|(key, _)| key).to_vec(),
        SecretKeys::Keys(keys) => {
            let missing = |key: &&str| !keys.contains(*key);
            KEYS.map(|(key, _)| key)
                .into_iter()
                .filter(missing)
                .collect()
        }
    };
    if !lacks.is_empty() {
        return Err(OperationError::Argument(format!(
            "Secret {namespace}/{secret} lacks {}: keys of the store that may read backups, which \
             the shop's own may not",
            lacks.join(", ")
        )));
    }
    let cron = cluster.get(&backup_job(shop)).await?;
    let cron = cron.ok_or_else(|| no_backups(shop, &namespace))?;
    let name = made_up("restore");
    let priority = render::priority_class(class.spec.priority);
    let job = job(&cron, &namespace, &name, secret, priority, arguments)?;
    start(cluster, job, namespace, name).await
}

/// The Job of a backup, with another program and another identity. It must not wait or make way for
/// others, as a backup does: half a database is none.
fn job(
    cron: &Value,
    namespace: &str,
    name: &str,
    secret: &str,
    priority: &str,
    arguments: &[&str],
) -> Result<Object, OperationError> {
    let mut spec = cron["spec"]["jobTemplate"]["spec"].clone();
    spec["backoffLimit"] = 0.into();
    spec["activeDeadlineSeconds"] = DEADLINE.into();
    spec["ttlSecondsAfterFinished"] = KEPT.into();
    let pod = &mut spec["template"]["spec"];
    pod["priorityClassName"] = priority.into();
    let container = pod.pointer_mut("/containers/0").ok_or_else(|| {
        OperationError::Argument(format!(
            "CronJob {namespace}/{BACKUP} is not as longshore-scheduler makes it"
        ))
    })?;
    container["command"] = json!(arguments);
    let mut variables = container["env"].as_array().cloned().unwrap_or_default();
    variables.retain(|it| !it["name"].as_str().is_some_and(|it| IDENTITY.contains(&it)));
    variables.extend(KEYS.map(|(key, variable)| {
        json!({ "name": variable, "valueFrom": { "secretKeyRef": { "name": secret, "key": key } } })
    }));
    container["env"] = variables.into();
    object(&json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": { "name": name, "namespace": namespace }, "spec": spec,
    }))
}

#[cfg(test)]
mod tests;
