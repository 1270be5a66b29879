//! What the scheduler may do, as one table. A verb that `run` stops using leaves the table with it.

use super::{cluster_meta, meta};
use api::Object;
use api::SYSTEM;
use k8s_openapi::api::{
    core::v1::ServiceAccount,
    rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject},
};
use kube::core::ObjectMeta;
use render::{BUILD_ACCOUNT, BUILDS};

/// The scheduler's account, roles and bindings.
pub(super) const NAME: &str = "longshore-scheduler";

/// API group, resources, verbs, and why.
type Rule = (&'static str, &'static [&'static str], &'static [&'static str]);

/// In all namespaces, as far as [`admission`](super::admission) lets it write. Nothing here reads a Secret, and nothing deletes a volume, a claim, a Job or a namespace. What people do, such as
/// starting a rollout or pulling the andon cord, they do with rights of their own.
const CLUSTER: &[Rule] = &[
    // What people and CI say; who a wave moves is written to status alone.
    ("longshore.dev", &["shops", "shopclasses", "releases", "rollouts"], &["list", "watch"]),
    // Asked once more before a shop is taken down.
    ("longshore.dev", &["shops"], &["get"]),
    ("longshore.dev", &["shops/status", "shopclasses/status", "releases/status", "rollouts/status"], &["patch"]),
    // What a shop is. Server-side apply is a patch, and a create where there was nothing.
    ("", &["configmaps", "services", "serviceaccounts", "resourcequotas", "limitranges"], &["create", "delete", "list", "patch", "watch"]),
    ("apps", &["deployments"], &["create", "delete", "list", "patch", "watch"]),
    ("autoscaling", &["horizontalpodautoscalers"], &["create", "delete", "list", "patch", "watch"]),
    ("policy", &["poddisruptionbudgets"], &["create", "delete", "list", "patch", "watch"]),
    ("networking.k8s.io", &["networkpolicies", "ingresses"], &["create", "delete", "list", "patch", "watch"]),
    ("gateway.networking.k8s.io", &["httproutes"], &["create", "delete", "list", "patch", "watch"]),
    // Read for a last backup, which is a Job like it.
    ("batch", &["cronjobs"], &["create", "delete", "get", "list", "patch", "watch"]),
    // Who migrates a database holds its Lease.
    ("coordination.k8s.io", &["leases"], &["create", "delete", "get", "list", "patch", "watch"]),
    // Made, and never deleted.
    ("batch", &["jobs"], &["create", "list", "patch", "watch"]),
    ("", &["namespaces", "persistentvolumes", "persistentvolumeclaims"], &["create", "list", "patch", "watch"]),
    // A touched pod reads its ConfigMap at once.
    ("", &["pods"], &["list", "patch"]),
    // What agents say of a release, asked of shops that are on their way; and what a shop was told, where its status was lost.
    ("", &["pods/proxy", "configmaps"], &["get"]),
    ("events.k8s.io", &["events"], &["create"]),
];

/// In the scheduler's own namespace, besides: the Leases of its shards.
const OWN: &[Rule] = &[("coordination.k8s.io", &["leases"], &["update"])];

pub(super) fn objects() -> Vec<Object> {
    let subject =
        || Subject { kind: "ServiceAccount".to_owned(), name: NAME.to_owned(), namespace: Some(SYSTEM.to_owned()), ..Subject::default() };
    let role =
        |kind: &str| RoleRef { api_group: Some("rbac.authorization.k8s.io".to_owned()), kind: kind.to_owned(), name: NAME.to_owned() };
    vec![
        Object::of(&ServiceAccount { metadata: meta(NAME), automount_service_account_token: Some(false), ..ServiceAccount::default() }),
        // Builds have an account, for the cloud to know them by, and no rights here.
        Object::of(&ServiceAccount {
            metadata: ObjectMeta { namespace: Some(BUILDS.to_owned()), ..meta(BUILD_ACCOUNT) },
            automount_service_account_token: Some(false),
            ..ServiceAccount::default()
        }),
        Object::of(&ClusterRole { metadata: cluster_meta(NAME), rules: Some(rules(CLUSTER)), ..ClusterRole::default() }),
        Object::of(&ClusterRoleBinding { metadata: cluster_meta(NAME), role_ref: role("ClusterRole"), subjects: Some(vec![subject()]) }),
        Object::of(&Role { metadata: meta(NAME), rules: Some(rules(OWN)) }),
        Object::of(&RoleBinding { metadata: meta(NAME), role_ref: role("Role"), subjects: Some(vec![subject()]) }),
    ]
}

fn rules(table: &[Rule]) -> Vec<PolicyRule> {
    let all = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let rule = |(group, resources, verbs): &Rule| PolicyRule {
        api_groups: Some(vec![(*group).to_owned()]),
        resources: Some(all(resources)),
        verbs: all(verbs),
        ..PolicyRule::default()
    };
    table.iter().map(rule).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_data_or_secrets_is_out_of_reach() {
        for (group, resources, verbs) in CLUSTER.iter().chain(OWN) {
            assert!(!resources.contains(&"secrets") && !resources.contains(&"*") && !verbs.contains(&"*") && *group != "*");
            let data = ["namespaces", "persistentvolumes", "persistentvolumeclaims", "shops", "jobs"];
            if resources.iter().any(|resource| data.contains(resource)) {
                assert!(!verbs.contains(&"delete") && !verbs.contains(&"deletecollection"), "{resources:?}");
            }
        }
    }
}
