//! The Deployment that runs a shop's cron: one pod with a loop, since thousands of CronJobs a
//! minute fall behind by minutes.

use super::{
    config::Names,
    container, path,
    pod::{self, Part},
    shop_context::ShopContext,
};
use api::ShopState;
use api::{Migrating, Object};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy};

/// Seconds that a job which has begun may take when the pod ends.
const GRACE: i64 = 600;

pub(crate) fn deployment(context: &ShopContext<'_>, names: &Names) -> Object {
    // Cron writes: not to a shop that is closed for work, and not to a database that is being
    // changed or that its release does not know.
    let runs = context.spec.state == ShopState::Active
        && context.render_context.migrating == Migrating::No
        && !context.closed();
    let script = format!("{}/cron.sh", path::SCRIPTS);
    let init = vec![container::pull(context), container::follower(context)];
    let mut main = container::worker(
        context,
        "cron",
        &context.class.sizes.cron,
        vec!["/bin/sh".to_owned(), script],
    );
    // Here an agent reads them.
    main.volume_mounts
        .get_or_insert_default()
        .push(container::mount("logs", path::LOGS));
    let part = Part {
        component: "cron",
        grace: GRACE,
        restart: "Always",
        spread: false,
    };
    let spec = DeploymentSpec {
        replicas: Some(i32::from(runs)),
        selector: context.selector("cron"),
        // Never two at once: the same order would be mailed twice.
        strategy: Some(DeploymentStrategy {
            type_: Some("Recreate".to_owned()),
            rolling_update: None,
        }),
        progress_deadline_seconds: Some(900),
        revision_history_limit: Some(2),
        template: pod::template(context, names, part, init, main),
        ..DeploymentSpec::default()
    };
    Object::new(&Deployment {
        metadata: context.meta("cron"),
        spec: Some(spec),
        ..Deployment::default()
    })
}
