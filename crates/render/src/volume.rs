//! The shop's media as a volume of a CSI driver, if the class says so: made by hand and bound to
//! one claim, so that nothing provisions, and nothing deletes.

use super::{pod::CLAIM, shop_context::ShopContext};
use api::StorageMode;
use api::{Object, name};
use k8s_openapi::{
    api::core::v1::{
        CSIPersistentVolumeSource, HostPathVolumeSource, NFSVolumeSource, ObjectReference,
        PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec, PersistentVolumeSpec,
        VolumeResourceRequirements,
    },
    apimachinery::pkg::api::resource::Quantity,
};
use std::collections::BTreeMap;

pub(crate) fn objects(context: &ShopContext<'_>) -> Vec<Object> {
    let (Some((media, wanted)), StorageMode::Csi) = (context.media, context.class.storage.mode)
    else {
        return Vec::new();
    };
    let volume = name::within(&format!("{}-media", context.namespace), name::LABEL_LIMIT);
    let capacity = BTreeMap::from([(
        "storage".to_owned(),
        Quantity(context.class.storage.claim.clone()),
    )]);
    let many = Some(vec!["ReadWriteMany".to_owned()]);
    let mut spec = PersistentVolumeSpec {
        access_modes: many.clone(),
        capacity: Some(capacity.clone()),
        // For this claim and no other; and it outlives the claim, the namespace and the shop.
        claim_ref: Some(ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("PersistentVolumeClaim".to_owned()),
            namespace: Some(context.namespace.clone()),
            name: Some(CLAIM.to_owned()),
            ..ObjectReference::default()
        }),
        persistent_volume_reclaim_policy: Some("Retain".to_owned()),
        // No class: a default one would provision another volume.
        storage_class_name: Some(String::new()),
        volume_mode: Some("Filesystem".to_owned()),
        ..PersistentVolumeSpec::default()
    };
    if let Some(efs) = &media.efs {
        let handle = match &wanted.access_point {
            Some(point) => format!("{}::{point}", efs.file_system),
            None => format!("{}:{}", efs.file_system, wanted.path),
        };
        let options = [("tls", efs.tls), ("iam", efs.iam)]
            .into_iter()
            .filter(|(_, wanted)| *wanted)
            .map(|(option, _)| option.to_owned());
        spec.mount_options = Some(options.collect()).filter(|options: &Vec<_>| !options.is_empty());
        spec.csi = Some(csi("efs.csi.aws.com", handle, BTreeMap::new()));
    } else if let Some(nfs) = &media.nfs {
        spec.mount_options = Some(
            [
                "nfsvers=4.1",
                "hard",
                "noresvport",
                "timeo=600",
                "retrans=2",
            ]
            .map(str::to_owned)
            .into(),
        );
        if let Some(driver) = &nfs.csi {
            spec.csi = Some(csi(
                &driver.driver,
                format!("{}#{}", driver.handle, context.shop),
                driver.attributes.clone(),
            ));
        } else {
            let path = format!("{}{}", nfs.export.trim_end_matches('/'), wanted.path);
            spec.nfs = Some(NFSVolumeSource {
                server: nfs.server.clone(),
                path,
                read_only: None,
            });
        }
    } else if let Some(directory) = &media.directory {
        let path = format!("{}{}", directory.path, wanted.path);
        spec.host_path = Some(HostPathVolumeSource {
            path,
            type_: Some("Directory".to_owned()),
        });
    }
    let claim = PersistentVolumeClaimSpec {
        access_modes: many,
        resources: Some(VolumeResourceRequirements {
            requests: Some(capacity),
            limits: None,
        }),
        storage_class_name: Some(String::new()),
        volume_mode: Some("Filesystem".to_owned()),
        volume_name: Some(volume.clone()),
        ..PersistentVolumeClaimSpec::default()
    };
    vec![
        Object::new(&PersistentVolume {
            metadata: context.cluster_meta(volume),
            spec: Some(spec),
            ..PersistentVolume::default()
        }),
        Object::new(&PersistentVolumeClaim {
            metadata: context.meta(CLAIM),
            spec: Some(claim),
            ..PersistentVolumeClaim::default()
        }),
    ]
}

fn csi(
    driver: &str,
    volume_handle: String,
    attributes: BTreeMap<String, String>,
) -> CSIPersistentVolumeSource {
    CSIPersistentVolumeSource {
        driver: driver.to_owned(),
        volume_handle,
        volume_attributes: (!attributes.is_empty()).then_some(attributes),
        ..CSIPersistentVolumeSource::default()
    }
}
