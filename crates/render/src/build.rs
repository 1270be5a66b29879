//! The Job that builds a release's static content, once for all shops that run it.

use super::container;
use api::{Build, Engine, ShopClass};
use api::{Object, name};
use k8s_openapi::api::{
    batch::v1::{Job, JobSpec},
    core::v1::{
        Container, EmptyDirVolumeSource, EnvVar, EnvVarSource, PodSpec, PodTemplateSpec,
        SecretKeySelector, SecretVolumeSource, Volume, VolumeMount,
    },
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::core::ObjectMeta;
use release::{ChannelName, Sequence};
use std::collections::BTreeMap;

/// What Magento 2 is built by, if the class names no command.
const MAGENTO2: &str = include_str!("script/build-magento2.sh");
/// Where a build finds its Secret.
const SECRET: &str = "/etc/build";

/// The namespace in which builds run, apart from every shop.
pub const BUILDS: &str = "longshore-builds";

/// The service account of builds, there.
pub const BUILD_ACCOUNT: &str = "build";

/// Builds what `channel` runs from `sequence` on, if the class says how; the image's program
/// publishes what it built as the next sequence, signed by its own key.
///
/// One Job a release: a thousand shops that built the same files by themselves would need a
/// thousand times the time.
#[must_use]
pub fn build(class: &ShopClass, channel: &ChannelName, sequence: Sequence) -> Option<Object> {
    let build = class.spec.build.as_ref()?;
    let class_name = class.metadata.name.as_deref().unwrap_or_default();
    let name = name::within(
        &format!(
            "build-{class_name}-{}-{sequence}",
            channel.as_str().replace(['/', '_', '.'], "-")
        ),
        name::LABEL_LIMIT,
    );
    let labels: BTreeMap<String, String> = [
        (super::shop_context::MANAGED_BY, "longshore"),
        (super::shop_context::CLASS, class_name),
        (super::shop_context::COMPONENT, "build"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    let (mounts, volumes) = rooms(class, build);
    let container = Container {
        name: "build".to_owned(),
        image: Some(
            build
                .image
                .as_ref()
                .unwrap_or(&class.spec.images.shop)
                .clone(),
        ),
        command: Some(command(class, build)),
        env: Some(environment(class, build, channel, sequence)),
        resources: Some(container::resources(
            &class.spec.sizes.job,
            (&class.spec.disk.sources, &class.spec.disk.sources),
        )),
        security_context: Some(container::restricted()),
        volume_mounts: Some(mounts),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    };
    let (node_selector, tolerations) = super::pod::place(&class.spec.overlay);
    let pod = PodSpec {
        service_account_name: Some(BUILD_ACCOUNT.to_owned()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        restart_policy: Some("Never".to_owned()),
        priority_class_name: Some(super::pod::priority_class(api::Priority::Idle).to_owned()),
        security_context: Some(container::pod_security()),
        containers: vec![container],
        node_selector,
        tolerations,
        volumes: Some(volumes),
        ..PodSpec::default()
    };
    let meta = ObjectMeta {
        labels: Some(labels.clone()),
        ..ObjectMeta::default()
    };
    let metadata = ObjectMeta {
        name: Some(name),
        namespace: Some(BUILDS.to_owned()),
        labels: Some(labels),
        ..ObjectMeta::default()
    };
    let spec = JobSpec {
        backoff_limit: Some(1),
        active_deadline_seconds: Some(3600),
        ttl_seconds_after_finished: Some(24 * 3600),
        template: PodTemplateSpec {
            metadata: Some(meta),
            spec: Some(pod),
        },
        ..JobSpec::default()
    };
    Some(Object::new(&Job {
        metadata,
        spec: Some(spec),
        ..Job::default()
    }))
}

/// Where a build works, and its Secret.
fn rooms(class: &ShopClass, build: &Build) -> (Vec<VolumeMount>, Vec<Volume>) {
    let room = |name: &str, size: &str| Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            size_limit: Some(Quantity(size.to_owned())),
            medium: None,
        }),
        ..Volume::default()
    };
    let mut mounts = vec![
        container::mount("work", "/build"),
        container::mount("temporary", "/tmp"),
    ];
    let mut volumes = vec![
        room("work", &class.spec.disk.sources),
        room("temporary", &class.spec.disk.temporary),
    ];
    if let Some(secret) = &build.secret {
        mounts.push(container::read_only("secret", SECRET));
        let source = SecretVolumeSource {
            secret_name: Some(secret.name.clone()),
            default_mode: Some(0o440),
            ..SecretVolumeSource::default()
        };
        volumes.push(Volume {
            name: "secret".to_owned(),
            secret: Some(source),
            ..Volume::default()
        });
    }
    (mounts, volumes)
}

/// The class's own command, or the engine's; the API server knows that there is one.
fn command(class: &ShopClass, build: &Build) -> Vec<String> {
    if build.command.is_empty() && class.spec.engine == Engine::Magento2 {
        let script = MAGENTO2
            .replace("@PHP@", &format!("php{}", class.spec.php.version))
            .replace("@SECRET@", SECRET);
        return vec!["sh".to_owned(), "-c".to_owned(), script];
    }
    build.command.clone()
}

/// What a build is told, and by what the store knows it.
fn environment(
    class: &ShopClass,
    build: &Build,
    channel: &ChannelName,
    sequence: Sequence,
) -> Vec<EnvVar> {
    let store = &class.spec.store;
    let mut variables = vec![
        container::plain("BUILD_STORE", &store.location),
        container::plain("BUILD_CHANNEL", channel.as_str()),
        container::plain("BUILD_SEQUENCE", sequence.to_string()),
        container::plain("BUILD_TRUST", &store.trust),
        container::plain("AWS_REGION", &store.region),
    ];
    variables.extend(
        store
            .endpoint
            .as_ref()
            .map(|endpoint| container::plain("AWS_ENDPOINT_URL_S3", endpoint)),
    );
    let key = |secret: &str, key: &str| SecretKeySelector {
        name: secret.to_owned(),
        key: key.to_owned(),
        optional: Some(true),
    };
    if let Some(secret) = &build.secret {
        variables.extend(
            [
                ("AWS_ACCESS_KEY_ID", "access-key-id"),
                ("AWS_SECRET_ACCESS_KEY", "secret-access-key"),
            ]
            .map(|(name, entry)| {
                let source = EnvVarSource {
                    secret_key_ref: Some(key(&secret.name, entry)),
                    ..EnvVarSource::default()
                };
                EnvVar {
                    name: name.to_owned(),
                    value: None,
                    value_from: Some(source),
                }
            }),
        );
    }
    variables
}
