//! `prepare`: leads the release's shared paths to where they are in this pod, and writes the configuration that holds secrets.
//!
//! A tree's `media` is a link to `$LONGSHORE_STORAGE/media`. That is a small directory in memory, with links into the mounted file
//! system and, where Magento looks for it, the configuration with its passwords: so neither ever touches a disk.

use super::{mount, read_only, resources};
use crate::render::{frame::Frame, path, pod};
use k8s_openapi::api::core::v1::Container;

pub(crate) fn prepare(frame: &Frame<'_>) -> Option<Container> {
    if !frame.links() {
        return None;
    }
    let mut mounts = vec![mount("storage", path::STORAGE), mount("temporary", path::TEMPORARY)];
    mounts.extend(pod::application_mounts(frame));
    Some(Container {
        name: "prepare".to_owned(),
        image: Some(frame.class.images.shop.clone()),
        command: Some(vec![format!("php{}", frame.class.php.version), "-n".to_owned(), format!("{}/prepare.php", path::APP)]),
        resources: Some(resources(&frame.class.sizes.nginx, ("16Mi", "64Mi"))),
        security_context: Some(super::restricted()),
        volume_mounts: Some(mounts),
        ..Container::default()
    })
}

/// The volume that `prepare` fills, as the others see it.
pub(super) fn prepared(frame: &Frame<'_>) -> Vec<k8s_openapi::api::core::v1::VolumeMount> {
    if frame.links() { vec![read_only("storage", path::STORAGE)] } else { Vec::new() }
}
