//! `pull`: longshore-init, which puts the release in force on the disk before anything else starts.

use super::{environment, resources};
use crate::render::{frame::Frame, pod};
use k8s_openapi::api::core::v1::Container;

pub(crate) fn pull(frame: &Frame<'_>) -> Container {
    let disk = &frame.class.disk;
    Container {
        name: "pull".to_owned(),
        image: Some(frame.class.images.longshore.clone()),
        command: Some(vec!["longshore-init".to_owned()]),
        env: Some(environment::shared(frame)),
        // The volume's size counts against the largest of what runs at once, so each of the two that write there names it.
        resources: Some(resources(&frame.class.sizes.pull, (&disk.sources, &disk.sources))),
        security_context: Some(pod::ours(frame, false)),
        volume_mounts: Some(pod::our_mounts(frame)),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    }
}
