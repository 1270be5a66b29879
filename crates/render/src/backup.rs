//! The nightly copy of a shop's data.

use super::{container, namespace::ACCOUNT, path, pod, shop_context::ShopContext};
use api::{BackupSchedule, DeletionPolicy, ShopState, StorageMode};
use api::{Object, name};
use k8s_openapi::api::{
    batch::v1::{
        CronJob, CronJobSpec, JobSpec, JobTemplateSpec, PodFailurePolicy,
        PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
    },
    core::v1::{Container, PodSpec, PodTemplateSpec},
};
use kube::core::ObjectMeta;

/// The name of the CronJob.
pub const BACKUP: &str = "backup";
/// The annotation of a CronJob that runs once more before the shop is taken down: who takes it down
/// no longer has its Shop.
pub const LAST: &str = "longshore.dev/runs-before-deletion";

/// Seconds after which a backup is given up: two hours.
const DEADLINE: i64 = 7200;

pub(crate) fn cron_job(context: &ShopContext<'_>) -> Option<Object> {
    let target = context.class.backup.as_ref()?;
    let backup = &context.spec.backup;
    // Each shop at its own minute, and at the same one every night.
    let minute = name::spread(context.shop, 60);
    let schedule = match backup.schedule {
        BackupSchedule::Daily => format!("{minute} {} * * *", target.hour),
        BackupSchedule::Weekly => format!("{minute} {} * * 0", target.hour),
        BackupSchedule::Never => return None,
    };
    let meta = ObjectMeta {
        labels: Some(context.pod_labels("backup")),
        ..ObjectMeta::default()
    };
    let pod = PodTemplateSpec {
        metadata: Some(meta),
        spec: Some(pod_spec(context, &target.image, &target.bucket)),
    };
    let job = JobSpec {
        active_deadline_seconds: Some(DEADLINE),
        backoff_limit: Some(2),
        ttl_seconds_after_finished: Some(3600),
        // A node that is drained says nothing about the backup.
        pod_failure_policy: Some(PodFailurePolicy {
            rules: vec![PodFailurePolicyRule {
                action: "Ignore".to_owned(),
                on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
                    type_: "DisruptionTarget".to_owned(),
                    status: Some("True".to_owned()),
                }]),
                ..PodFailurePolicyRule::default()
            }],
        }),
        template: pod,
        ..JobSpec::default()
    };
    let spec = CronJobSpec {
        schedule,
        time_zone: Some(backup.time_zone.clone()),
        // A suspended shop's data no longer changes: its last backup is its newest.
        suspend: Some(context.spec.state == ShopState::Suspended),
        concurrency_policy: Some("Forbid".to_owned()),
        starting_deadline_seconds: Some(3600),
        successful_jobs_history_limit: Some(1),
        failed_jobs_history_limit: Some(1),
        job_template: JobTemplateSpec {
            metadata: None,
            spec: Some(job),
        },
    };
    let mut metadata = context.meta(BACKUP);
    if context.spec.deletion_policy == DeletionPolicy::Snapshot {
        metadata
            .annotations
            .get_or_insert_default()
            .insert(LAST.to_owned(), "true".to_owned());
    }
    Some(Object::new(&CronJob {
        metadata,
        spec,
        ..CronJob::default()
    }))
}

fn pod_spec(context: &ShopContext<'_>, image: &str, bucket: &str) -> PodSpec {
    let mut env = vec![
        container::plain("BACKUP_SHOP", context.shop),
        container::plain("BACKUP_BUCKET", bucket),
        container::plain(
            "BACKUP_KEEP_DAYS",
            context.spec.backup.keep_days.to_string(),
        ),
        container::plain("BACKUP_SECRET", path::SECRET),
        container::plain("AWS_REGION", &context.class.store.region),
    ];
    if let Some((server, wanted)) = context.database {
        env.push(container::plain("BACKUP_DATABASE_HOST", &server.host));
        env.push(container::plain(
            "BACKUP_DATABASE_PORT",
            server.port.to_string(),
        ));
        env.push(container::plain("BACKUP_DATABASE", &wanted.name));
    }
    env.extend(
        context
            .class
            .store
            .endpoint
            .as_ref()
            .map(|endpoint| container::plain("AWS_ENDPOINT_URL_S3", endpoint)),
    );
    env.extend(container::identity(&context.class.identity));
    let mut mounts = vec![container::mount("temporary", path::TEMPORARY)];
    if context.spec.config.secret_ref.is_some() {
        mounts.push(container::read_only("secret", path::SECRET));
    }
    if context.class.identity.has_token() {
        mounts.push(container::read_only("identity", path::IDENTITY));
    }
    // A list of the media goes with the dump. Where agents mount, the file system's own snapshots
    // have it.
    if context.media.is_some() && context.class.storage.mode == StorageMode::Csi {
        env.push(container::plain("BACKUP_MEDIA", path::SHARED));
        mounts.push(k8s_openapi::api::core::v1::VolumeMount {
            sub_path: pod::sub_path(context),
            ..container::read_only("shared", path::SHARED)
        });
    }
    let container = Container {
        name: "backup".to_owned(),
        image: Some(image.to_owned()),
        command: Some(vec!["longshore-backup".to_owned()]),
        env: Some(env),
        resources: Some(container::resources(
            &context.class.sizes.job,
            (&context.class.disk.temporary, &context.class.disk.temporary),
        )),
        security_context: Some(container::restricted()),
        volume_mounts: Some(mounts),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    };
    // It mounts no configuration.
    let volumes = pod::volumes(
        context,
        &super::config::Names::default(),
        [&container].into_iter(),
    );
    let (node_selector, tolerations) = pod::place(&context.class.overlay);
    PodSpec {
        node_selector,
        tolerations,
        service_account_name: Some(ACCOUNT.to_owned()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        restart_policy: Some("Never".to_owned()),
        priority_class_name: Some(pod::priority_class(api::Priority::Idle).to_owned()),
        security_context: Some(container::pod_security()),
        containers: vec![container],
        volumes: Some(volumes),
        ..PodSpec::default()
    }
}
