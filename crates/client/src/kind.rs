//! The kinds that shops are made of, and where the API server has them.

use api::Identity;
use kube::{
    api::GroupVersionKind,
    core::{ApiResource, GroupVersion},
};

/// The label that names an object's shop.
pub const SHOP: &str = "longshore.dev/shop";

/// A kind of generated objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// Such as `apps/v1`.
    pub api_version: &'static str,
    /// Such as `Deployment`.
    pub name: &'static str,
    plural: &'static str,
    /// Whether a cluster may lack it.
    pub optional: bool,
    /// Whether its objects are in the shop's namespace.
    pub namespaced: bool,
}

const fn kind(api_version: &'static str, name: &'static str, plural: &'static str) -> Kind {
    Kind {
        api_version,
        name,
        plural,
        optional: false,
        namespaced: true,
    }
}

const fn of_cluster(name: &'static str, plural: &'static str) -> Kind {
    Kind {
        namespaced: false,
        ..kind("v1", name, plural)
    }
}

/// Every kind that `render` makes, in the order in which objects are applied.
pub const KINDS: &[Kind] = &[
    of_cluster("Namespace", "namespaces"),
    of_cluster("PersistentVolume", "persistentvolumes"),
    kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    kind("v1", "ServiceAccount", "serviceaccounts"),
    kind("v1", "ResourceQuota", "resourcequotas"),
    kind("v1", "LimitRange", "limitranges"),
    kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    kind("v1", "ConfigMap", "configmaps"),
    kind("v1", "Service", "services"),
    kind("networking.k8s.io/v1", "Ingress", "ingresses"),
    Kind {
        optional: true,
        ..kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes")
    },
    kind("coordination.k8s.io/v1", "Lease", "leases"),
    kind("batch/v1", "Job", "jobs"),
    kind("apps/v1", "Deployment", "deployments"),
    kind(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
    ),
    kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    kind("batch/v1", "CronJob", "cronjobs"),
];

impl Kind {
    /// Where the API server has it.
    #[must_use]
    pub fn resource(&self) -> ApiResource {
        resource(self.api_version, self.name, self.plural)
    }

    /// Who an object of this kind is.
    #[must_use]
    pub fn identity(&self, namespace: Option<String>, name: String) -> Identity {
        Identity {
            api_version: self.api_version.into(),
            kind: self.name.into(),
            namespace,
            name,
        }
    }
}

/// Where objects of the kind of `identity` are; an unknown kind is taken to have a regular plural.
pub(crate) fn resource_of(identity: &Identity) -> ApiResource {
    let known = KINDS
        .iter()
        .find(|kind| kind.api_version == identity.api_version && kind.name == identity.kind);
    known.map_or_else(
        || ApiResource::from_gvk(&group_version(&identity.api_version).with_kind(&identity.kind)),
        Kind::resource,
    )
}

fn resource(api_version: &str, kind: &str, plural: &str) -> ApiResource {
    let GroupVersion { group, version, .. } = group_version(api_version);
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(&group, &version, kind), plural)
}

fn group_version(api_version: &str) -> GroupVersion {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    GroupVersion::gv(group, version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_named_as_the_api_server_names_them() {
        let named: Vec<_> = KINDS
            .iter()
            .map(Kind::resource)
            .map(|it| (it.api_version, it.plural))
            .collect();
        assert!(named.contains(&("networking.k8s.io/v1".into(), "networkpolicies".into())));
        assert!(named.contains(&("v1".into(), "configmaps".into())));
    }
}
