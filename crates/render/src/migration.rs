//! The Job that brings a shop's database to a release, and the Lease that says whose turn it is.

use super::{
    config::Names,
    container, path,
    pod::{self, Part},
    scripts,
    shop_context::ShopContext,
};
use api::{Migrating, Object, name};
use k8s_openapi::api::{
    batch::v1::{
        Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
        PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
    },
    coordination::v1::Lease,
};

/// The Lease of a shop's database. Who holds it is not rendered: the controller takes it, and gives
/// it back.
pub const LEASE: &str = "migration";
/// Seconds after which a pod that migrates is given up: an hour.
const POD_DEADLINE: i64 = 3600;
/// How often a pod is made again of which only `pull` failed. Job controllers wait 10 s, then twice
/// as long each time.
const PULLS: i32 = 6;
/// Seconds after which the Job is given up: `pull` as often as that, for ten minutes each, and a
/// whole migration after it.
pub const DEADLINE: i64 = 3 * POD_DEADLINE;

pub(crate) fn lease(context: &ShopContext<'_>) -> Object {
    Object::new(&Lease {
        metadata: context.meta(LEASE),
        ..Lease::default()
    })
}

/// Only while the controller holds the Lease and cron has ended: a Job runs as soon as it exists.
pub(crate) fn job(context: &ShopContext<'_>, names: &Names) -> Option<Object> {
    let release = context.release?;
    let pending = context
        .render_context
        .migrated
        .is_none_or(|migrated| migrated < release.sequence);
    if !scripts::migrates(context) || !pending || context.render_context.migrating != Migrating::Now
    {
        return None;
    }
    let init = vec![
        container::pull_in_force(context),
        container::follower(context),
    ];
    let script = format!("{}/migrate.sh", path::SCRIPTS);
    let mut main = container::worker(
        context,
        "migrate",
        &context.class.sizes.job,
        vec!["/bin/sh".to_owned(), script],
    );
    // Its last lines say what is missing: they stay with the pod.
    main.termination_message_policy = Some("FallbackToLogsOnError".to_owned());
    let part = Part {
        component: "migration",
        grace: 60,
        restart: "Never",
        spread: false,
    };
    let mut template = pod::template(context, names, part, init, main);
    if let Some(spec) = &mut template.spec {
        spec.active_deadline_seconds = Some(POD_DEADLINE);
    }
    let spec = JobSpec {
        backoff_limit: Some(PULLS),
        pod_failure_policy: Some(failure_policy()),
        active_deadline_seconds: Some(DEADLINE),
        ttl_seconds_after_finished: Some(7 * 24 * 3600),
        template,
        ..JobSpec::default()
    };
    let name = name::within(&format!("release-{}", release.sequence), name::LABEL_LIMIT);
    Some(Object::new(&Job {
        metadata: context.meta(name),
        spec: Some(spec),
        ..Job::default()
    }))
}

/// A migration that failed is looked at by a person: half of it may have run. Where `pull` failed
/// nothing has, and the Job tries again.
fn failure_policy() -> PodFailurePolicy {
    let failed = |container: &str, action: &str| PodFailurePolicyRule {
        action: action.to_owned(),
        on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
            container_name: Some(container.to_owned()),
            operator: "NotIn".to_owned(),
            values: vec![0],
        }),
        ..PodFailurePolicyRule::default()
    };
    // Its node went, or somebody drained it: nobody knows how far it was.
    let disrupted = PodFailurePolicyRule {
        action: "FailJob".to_owned(),
        on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
            type_: "DisruptionTarget".to_owned(),
            status: Some("True".to_owned()),
        }]),
        ..PodFailurePolicyRule::default()
    };
    PodFailurePolicy {
        rules: vec![
            failed("pull", "Count"),
            failed("migrate", "FailJob"),
            disrupted,
        ],
    }
}
