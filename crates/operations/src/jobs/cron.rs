//! Cron of a shop, now.

use super::{Job, Work, identity, job, made_up, start};
use crate::OperationError;
use api::{Engine, ShopClass, namespace};
use client::Cluster;
use serde_json::Value;

/// The Deployment of cron, its container, and the part of a shop that its pods are. A migration
/// waits for pods of this part, so it waits for ours, too.
const CRON: &str = "cron";

/// Runs what is due of a shop's cron now, in a pod like that of cron, and so with its release. Cron
/// itself goes on: the engine takes care that no job of its runs twice.
///
/// # Errors
///
/// If the engine takes no such care, if cron is stopped, or if the API server does not do it.
pub async fn run_cron(
    cluster: &Cluster,
    shop: &str,
    class: &ShopClass,
) -> Result<Job, OperationError> {
    let command = command(class.spec.engine, &class.spec.php.version).ok_or_else(|| {
        OperationError::Argument(format!(
            "shop {shop} is of engine Php: whether its cron.php may run twice at the same time, \
             only its application knows; Longshore runs it every minute"
        ))
    })?;
    let namespace = namespace(shop);
    let found = identity("apps/v1", "Deployment", &namespace, CRON);
    let found = cluster.get(&found).await?.ok_or_else(|| {
        OperationError::Argument(format!(
            "shop {shop} has no pods: Deployment {namespace}/{CRON} does not exist"
        ))
    })?;
    if !runs(&found) {
        return Err(OperationError::Argument(format!(
            "cron of shop {shop} is stopped: Deployment {namespace}/{CRON} has no pods, since the \
             shop's state is not Active, or its database is being changed; `longshore why {shop}` \
             says which"
        )));
    }
    let name = made_up(CRON);
    let work = Work {
        part: CRON,
        name: &name,
        command: &command,
    };
    let object = job(&found, &namespace, &work)?;
    start(cluster, object, namespace, name).await
}

/// Whether [`run_cron`] can, of an engine.
#[must_use]
pub const fn can_run_cron(engine: Engine) -> bool {
    !matches!(engine, Engine::Php)
}

/// Whether the scheduler wants cron to run.
fn runs(deployment: &Value) -> bool {
    deployment["spec"]["replicas"].as_i64() != Some(0)
}

/// Both mark a job in the database before they run it, so that nobody else does. What Magento 1
/// runs "always" it does not mark, and so it is left to cron.
fn command(engine: Engine, php: &str) -> Option<[String; 3]> {
    let program = match engine {
        Engine::Magento1 => format!("exec php{php} cron.php -mdefault"),
        Engine::Magento2 => format!("exec php{php} bin/magento cron:run"),
        Engine::Php => return None,
    };
    Some(super::in_release(&program))
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::fixtures;
    use client::scripted::{Script, expect};
    use serde_json::json;

    const DEPLOYMENT: &str = "GET /apis/apps/v1/namespaces/shop-acme/deployments/cron";

    fn deployment(replicas: i64) -> Value {
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}, "spec": { "replicas": replicas, "template": {
            "metadata": { "labels": { "app.kubernetes.io/component": "cron" } },
            "spec": { "containers": [{ "name": "cron", "command": ["cron.sh"] }] },
        } } })
    }

    #[tokio::test]
    async fn it_runs_only_while_cron_may() {
        let class = |engine: &str| fixtures::class("c", json!({ "engine": engine }));
        let script = Script::new([
            expect(DEPLOYMENT).answers(deployment(0)),
            expect(DEPLOYMENT).refuses(404, "NotFound", "none"),
        ]);
        let cluster = script.cluster();
        for (engine, said) in [
            ("Magento2", "cron of shop acme is stopped"),
            ("Magento2", "shop acme has no pods"),
            ("Php", "only its application knows"),
        ] {
            let error = run_cron(&cluster, "acme", &class(engine)).await;
            let error = error.unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        script.end();
    }

    #[test]
    fn what_can_run_has_a_command() {
        for engine in [Engine::Magento1, Engine::Magento2, Engine::Php] {
            assert_eq!(command(engine, "8.3").is_some(), can_run_cron(engine));
        }
    }

    #[test]
    fn its_pod_is_one_of_cron_for_which_a_migration_waits() {
        let command = command(Engine::Magento2, "8.3").unwrap();
        let work = Work {
            part: CRON,
            name: "cron-1",
            command: &command,
        };
        let job = job(&deployment(1), "shop-acme", &work).unwrap().value();
        let template = &job["spec"]["template"];
        let part = &template["metadata"]["labels"]["app.kubernetes.io/component"];
        assert_eq!(part, "cron");
        let command = template["spec"]["containers"][0]["command"][2].as_str();
        assert!(
            command
                .unwrap()
                .ends_with("; exec php8.3 bin/magento cron:run")
        );
        let of_1 = super::command(Engine::Magento1, "7.4").unwrap();
        assert!(of_1[2].ends_with("exec php7.4 cron.php -mdefault"));
    }
}
