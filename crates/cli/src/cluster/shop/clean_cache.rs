//! `shop clean-cache`: the engine's own command, in a pod like that of cron, which has the release,
//! the configuration and the shop's Secret.

use crate::cluster::{
    CommandError,
    connection::{Connection, registry, wait},
    show,
};
use api::{Engine, Identity, Object, namespace};
use client::{Cluster, Conflicts, Mode};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, LogParams};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Seconds after which the Job is given up, the start of its pod included.
const DEADLINE: u64 = 900;
/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// The part of a shop that its pod is, and the name of its container.
const PART: &str = render::CLEAN_CACHE;
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

/// What `shop clean-cache` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  longshore shop clean-cache acme
A Job runs `bin/magento cache:clean`, or for Magento 1 the same by the tags of all cache types, with
the release that the shop runs. Caches of other shops in the same Redis stay as they are. It takes
as long as a pod takes to start. Needs rights to read Deployments and Pods with their logs, and to
make Jobs, in the shop's namespace.")]
pub(super) struct CleanCache {
    /// The shop
    name: String,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &CleanCache) -> Result<(), CommandError> {
    let name = &arguments.name;
    wait(async {
        let cluster = arguments.connection.open().await?;
        let fleet = registry(&cluster).await?.fleet;
        let shop = fleet.shops.get(name).ok_or_else(|| {
            CommandError::Missing(vec![format!("shop {name} is not in the registry")])
        })?;
        let class = fleet.classes.get(&shop.spec.class);
        let class = class.ok_or_else(|| {
            CommandError::Missing(vec![format!(
                "class {} of shop {name} does not exist",
                shop.spec.class
            )])
        })?;
        let command = command(class.spec.engine, &class.spec.php.version).ok_or_else(|| {
            CommandError::Argument(format!(
                "shop {name} is of engine Php, whose caches only its own application knows"
            ))
        })?;
        let namespace = namespace(name);
        let cron = cluster
            .get(&identity("apps/v1", "Deployment", &namespace, "cron"))
            .await?;
        let cron = cron.ok_or_else(|| {
            CommandError::Argument(format!(
                "shop {name} has no pods: Deployment {namespace}/cron does not exist"
            ))
        })?;
        let job_name = format!("{PART}-{:08x}", rand::random::<u32>());
        cluster
            .put(
                &job(&cron, &namespace, &job_name, &command)?,
                Mode::Real,
                Conflicts::Refuse,
            )
            .await?;
        end(&cluster, &namespace, &job_name).await
    })
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
    Some([
        "/bin/sh".to_owned(),
        "-euc".to_owned(),
        format!("cd \"$(cd /srv/shop/current && pwd -P)\"; {program}"),
    ])
}

/// A Job whose pod is as those of the Deployment `cron`, and runs `command`.
fn job(
    cron: &Value,
    namespace: &str,
    name: &str,
    command: &[String],
) -> Result<Object, CommandError> {
    let strange = || {
        CommandError::Argument(format!(
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
    container["name"] = PART.into();
    container["command"] = json!(command);
    // It is no pod of the Deployment, and no one waits for it when it is asked to end.
    template["metadata"]["labels"]["app.kubernetes.io/component"] = PART.into();
    template["spec"]["restartPolicy"] = "Never".into();
    template["spec"]["terminationGracePeriodSeconds"] = 30.into();
    let spec = json!({ "backoffLimit": 0, "activeDeadlineSeconds": DEADLINE, "ttlSecondsAfterFinished": 3600, "template": template });
    // Without the label of what the scheduler keeps: it would be deleted as nobody's.
    let value = json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": name, "namespace": namespace }, "spec": spec });
    let object = serde_json::from_value(value).map_err(|_| strange())?;
    Ok(Object::dynamic(&object))
}

/// How the Job ended, once it has.
fn ended(job: &Value) -> Option<Result<(), String>> {
    let conditions = job["status"]["conditions"].as_array()?;
    conditions
        .iter()
        .filter(|condition| condition["status"] == "True")
        .find_map(|condition| match condition["type"].as_str() {
            Some("Complete") => Some(Ok(())),
            Some("Failed") => Some(Err(condition["message"]
                .as_str()
                .unwrap_or("it failed")
                .to_owned())),
            _ => None,
        })
}

async fn end(cluster: &Cluster, namespace: &str, name: &str) -> Result<(), CommandError> {
    let (job, deadline) = (
        identity("batch/v1", "Job", namespace, name),
        Instant::now() + Duration::from_secs(DEADLINE),
    );
    loop {
        let found = cluster.get(&job).await?.ok_or_else(|| {
            CommandError::Argument(format!("somebody deleted Job {namespace}/{name}"))
        })?;
        match ended(&found) {
            Some(Ok(())) => return show(&log(cluster, namespace, name).await?),
            Some(Err(why)) => {
                let log = log(cluster, namespace, name).await.unwrap_or_default();
                return Err(CommandError::Argument(format!(
                    "Job {namespace}/{name}: {why}\n{log}"
                )));
            }
            None if Instant::now() >= deadline => {
                return Err(CommandError::Argument(format!(
                    "Job {namespace}/{name} has not ended within {DEADLINE} s; look at its pod"
                )));
            }
            None => sleep(EVERY).await,
        }
    }
}

/// The last lines that it wrote.
async fn log(cluster: &Cluster, namespace: &str, job: &str) -> Result<String, CommandError> {
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
        container: Some(PART.to_owned()),
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

    #[test]
    fn the_job_is_crons_pod_with_another_command_and_another_part() {
        let cron = json!({ "spec": { "template": {
            "metadata": { "labels": { "app.kubernetes.io/component": "cron", "longshore.dev/shop": "acme" } },
            "spec": { "restartPolicy": "Always", "initContainers": [{ "name": "pull" }], "containers": [{ "name": "cron", "image": "shop@sha256:1", "command": ["cron.sh"], "volumeMounts": [{ "name": "sources" }] }] },
        } } });
        let command = command(Engine::Magento2, "8.3").unwrap();
        let job = job(&cron, "shop-acme", "clean-cache-1", &command)
            .unwrap()
            .value();
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
        assert!(super::job(&json!({}), "shop-acme", "j", &command).is_err());
    }

    #[test]
    fn the_code_of_magento_1_has_no_quote_that_ends_it() {
        assert!(!MAGENTO1.contains('\''));
    }

    #[test]
    fn a_job_ends_well_or_not() {
        let job = |kind: &str, status: &str| json!({ "status": { "conditions": [{ "type": kind, "status": status, "message": "BackoffLimitExceeded" }] } });
        assert_eq!(ended(&json!({})), None);
        assert_eq!(ended(&job("SuccessCriteriaMet", "True")), None);
        assert_eq!(ended(&job("Complete", "True")), Some(Ok(())));
        assert_eq!(ended(&job("Failed", "False")), None);
        assert_eq!(
            ended(&job("Failed", "True")),
            Some(Err("BackoffLimitExceeded".to_owned()))
        );
    }
}
