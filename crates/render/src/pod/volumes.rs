//! The volumes of a shop's pods, and where containers mount them.

use super::{CLAIM, directory};
use crate::{config::Names, container, path, shop_context::ShopContext};
use api::StorageMode;
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, Container, EmptyDirVolumeSource, HostPathVolumeSource, KeyToPath,
    PersistentVolumeClaimVolumeSource, ProjectedVolumeSource, SecretVolumeSource,
    ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeSet;

/// What these containers mount.
pub(crate) fn volumes<'a>(
    context: &ShopContext<'_>,
    names: &Names,
    containers: impl Iterator<Item = &'a Container>,
) -> Vec<Volume> {
    let mounted: BTreeSet<&str> = containers
        .flat_map(|container| container.volume_mounts.iter().flatten())
        .map(|it| it.name.as_str())
        .collect();
    let volume = |name: &str| Volume {
        name: name.to_owned(),
        ..Volume::default()
    };
    let config_map = |name: &str, map: &str| Volume {
        config_map: Some(ConfigMapVolumeSource {
            name: map.to_owned(),
            ..ConfigMapVolumeSource::default()
        }),
        ..volume(name)
    };
    let room = |name: &str, size: &str, medium: Option<&str>| Volume {
        empty_dir: Some(EmptyDirVolumeSource {
            size_limit: Some(Quantity(size.to_owned())),
            medium: medium.map(str::to_owned),
        }),
        ..volume(name)
    };
    let of_node = |name: &str, path: &str, kind: &str| Volume {
        host_path: Some(HostPathVolumeSource {
            path: path.to_owned(),
            type_: Some(kind.to_owned()),
        }),
        ..volume(name)
    };
    let mut volumes = Vec::with_capacity(mounted.len());
    let mut add = |name: &str, make: &dyn Fn(&str) -> Option<Volume>| {
        if mounted.contains(name) {
            volumes.extend(make(name));
        }
    };
    // The node's own disk. Nothing is ever mounted in it: the kubelet empties it recursively when
    // the pod goes.
    add("sources", &|name| {
        Some(room(name, &context.class.disk.sources, None))
    });
    add("temporary", &|name| {
        Some(room(name, &context.class.disk.temporary, None))
    });
    add("trust", &|name| Some(config_map(name, &names.trust)));
    add("release", &|name| {
        Some(config_map(name, crate::release::RELEASE))
    });
    // What the release is, and why agents wait, is no business of nginx.
    add("state", &|name| Some(closed(name)));
    add("app", &|name| Some(config_map(name, &names.app)));
    add("php", &|name| Some(config_map(name, &names.php)));
    add("nginx", &|name| Some(config_map(name, &names.nginx)));
    add("scripts", &|name| Some(config_map(name, &names.scripts)));
    add("writable", &|name| {
        Some(room(name, &context.class.disk.writable, None))
    });
    // A socket and nothing else; a file system of its own, so that what else is written there takes
    // no room of others.
    add("socket", &|name| Some(room(name, "64Ki", Some("Memory"))));
    // Four logs, which the agent empties at 16 MiB each; the rest is for what is written meanwhile.
    add("logs", &|name| Some(room(name, "96Mi", None)));
    // In memory, as passwords are in it.
    add("configured", &|name| {
        Some(room(name, "4Mi", Some("Memory")))
    });
    add("secret", &|name| secret(context, name));
    add("mounts", &|name| {
        context.media.map(|_| config_map(name, &names.mounts))
    });
    add("shared", &|name| {
        context.media.map(|_| match context.class.storage.mode {
            StorageMode::Agent => {
                of_node(name, &context.class.storage.directory, "DirectoryOrCreate")
            }
            StorageMode::Csi => Volume {
                persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                    claim_name: CLAIM.to_owned(),
                    read_only: None,
                }),
                ..volume(name)
            },
        })
    });
    // It has to be there: an empty directory in its place would look like a shop that lost its
    // media.
    add("directory", &|name| {
        context
            .media
            .and_then(|_| directory(context))
            .map(|path| of_node(name, path, "Directory"))
    });
    add("node", &|name| {
        context
            .class
            .node_cache
            .as_ref()
            .map(|cache| of_node(name, &cache.directory, "DirectoryOrCreate"))
    });
    add("identity", &|_| token(context));
    volumes
}

/// Whether visitors are kept out, and nothing else of the release's ConfigMap.
fn closed(name: &str) -> Volume {
    let closed = KeyToPath {
        key: path::CLOSED_FILE.to_owned(),
        path: path::CLOSED_FILE.to_owned(),
        mode: None,
    };
    let source = ConfigMapVolumeSource {
        name: crate::release::RELEASE.to_owned(),
        items: Some(vec![closed]),
        optional: Some(true),
        ..ConfigMapVolumeSource::default()
    };
    Volume {
        name: name.to_owned(),
        config_map: Some(source),
        ..Volume::default()
    }
}

fn secret(context: &ShopContext<'_>, name: &str) -> Option<Volume> {
    let secret = context.spec.config.secret_ref.as_ref()?;
    let source = SecretVolumeSource {
        secret_name: Some(secret.name.clone()),
        default_mode: Some(0o440),
        ..SecretVolumeSource::default()
    };
    Some(Volume {
        name: name.to_owned(),
        secret: Some(source),
        ..Volume::default()
    })
}

/// A token for the store alone: the API server does not take it.
fn token(context: &ShopContext<'_>) -> Option<Volume> {
    let identity = &context.class.identity;
    let audience = match (&identity.web_identity, &identity.azure, &identity.google) {
        (Some(web), ..) => web.audience.clone(),
        (None, None, None) => return None,
        _ => "sts.amazonaws.com".to_owned(),
    };
    let projection = ServiceAccountTokenProjection {
        audience: Some(audience),
        expiration_seconds: Some(3600),
        path: "token".to_owned(),
    };
    let sources = vec![VolumeProjection {
        service_account_token: Some(projection),
        ..VolumeProjection::default()
    }];
    Some(Volume {
        name: "identity".to_owned(),
        projected: Some(ProjectedVolumeSource {
            sources: Some(sources),
            default_mode: Some(0o440),
        }),
        ..Volume::default()
    })
}

/// Mounts of `pull` and `agent`: what they write, and what no tenant sees.
pub(crate) fn our_mounts(context: &ShopContext<'_>) -> Vec<VolumeMount> {
    let mut mounts = vec![
        container::mount("sources", path::ROOT),
        container::mount("writable", path::WRITABLE),
        container::read_only("trust", path::TRUST),
        container::read_only("release", path::RELEASE),
    ];
    if context.configured().is_some() {
        mounts.extend(application_mounts(context));
        mounts.push(container::mount("configured", path::CONFIGURED));
    }
    if context.class.node_cache.is_some() {
        mounts.push(container::mount("node", path::NODE));
    }
    if token(context).is_some() {
        mounts.push(container::read_only("identity", path::IDENTITY));
    }
    mounts
}

/// Mounts of the shop's own configuration and its Secret.
pub(crate) fn application_mounts(context: &ShopContext<'_>) -> Vec<VolumeMount> {
    let mut mounts = vec![container::read_only("app", path::APP)];
    mounts.extend(
        context
            .spec
            .config
            .secret_ref
            .as_ref()
            .map(|_| container::read_only("secret", path::SECRET)),
    );
    mounts
}
