//! The Job that builds a release's static content, once for all shops that run it.

use super::container;
use api::ShopClass;
use api::{Object, name};
use k8s_openapi::api::{
    batch::v1::{Job, JobSpec},
    core::v1::{Container, EmptyDirVolumeSource, PodSpec, PodTemplateSpec, Volume},
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::core::ObjectMeta;
use release::{ChannelName, Sequence};
use std::collections::BTreeMap;

/// The namespace in which builds run, apart from every shop.
pub const BUILDS: &str = "longshore-builds";

/// The service account of builds, there.
pub const BUILD_ACCOUNT: &str = "build";

/// Builds what `channel` runs from `sequence` on, where the class says how; the image's program publishes what it built as the next
/// sequence, signed by its own key.
///
/// One Job a release: a thousand shops that built the same files by themselves would need a thousand times the time.
#[must_use]
pub fn build(class: &ShopClass, channel: &ChannelName, sequence: Sequence) -> Option<Object> {
    let build = class.spec.build.as_ref()?;
    let class_name = class.metadata.name.as_deref().unwrap_or_default();
    let name =
        name::within(&format!("build-{class_name}-{}-{sequence}", channel.as_str().replace(['/', '_', '.'], "-")), name::LABEL_LIMIT);
    let labels: BTreeMap<String, String> =
        [(super::frame::MANAGED_BY, "longshore"), (super::frame::CLASS, class_name), (super::frame::COMPONENT, "build")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
    let container = Container {
        name: "build".to_owned(),
        image: Some(build.image.clone()),
        command: Some(build.command.clone()),
        env: Some(vec![
            container::plain("BUILD_STORE", &class.spec.store.location),
            container::plain("BUILD_CHANNEL", channel.as_str()),
            container::plain("BUILD_SEQUENCE", sequence.to_string()),
            container::plain("AWS_REGION", &class.spec.store.region),
        ]),
        resources: Some(container::resources(&class.spec.sizes.job, (&class.spec.disk.sources, &class.spec.disk.sources))),
        security_context: Some(container::restricted()),
        volume_mounts: Some(vec![container::mount("work", "/work"), container::mount("temporary", "/tmp")]),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    };
    let room = |name: &str, size: &str| Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource { size_limit: Some(Quantity(size.to_owned())), medium: None }),
        ..Volume::default()
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
        volumes: Some(vec![room("work", &class.spec.disk.sources), room("temporary", &class.spec.disk.temporary)]),
        ..PodSpec::default()
    };
    let meta = ObjectMeta { labels: Some(labels.clone()), ..ObjectMeta::default() };
    let metadata = ObjectMeta { name: Some(name), namespace: Some(BUILDS.to_owned()), labels: Some(labels), ..ObjectMeta::default() };
    let spec = JobSpec {
        backoff_limit: Some(1),
        active_deadline_seconds: Some(3600),
        ttl_seconds_after_finished: Some(24 * 3600),
        template: PodTemplateSpec { metadata: Some(meta), spec: Some(pod) },
        ..JobSpec::default()
    };
    Some(Object::of(&Job { metadata, spec: Some(spec), ..Job::default() }))
}
