//! The namespace of a shop, and what bounds everything in it: Namespace, ServiceAccount,
//! ResourceQuota, LimitRange.

use super::{amount::Requests, demand::Demand, shop_context::ShopContext};
use api::Object;
use api::StorageMode;
use k8s_openapi::{
    api::core::v1::{
        LimitRange, LimitRangeItem, LimitRangeSpec, Namespace, ResourceQuota, ResourceQuotaSpec,
        ServiceAccount,
    },
    apimachinery::pkg::api::resource::Quantity,
};
use std::collections::BTreeMap;

/// Pods of cron and jobs at most.
const BESIDE: u32 = 10;
/// The annotation of a namespace with what its Shop said of its data.
const DELETION_POLICY: &str = "longshore.dev/deletion-policy";
/// The service account of a shop's pods: one each, so that the cloud can tell shops apart.
pub(crate) const ACCOUNT: &str = "shop";

pub(crate) fn namespace(context: &ShopContext<'_>) -> Object {
    let mut metadata = context.cluster_meta(context.namespace.clone());
    // The agent's mounts have to reach the other containers, which takes a privileged one. Where a
    // CSI driver mounts, nobody is.
    let level = match context.class.storage.mode {
        StorageMode::Agent if context.media.is_some() || context.class.node_cache.is_some() => {
            "privileged"
        }
        StorageMode::Agent | StorageMode::Csi => "restricted",
    };
    // The Shop will be gone when a person asks what may go with it.
    let policy = format!("{:?}", context.spec.deletion_policy);
    metadata
        .annotations
        .get_or_insert_default()
        .insert(DELETION_POLICY.to_owned(), policy);
    let labels = metadata.labels.get_or_insert_default();
    for mode in ["enforce", "audit", "warn"] {
        labels.insert(
            format!("pod-security.kubernetes.io/{mode}"),
            level.to_owned(),
        );
    }
    Object::new(&Namespace {
        metadata,
        ..Namespace::default()
    })
}

pub(crate) fn account(context: &ShopContext<'_>) -> Object {
    let mut metadata = context.meta(ACCOUNT);
    let identity = &context.class.identity;
    let mut annotate = |key: &str, value: &str| {
        metadata
            .annotations
            .get_or_insert_default()
            .insert(key.to_owned(), value.to_owned());
    };
    if let Some(azure) = &identity.azure {
        annotate("azure.workload.identity/client-id", &azure.client_id);
    }
    if let Some(google) = &identity.google {
        annotate("iam.gke.io/gcp-service-account", &google.service_account);
    }
    // Nothing in a shop speaks to the API server.
    Object::new(&ServiceAccount {
        metadata,
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    })
}

/// What a runaway job may take from the others at most: twice the pods that the shop can have, and
/// room for cron and jobs.
pub(crate) fn quota(context: &ShopContext<'_>) -> Object {
    let most = 2 * Demand::new(context).most();
    let (sizes, overlay) = (&context.class.sizes, &context.class.overlay);
    let around = Requests::new(&sizes.agent).plus(Requests::new(&sizes.nginx));
    let extra = overlay
        .extra_containers
        .iter()
        .map(|extra| Requests::new(&extra.size))
        .fold(Requests::default(), Requests::plus);
    let web = around
        .plus(Requests::new(&sizes.php_fpm))
        .plus(extra)
        .times(most);
    let workers = around
        .plus(Requests::new(&sizes.cron))
        .plus(around)
        .plus(Requests::new(&sizes.job))
        .times(BESIDE / 2);
    let requests = web.plus(workers);
    let hard = [
        ("pods", (most + BESIDE).to_string()),
        ("requests.cpu", requests.cpu()),
        ("requests.memory", requests.memory()),
        ("count/jobs.batch", "20".to_owned()),
        ("count/secrets", "50".to_owned()),
        ("count/configmaps", "100".to_owned()),
        ("services", "5".to_owned()),
        ("services.loadbalancers", "0".to_owned()),
        ("services.nodeports", "0".to_owned()),
        ("persistentvolumeclaims", "2".to_owned()),
    ];
    let hard = hard.map(|(key, value)| (key.to_owned(), Quantity(value)));
    let spec = ResourceQuotaSpec {
        hard: Some(hard.into()),
        ..ResourceQuotaSpec::default()
    };
    Object::new(&ResourceQuota {
        metadata: context.meta("shop"),
        spec: Some(spec),
        ..ResourceQuota::default()
    })
}

/// What a container gets that says nothing, such as one of `kubectl debug`: without it, it could
/// take a whole node.
pub(crate) fn limits(context: &ShopContext<'_>) -> Object {
    let amounts = |pairs: [(&str, &str); 2]| -> Option<BTreeMap<String, Quantity>> {
        Some(
            pairs
                .map(|(key, value)| (key.to_owned(), Quantity(value.to_owned())))
                .into(),
        )
    };
    let item = LimitRangeItem {
        type_: "Container".to_owned(),
        default: amounts([("memory", "256Mi"), ("ephemeral-storage", "256Mi")]),
        default_request: amounts([("cpu", "10m"), ("memory", "64Mi")]),
        ..LimitRangeItem::default()
    };
    Object::new(&LimitRange {
        metadata: context.meta("shop"),
        spec: Some(LimitRangeSpec { limits: vec![item] }),
    })
}
