//! A Shop before it is stored, and its Secret.

use super::{super::secret, arguments::Create};
use crate::cluster::{ClusterError, show, warn};
use api::{Fleet, Object, namespace};
use client::{Cluster, Conflicts, Mode};
use operations::create::{self, NewShop, SecretKeys};
use registry::text;
use serde_json::{Value, json};

/// A shop that nothing speaks against.
pub(super) struct Draft {
    wanted: NewShop,
    shop: Value,
    keys: Vec<&'static str>,
}

impl Draft {
    pub(super) fn new(
        create: &Create,
        fleet: &Fleet,
        found: &SecretKeys,
    ) -> Result<Self, ClusterError> {
        let wanted = create.wanted();
        let create::Draft {
            shop,
            keys,
            mut problems,
            mut notes,
        } = wanted.draft(fleet);
        let name = format!("{}/{}", namespace(&wanted.name), wanted.secret());
        if !create.dry_run {
            let given = create.given.keys();
            problems.extend(secret::problems(&name, &keys, &given, found));
        }
        let Some(shop) = shop.filter(|_| problems.is_empty()) else {
            return Err(ClusterError::Missing(problems));
        };
        if *found == SecretKeys::Unknown && !keys.is_empty() {
            let keys = keys.join(", ");
            notes.push(format!(
                "whether Secret {name} has {keys} was not looked at"
            ));
        }
        warn(&notes);
        Ok(Self { wanted, shop, keys })
    }

    fn secret(&self, values: &Value) -> Value {
        let (name, namespace) = (self.wanted.secret(), namespace(&self.wanted.name));
        let meta = json!({ "name": name, "namespace": namespace });
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "Opaque", "stringData": values })
    }

    pub(super) fn print(&self, create: &Create) -> Result<(), ClusterError> {
        let given = create.given.keys();
        let keys = self.keys.iter().copied().chain(given);
        let keys: serde_json::Map<String, Value> = keys
            .map(|key| (key.to_owned(), Value::from("REPLACE-ME")))
            .collect();
        let secret = (!keys.is_empty()).then(|| self.secret(&Value::Object(keys)));
        show(
            &text(create.output, secret.iter().chain([&self.shop]))
                .map_err(ClusterError::Output)?,
        )
    }

    /// First what the shop needs, then the shop: its pods start at once.
    pub(super) async fn store(
        &self,
        create: &Create,
        cluster: &Cluster,
    ) -> Result<(), ClusterError> {
        let (values, name) = (create.given.values()?, &self.wanted.name);
        if !values.is_empty() {
            // The scheduler makes it otherwise, once there is the Shop.
            let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace(name) } });
            let secret = self.secret(&json!(values));
            for value in [namespace, secret] {
                cluster
                    .put(&object(&value)?, Mode::Real, Conflicts::Refuse)
                    .await?;
            }
        }
        create::store(cluster, &self.shop).await?;
        show(&format!(
            "shop {name} created; look at it with `longshore why {name}`, or `kubectl wait \
             --for=condition=Ready shop/{name}`\n"
        ))
    }
}

fn object(value: &Value) -> Result<Object, ClusterError> {
    let object = serde_json::from_value(value.clone())
        .map_err(|error| ClusterError::Argument(error.to_string()))?;
    Ok(Object::dynamic(&object))
}
