//! Who sees or manages the shops of a label, as Kubernetes' roles. RBAC knows names and no labels:
//! these have the names of the shops that have the label when they are written.

use crate::OperationError;
use api::{Object, SYSTEM, Shop, namespace};
use client::{Cluster, Conflicts, Mode};
use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, RoleBinding, RoleRef, Subject,
};
use kube::{
    Resource,
    api::{Api, ListParams, ObjectMeta},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

/// What says of an object which name it was made for.
pub const LABEL: &str = "longshore.dev/roles";
/// Objects that are listed at once.
const PAGE: u32 = 500;
const GROUP: &str = "rbac.authorization.k8s.io";
/// Roles of the chart. Bound in a namespace, they give what of theirs is in one.
const VIEWER: &str = "longshore-viewer";
const MANAGER: &str = "longshore-shop-manager";
const ROLLOUTS: &str = "longshore-rollouts";

/// Who may do what, with which shops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    /// Its name.
    pub name: String,
    /// Groups, as the API server knows them.
    pub groups: Vec<String>,
    /// Whether they change, move and back up what they see.
    pub manage: bool,
    /// The shops.
    pub shops: BTreeSet<String>,
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Objects that were written.
    pub written: usize,
    /// Bindings in namespaces of shops that have the label no longer, and of what the role lacks.
    pub deleted: usize,
    /// Shops that have no namespace yet, or no longer.
    pub without_namespace: Vec<String>,
}

impl Roles {
    /// What gives these rights.
    #[must_use]
    pub fn objects(&self) -> Vec<Object> {
        let name = format!("longshore-shops-of-{}", self.name);
        let mut objects = vec![
            Object::new(&self.cluster_role(&name)),
            Object::new(&ClusterRoleBinding {
                metadata: self.metadata(&name, None),
                role_ref: role("ClusterRole", &name),
                subjects: Some(self.subjects()),
            }),
            // To see the halt.
            Object::new(&self.binding(&name, SYSTEM, role("Role", VIEWER))),
        ];
        if self.manage {
            objects.push(Object::new(&ClusterRoleBinding {
                metadata: self.metadata(&format!("{name}-rollouts"), None),
                role_ref: role("ClusterRole", ROLLOUTS),
                subjects: Some(self.subjects()),
            }));
        }
        for shop in &self.shops {
            let namespace = namespace(shop);
            let see = role("ClusterRole", VIEWER);
            objects.push(Object::new(&self.binding(&name, &namespace, see)));
            if self.manage {
                let (name, manage) = (format!("{name}-work"), role("ClusterRole", MANAGER));
                objects.push(Object::new(&self.binding(&name, &namespace, manage)));
            }
        }
        objects
    }

    fn cluster_role(&self, name: &str) -> ClusterRole {
        let verbs: &[&str] = if self.manage {
            &["get", "patch"]
        } else {
            &["get"]
        };
        let rule = PolicyRule {
            api_groups: Some(vec!["longshore.dev".to_owned()]),
            resources: Some(vec!["shops".to_owned()]),
            resource_names: Some(self.shops.iter().cloned().collect()),
            verbs: verbs.iter().map(|&verb| verb.to_owned()).collect(),
            ..PolicyRule::default()
        };
        ClusterRole {
            metadata: self.metadata(name, None),
            // A rule without names would be one of all shops.
            rules: Some(Vec::from_iter((!self.shops.is_empty()).then_some(rule))),
            ..ClusterRole::default()
        }
    }

    fn binding(&self, name: &str, namespace: &str, role_ref: RoleRef) -> RoleBinding {
        RoleBinding {
            metadata: self.metadata(name, Some(namespace)),
            role_ref,
            subjects: Some(self.subjects()),
        }
    }

    fn metadata(&self, name: &str, namespace: Option<&str>) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.to_owned()),
            namespace: namespace.map(str::to_owned),
            labels: Some(BTreeMap::from([(LABEL.to_owned(), self.name.clone())])),
            ..ObjectMeta::default()
        }
    }

    fn subjects(&self) -> Vec<Subject> {
        let subject = |group: &String| Subject {
            api_group: Some(GROUP.to_owned()),
            kind: "Group".to_owned(),
            name: group.clone(),
            namespace: None,
        };
        self.groups.iter().map(subject).collect()
    }
}

fn role(kind: &str, name: &str) -> RoleRef {
    RoleRef {
        api_group: Some(GROUP.to_owned()),
        kind: kind.to_owned(),
        name: name.to_owned(),
    }
}

/// The shops that a label selector finds, as `kubectl get shops --selector` does.
///
/// # Errors
///
/// If the API server does not do it, as where it is no selector.
pub async fn shops(cluster: &Cluster, selector: &str) -> Result<BTreeSet<String>, OperationError> {
    let api: Api<Shop> = Api::all(cluster.client());
    let params = ListParams::default().labels(selector).limit(PAGE);
    let page = |params| {
        let api = api.clone();
        async move { api.list_metadata(&params).await }
    };
    let found = cluster.pages("list shops", params, page, |shop| shop.metadata.name);
    Ok(found.await?.into_iter().collect())
}

/// Writes the roles, and deletes the other bindings of this name: in namespaces of other shops, and
/// those of a manager who only looks now. What takes a right away is done first.
///
/// # Errors
///
/// If the API server does not do it.
pub async fn apply(cluster: &Cluster, roles: &Roles) -> Result<Applied, OperationError> {
    let objects = roles.objects();
    let mut applied = Applied::default();
    let wanted: BTreeSet<_> = objects.iter().map(Object::identity).collect();
    for (binding, uid) in bindings(cluster, &roles.name).await? {
        if !wanted.contains(binding.identity()) {
            cluster.delete(binding.identity(), &uid).await?;
            applied.deleted += 1;
        }
    }
    for object in &objects {
        match cluster.put(object, Mode::Real, Conflicts::Take).await {
            Ok(_) => applied.written += 1,
            Err(error) if error.is_missing() => {
                let shop = object.identity().namespace.clone().unwrap_or_default();
                applied.without_namespace.push(shop);
            }
            Err(error) => return Err(error.into()),
        }
    }
    applied.without_namespace.dedup();
    Ok(applied)
}

/// The bindings that were made for this name, and their UIDs.
async fn bindings(cluster: &Cluster, name: &str) -> Result<Vec<(Object, String)>, OperationError> {
    let mut found = listed::<ClusterRoleBinding>(cluster, "list clusterrolebindings", name).await?;
    found.extend(listed::<RoleBinding>(cluster, "list rolebindings", name).await?);
    Ok(found)
}

async fn listed<K>(
    cluster: &Cluster,
    what: &str,
    name: &str,
) -> Result<Vec<(Object, String)>, OperationError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
{
    let api: Api<K> = Api::all(cluster.client());
    let params = ListParams::default().labels(&format!("{LABEL}={name}"));
    let page = |params| {
        let api = api.clone();
        async move { api.list(&params).await }
    };
    let keep = |binding: K| {
        let uid = binding.meta().uid.clone()?;
        Some((Object::new(&binding), uid))
    };
    Ok(cluster.pages(what, params.limit(PAGE), page, keep).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::scripted::{Script, expect};
    use serde_json::{Value, json};

    fn managers(shops: &[&str]) -> Roles {
        Roles {
            manage: true,
            ..viewers(shops)
        }
    }

    fn viewers(shops: &[&str]) -> Roles {
        Roles {
            name: "nord".to_owned(),
            groups: vec!["oidc:nord".to_owned()],
            manage: false,
            shops: shops.iter().map(|&shop| shop.to_owned()).collect(),
        }
    }

    fn named(roles: &Roles) -> Vec<String> {
        let objects = roles.objects();
        let named = objects.iter().map(|it| it.identity().to_string());
        named.collect()
    }

    #[test]
    fn who_manages_shops_gets_them_by_name_and_what_is_in_their_namespaces() {
        let managers = managers(&["acme", "vinyl"]);
        assert_eq!(
            named(&managers),
            [
                "ClusterRole longshore-shops-of-nord",
                "ClusterRoleBinding longshore-shops-of-nord",
                "RoleBinding longshore-system/longshore-shops-of-nord",
                "ClusterRoleBinding longshore-shops-of-nord-rollouts",
                "RoleBinding shop-acme/longshore-shops-of-nord",
                "RoleBinding shop-acme/longshore-shops-of-nord-work",
                "RoleBinding shop-vinyl/longshore-shops-of-nord",
                "RoleBinding shop-vinyl/longshore-shops-of-nord-work",
            ]
        );
        let written: Value = managers.objects()[0].value();
        let rule = &written["rules"][0];
        assert_eq!(
            (&rule["resourceNames"], &rule["verbs"]),
            (&json!(["acme", "vinyl"]), &json!(["get", "patch"]))
        );
        assert_eq!(named(&viewers(&["acme"])).len(), 4);
    }

    #[test]
    fn where_no_shop_has_the_label_nobody_may_anything() {
        let role = managers(&[]).objects()[0].value();
        assert_eq!(role["rules"], json!([]));
    }

    #[tokio::test]
    async fn who_loses_a_shop_or_its_management_loses_the_bindings_first() {
        let binding = |namespace: &str| {
            json!({
                "metadata": {
                    "name": "longshore-shops-of-nord", "namespace": namespace, "uid": namespace,
                },
                "roleRef": { "apiGroup": GROUP, "kind": "ClusterRole", "name": VIEWER },
            })
        };
        let listed = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBindingList", "metadata": {},
            "items": [binding("shop-acme"), binding("shop-gone")],
        });
        let rollouts = json!({
            "metadata": { "name": "longshore-shops-of-nord-rollouts", "uid": "rollouts" },
            "roleRef": { "apiGroup": GROUP, "kind": "ClusterRole", "name": ROLLOUTS },
        });
        let of_managers = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBindingList",
            "metadata": {}, "items": [rollouts],
        });
        let gone = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        });
        let api = "/apis/rbac.authorization.k8s.io/v1";
        let of = |namespace: &str| {
            format!("{api}/namespaces/{namespace}/rolebindings/longshore-shops-of-nord")
        };
        let put = |path: &str| expect(&format!("PATCH {path}")).stores();
        let script = Script::new([
            expect(&format!("GET {api}/clusterrolebindings")).answers(of_managers),
            expect(&format!("GET {api}/rolebindings")).answers(listed),
            expect(&format!(
                "DELETE {api}/clusterrolebindings/longshore-shops-of-nord-rollouts"
            ))
            .answers(gone.clone()),
            expect(&format!("DELETE {}", of("shop-gone"))).answers(gone),
            put(&format!("{api}/clusterroles/longshore-shops-of-nord")),
            put(&format!(
                "{api}/clusterrolebindings/longshore-shops-of-nord"
            )),
            put(&of("longshore-system")),
            put(&of("shop-acme")),
            expect(&format!("PATCH {}", of("shop-new"))).refuses(404, "NotFound", "no namespace"),
        ]);
        let done = apply(&script.cluster(), &viewers(&["acme", "new"])).await;
        let expected = Applied {
            written: 4,
            deleted: 2,
            without_namespace: vec!["shop-new".to_owned()],
        };
        assert_eq!(done.unwrap(), expected);
        script.end();
    }
}
