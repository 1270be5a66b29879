//! A Shop before it is stored: everything that speaks against it, and its Secret.

use super::{
    super::secret::{self, Found},
    arguments::Create,
};
use crate::cluster::{CommandError, show};
use api::{Fleet, Identity, Object, RenderContext, Shop, claims::Claims};
use client::{Cluster, Conflicts, Mode};
use registry::{Rules, text};
use release::Reason;
use render::render;
use serde_json::{Value, json};
use std::io::{self, Write as _};

/// What is known of the Secret.
pub(super) async fn look(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
) -> Result<Found, CommandError> {
    match cluster.get(&core("Secret", Some(namespace), name)).await {
        Ok(Some(secret)) => Ok(Found::Keys(
            secret["data"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(key, _)| key.clone())
                .collect(),
        )),
        Ok(None) => Ok(Found::Nothing),
        Err(error) if error.reason() == Reason::ApiForbidden => Ok(Found::Unknown),
        Err(error) => Err(error.into()),
    }
}

fn core(kind: &'static str, namespace: Option<&str>, name: &str) -> Identity {
    Identity {
        api_version: "v1".into(),
        kind: kind.into(),
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
    }
}

fn object(value: &Value) -> Result<Object, CommandError> {
    let object = serde_json::from_value(value.clone())
        .map_err(|error| CommandError::Argument(error.to_string()))?;
    Ok(Object::dynamic(&object))
}

/// A shop that nothing speaks against.
pub(super) struct Draft {
    shop: Value,
    required: Vec<&'static str>,
    notes: Vec<String>,
}

impl Draft {
    pub(super) fn new(create: &Create, fleet: &Fleet, found: &Found) -> Result<Self, CommandError> {
        let Some(class) = fleet.classes.get(&create.class) else {
            let known: Vec<_> = fleet.classes.keys().map(String::as_str).collect();
            return Err(CommandError::Missing(vec![format!(
                "class {} does not exist; there are: {}",
                create.class,
                known.join(", ")
            )]));
        };
        let resource = create.resource(class).map_err(CommandError::Missing)?;
        let rules = Rules::new();
        let problems = rules.problems("Shop", &resource, None);
        if !problems.is_empty() {
            return Err(CommandError::Missing(problems));
        }
        let shop: Shop = serde_json::from_value(rules.defaulted("Shop", &resource))
            .map_err(|error| CommandError::Missing(vec![error.to_string()]))?;
        let mut problems = Vec::new();
        if fleet.shops.contains_key(&create.name) {
            problems.push(format!(
                "shop {} is there already; change it with `kubectl edit shop {}`",
                create.name, create.name
            ));
        }
        let mut claims = Claims::of(fleet);
        claims.propose(&create.name, &shop, class);
        problems.extend(claims.refused(&create.name).iter().map(ToString::to_string));
        problems.extend(
            render(&shop, class, None, &RenderContext::default())
                .err()
                .map(|error| error.to_string()),
        );
        let (name, required) = (
            format!("{}/{}", create.namespace(), create.secret()),
            secret::required(&shop, class),
        );
        if !create.dry_run {
            problems.extend(secret::problems(
                &name,
                &required,
                &create.given.keys(),
                found,
            ));
        }
        if !problems.is_empty() {
            return Err(CommandError::Missing(problems));
        }
        let mut notes = Vec::new();
        if *found == Found::Unknown && !required.is_empty() {
            notes.push(format!(
                "whether Secret {name} has {} was not looked at",
                required.join(", ")
            ));
        }
        if fleet.newest(&shop.spec.channel).is_none() {
            let channel = &shop.spec.channel;
            notes.push(format!(
                "no Release of {channel} is in the cluster yet, and nothing runs until one is: \
                 `longshore publish --rollout`"
            ));
        }
        Ok(Self {
            shop: resource,
            required,
            notes,
        })
    }

    fn say(&self) {
        // A terminal that went away has nobody to be told.
        self.notes
            .iter()
            .for_each(|note| writeln!(io::stderr(), "{note}").unwrap_or_default());
    }

    fn secret(create: &Create, values: &Value) -> Value {
        let meta = json!({ "name": create.secret(), "namespace": create.namespace() });
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "Opaque", "stringData": values })
    }

    pub(super) fn print(&self, create: &Create) -> Result<(), CommandError> {
        self.say();
        let given = create.given.keys();
        let keys = self
            .required
            .iter()
            .copied()
            .chain(given)
            .map(|key| (key.to_owned(), Value::from("REPLACE-ME")));
        let keys: serde_json::Map<String, Value> = keys.collect();
        let secret = (!keys.is_empty()).then(|| Self::secret(create, &Value::Object(keys)));
        show(
            &text(create.output, secret.iter().chain([&self.shop]))
                .map_err(CommandError::Output)?,
        )
    }

    /// First what the shop needs, then the shop: its pods start at once.
    pub(super) async fn store(
        &self,
        create: &Create,
        cluster: &Cluster,
    ) -> Result<(), CommandError> {
        self.say();
        let values = create.given.values()?;
        if !values.is_empty() {
            // The scheduler makes it otherwise, once there is the Shop.
            let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": create.namespace() } });
            let secret = Self::secret(create, &json!(values));
            for value in [namespace, secret] {
                cluster
                    .put(&object(&value)?, Mode::Real, Conflicts::Refuse)
                    .await?;
            }
        }
        cluster
            .put(&object(&self.shop)?, Mode::Real, Conflicts::Refuse)
            .await?;
        let name = &create.name;
        show(&format!(
            "shop {name} created; look at it with `longshore why {name}`, or `kubectl wait \
             --for=condition=Ready shop/{name}`\n"
        ))
    }
}
