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
    let version = &frame.class.php.version;
    // Without php.ini. Before PHP 8, JSON is an extension, which Debian's php.ini would load.
    let json = if version.starts_with("7.") { &["-d", "extension=json"][..] } else { &[] };
    let words = [&["-n"], json].concat().into_iter().map(str::to_owned);
    let command = [format!("php{version}")].into_iter().chain(words).chain([format!("{}/prepare.php", path::APP)]);
    Some(Container {
        name: "prepare".to_owned(),
        image: Some(frame.class.images.shop.clone()),
        command: Some(command.collect()),
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
