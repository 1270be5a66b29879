//! Work that is done in a shop's namespace now: its caches are cleaned, its cron runs, its data is
//! backed up and put back. Each is a Job, which goes on whoever stops watching it.

mod cron;
mod restore;

pub use cron::{can_run_cron, run_cron};
pub use restore::{Restore, list_backups, refusals, restore};

use crate::{OperationError, create::object};
use api::{Engine, Identity, Object, ShopClass, namespace};
use client::{Cluster, Conflicts, Mode};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, LogParams};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Seconds after which cleaning is given up, the start of its pod included.
const DEADLINE: u64 = 900;
/// How long a Job is waited for: as long as a backup may take.
const WAIT: Duration = Duration::from_hours(6);
/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// The part of a shop that cleans its caches, and the name of its container.
const CLEAN: &str = render::CLEAN_CACHE;
/// The CronJob of backups.
const BACKUP: &str = "backup";
/// Lines of its log that are shown.
const LINES: i64 = 50;

/// By types, and so by keys that bear the shop's prefix: to flush would empty the database of
/// Redis, with what other shops have there.
const MAGENTO1: &str = r#"
require "app/Mage.php";
umask(0);
Mage::app("admin", "store");
$tags = ["CONFIG", "MAGE", "DB_PDO_MYSQL_DDL"];
foreach (Mage::getConfig()->getNode("global/cache/types")->children() as $type) {
    array_push($tags, ...array_filter(explode(",", (string) $type->tags)));
}
Mage::app()->cleanCache(array_values(array_unique($tags)));
echo "Cleaned.\n";
"#;

/// A Job that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The namespace of its shop.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// How a Job does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It goes on.
    Runs,
    /// It ended well.
    Complete,
    /// It failed, for this reason.
    Failed(String),
}

/// Cleans the caches of a shop: the engine's own command, in a pod like that of cron, which has the
/// release, the configuration and the shop's Secret.
///
/// # Errors
///
/// If the engine is Php, if the shop has no pods, or if the API server does not do it.
pub async fn clean_cache(
    cluster: &Cluster,
    shop: &str,
    class: &ShopClass,
) -> Result<Job, OperationError> {
    let command = command(class.spec.engine, &class.spec.php.version).ok_or_else(|| {
        OperationError::Argument(format!(
            "shop {shop} is of engine Php, whose caches only its own application knows"
        ))
    })?;
    let namespace = namespace(shop);
    let cron = identity("apps/v1", "Deployment", &namespace, "cron");
    let cron = cluster.get(&cron).await?.ok_or_else(|| {
        OperationError::Argument(format!(
            "shop {shop} has no pods: Deployment {namespace}/cron does not exist"
        ))
    })?;
    let name = made_up(CLEAN);
    let work = Work {
        part: CLEAN,
        name: &name,
        command: &command,
    };
    let object = job(&cron, &namespace, &work)?;
    start(cluster, object, namespace, name).await
}

/// Backs a shop up now, as its CronJob does at night.
///
/// # Errors
///
/// If the shop has no backups, or if the API server does not do it.
pub async fn back_up(cluster: &Cluster, shop: &str) -> Result<Job, OperationError> {
    let namespace = namespace(shop);
    let cron = cluster.get(&backup_job(shop)).await?;
    let cron = cron.ok_or_else(|| no_backups(shop, &namespace))?;
    let name = made_up(BACKUP);
    start(cluster, tonight(&cron, &namespace, &name)?, namespace, name).await
}

/// The CronJob that backs a shop up.
pub(crate) fn backup_job(shop: &str) -> Identity {
    identity("batch/v1", "CronJob", &namespace(shop), BACKUP)
}

fn no_backups(shop: &str, namespace: &str) -> OperationError {
    OperationError::Argument(format!(
        "shop {shop} has no backups: CronJob {namespace}/{BACKUP} does not exist; its class has \
         none, or its schedule is never"
    ))
}

/// The Job that a CronJob would make, as `kubectl create job --from` makes it.
fn tonight(cron: &Value, namespace: &str, name: &str) -> Result<Object, OperationError> {
    let by_hand = json!({ "cronjob.kubernetes.io/instantiate": "manual" });
    object(&json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": { "name": name, "namespace": namespace, "annotations": by_hand },
        "spec": cron["spec"]["jobTemplate"]["spec"],
    }))
}

fn made_up(name: &str) -> String {
    format!("{name}-{:08x}", rand::random::<u32>())
}

async fn start(
    cluster: &Cluster,
    object: Object,
    namespace: String,
    name: String,
) -> Result<Job, OperationError> {
    cluster.put(&object, Mode::Real, Conflicts::Refuse).await?;
    Ok(Job { namespace, name })
}

fn identity(
    api_version: &'static str,
    kind: &'static str,
    namespace: &str,
    name: &str,
) -> Identity {
    Identity {
        api_version: api_version.into(),
        kind: kind.into(),
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
    }
}

fn command(engine: Engine, php: &str) -> Option<[String; 3]> {
    let program = match engine {
        Engine::Magento1 => format!("exec php{php} -d memory_limit=-1 -r '{MAGENTO1}'"),
        Engine::Magento2 => format!("exec php{php} bin/magento cache:clean"),
        Engine::Php => return None,
    };
    Some(in_release(&program))
}

/// Runs a program in the directory of the release.
fn in_release(program: &str) -> [String; 3] {
    [
        "/bin/sh".to_owned(),
        "-euc".to_owned(),
        format!("cd \"$(cd /srv/shop/current && pwd -P)\"; {program}"),
    ]
}

/// What a Job does with a pod of cron.
struct Work<'a> {
    /// The part of the shop that its pod is.
    part: &'a str,
    /// The Job's name.
    name: &'a str,
    /// What it runs.
    command: &'a [String],
}

/// A Job whose pod is as those of the Deployment `cron`, and does other work.
fn job(cron: &Value, namespace: &str, work: &Work<'_>) -> Result<Object, OperationError> {
    let Work {
        part,
        name,
        command,
    } = *work;
    let strange = || {
        OperationError::Argument(format!(
            "Deployment {namespace}/cron is not as longshore-scheduler makes it"
        ))
    };
    let mut template = cron
        .pointer("/spec/template")
        .cloned()
        .ok_or_else(strange)?;
    let container = template
        .pointer_mut("/spec/containers/0")
        .filter(|container| container.is_object())
        .ok_or_else(strange)?;
    container["name"] = part.into();
    container["command"] = json!(command);
    // It is no pod of the Deployment, and no one waits for it when it is asked to end.
    template["metadata"]["labels"]["app.kubernetes.io/component"] = part.into();
    template["spec"]["restartPolicy"] = "Never".into();
    template["spec"]["terminationGracePeriodSeconds"] = 30.into();
    let spec = json!({ "backoffLimit": 0, "activeDeadlineSeconds": DEADLINE, "ttlSecondsAfterFinished": 3600, "template": template });
    // Without the label of what the scheduler keeps: it would be deleted as nobody's.
    let value = json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": name, "namespace": namespace }, "spec": spec });
    object(&value).map_err(|_| strange())
}

/// How a Job does, and the last lines that it wrote.
///
/// # Errors
///
/// If it is gone, or if the API server does not say it.
pub async fn look(cluster: &Cluster, job: &Job) -> Result<(State, String), OperationError> {
    let Job { namespace, name } = job;
    let found = cluster
        .get(&identity("batch/v1", "Job", namespace, name))
        .await?;
    let found = found
        .ok_or_else(|| OperationError::Argument(format!("there is no Job {namespace}/{name}")))?;
    let log = log(cluster, namespace, name).await.unwrap_or_default();
    Ok((state(&found), log))
}

/// Waits until a Job has ended, and gives the last lines that it wrote.
///
/// # Errors
///
/// If it fails, is deleted or does not end, or if the API server does not say it.
pub async fn end(cluster: &Cluster, job: &Job) -> Result<String, OperationError> {
    let Job { namespace, name } = job;
    let deadline = Instant::now() + WAIT;
    loop {
        match look(cluster, job).await? {
            (State::Complete, log) => return Ok(log),
            (State::Failed(why), log) => {
                return Err(OperationError::Job(format!(
                    "Job {namespace}/{name}: {why}\n{log}"
                )));
            }
            (State::Runs, _) if Instant::now() >= deadline => {
                return Err(OperationError::Job(format!(
                    "Job {namespace}/{name} has not ended; look at its pod"
                )));
            }
            (State::Runs, _) => sleep(EVERY).await,
        }
    }
}

fn state(job: &Value) -> State {
    let conditions = job["status"]["conditions"].as_array();
    let mut met = conditions
        .into_iter()
        .flatten()
        .filter(|condition| condition["status"] == "True");
    met.find_map(|condition| match condition["type"].as_str() {
        Some("Complete") => Some(State::Complete),
        Some("Failed") => {
            let why = condition["message"].as_str();
            Some(State::Failed(why.unwrap_or("it failed").to_owned()))
        }
        _ => None,
    })
    .unwrap_or(State::Runs)
}

/// The last lines that it wrote.
async fn log(cluster: &Cluster, namespace: &str, job: &str) -> Result<String, OperationError> {
    let pods: Api<Pod> = Api::namespaced(cluster.client(), namespace);
    let of_job = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={job}"));
    let found = cluster
        .call(&format!("list pods of Job {namespace}/{job}"), || {
            pods.list(&of_job)
        })
        .await?;
    let Some(pod) = found
        .items
        .first()
        .and_then(|pod| pod.metadata.name.clone())
    else {
        return Ok(String::new());
    };
    let params = LogParams {
        tail_lines: Some(LINES),
        limit_bytes: Some(16 << 10),
        ..LogParams::default()
    };
    Ok(cluster
        .call(&format!("read the log of pod {namespace}/{pod}"), || {
            pods.logs(&pod, &params)
        })
        .await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::scripted::{Script, expect};

    #[test]
    fn the_job_is_crons_pod_with_another_command_and_another_part() {
        let cron = json!({ "spec": { "template": {
            "metadata": { "labels": { "app.kubernetes.io/component": "cron", "longshore.dev/shop": "acme" } },
            "spec": { "restartPolicy": "Always", "initContainers": [{ "name": "pull" }], "containers": [{ "name": "cron", "image": "shop@sha256:1", "command": ["cron.sh"], "volumeMounts": [{ "name": "sources" }] }] },
        } } });
        let command = command(Engine::Magento2, "8.3").unwrap();
        let work = Work {
            part: CLEAN,
            name: "clean-cache-1",
            command: &command,
        };
        let job = job(&cron, "shop-acme", &work).unwrap().value();
        let template = &job["spec"]["template"];
        assert_eq!(
            template["metadata"]["labels"],
            json!({ "app.kubernetes.io/component": "clean-cache", "longshore.dev/shop": "acme" })
        );
        assert_eq!(
            (
                &template["spec"]["restartPolicy"],
                &job["spec"]["backoffLimit"]
            ),
            (&json!("Never"), &json!(0))
        );
        let container = &template["spec"]["containers"][0];
        assert_eq!(
            (&container["image"], &container["volumeMounts"]),
            (&json!("shop@sha256:1"), &json!([{ "name": "sources" }]))
        );
        assert_eq!(
            container["command"][2],
            "cd \"$(cd /srv/shop/current && pwd -P)\"; exec php8.3 bin/magento cache:clean"
        );
        assert_eq!(
            job["metadata"].get("labels"),
            None,
            "it is not the scheduler's to keep"
        );
        assert!(super::command(Engine::Php, "8.3").is_none());
        assert!(super::job(&json!({}), "shop-acme", &work).is_err());
    }

    #[test]
    fn the_code_of_magento_1_has_no_quote_that_ends_it() {
        assert!(!MAGENTO1.contains('\''));
    }

    #[test]
    fn a_job_ends_well_or_not() {
        let job = |kind: &str, status: &str| json!({ "status": { "conditions": [{ "type": kind, "status": status, "message": "BackoffLimitExceeded" }] } });
        assert_eq!(state(&json!({})), State::Runs);
        assert_eq!(state(&job("SuccessCriteriaMet", "True")), State::Runs);
        assert_eq!(state(&job("Complete", "True")), State::Complete);
        assert_eq!(state(&job("Failed", "False")), State::Runs);
        let failed = State::Failed("BackoffLimitExceeded".to_owned());
        assert_eq!(state(&job("Failed", "True")), failed);
    }

    #[test]
    fn a_backup_now_is_the_one_of_the_night() {
        let spec = json!({ "backoffLimit": 1, "template": { "spec": { "containers": [] } } });
        let cron = json!({ "spec": { "jobTemplate": { "spec": spec } } });
        let job = tonight(&cron, "shop-acme", "backup-1").unwrap().value();
        assert_eq!(job["spec"], spec);
        assert_eq!(job["metadata"]["namespace"], "shop-acme");
        // The scheduler would delete what has its label and is not its own.
        assert_eq!(job["metadata"].get("labels"), None);
    }

    #[tokio::test]
    async fn a_shop_without_backups_says_so() {
        let script =
            Script::new([
                expect("GET /apis/batch/v1/namespaces/shop-acme/cronjobs/backup")
                    .refuses(404, "NotFound", "none"),
            ]);
        let error = back_up(&script.cluster(), "acme").await.unwrap_err();
        assert!(error.to_string().contains("has no backups"), "{error}");
        script.end();
    }
}
