//! A new shop of a few words: the Shop that they stand for, everything that speaks against it, and
//! the Secret that it needs.

use crate::{OperationError, parallel::one_by_one};
use api::{
    Engine, Fleet, Identity, Object, RenderContext, Shop, ShopClass, claims::Claims, namespace,
};
use client::{Cluster, Conflicts, Mode};
use futures_util::Stream;
use registry::Rules;
use release::Reason;
use render::{redis::separate, render};
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::LazyLock};

/// A server of the class, and the shop's part of it.
pub type Placement = (String, String);

/// To compile the definitions takes longer than everything else here.
pub(crate) static RULES: LazyLock<Rules> = LazyLock::new(Rules::new);

/// What a person says of a new shop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewShop {
    /// Its name.
    pub name: String,
    /// Its class.
    pub class: String,
    /// Its channel; otherwise `shops/NAME`.
    pub channel: Option<String>,
    /// Its hosts; the first one is primary, and the others redirect to it.
    pub domains: Vec<String>,
    /// Server and database.
    pub database: Option<Placement>,
    /// Cache and prefix.
    pub cache: Option<Placement>,
    /// The Redis database of its sessions.
    pub sessions: Option<u32>,
    /// Search server and prefix.
    pub search: Option<Placement>,
    /// Queue server and virtual host.
    pub queue: Option<Placement>,
    /// File system and directory.
    pub media: Option<Placement>,
    /// Access point of EFS.
    pub access_point: Option<String>,
    /// Pods at least.
    pub min: Option<u32>,
    /// Pods at most.
    pub max: Option<u32>,
    /// Its Secret; otherwise `NAME-env`.
    pub secret: Option<String>,
    /// Whether it has a Secret even if its engine needs none.
    pub has_secret: bool,
}

/// A server of the class's backends and the shop's part of it, with a slash between them.
///
/// # Errors
///
/// If there is no slash.
pub fn place(text: &str) -> Result<Placement, String> {
    let (server, part) = text.split_once('/').ok_or_else(|| {
        format!("{text:?}: expected a name of the class's backends, / and the shop's part")
    })?;
    Ok((server.to_owned(), part.to_owned()))
}

/// A Shop before it is stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draft {
    /// The resource, if the words make one.
    pub shop: Option<Value>,
    /// Keys that its Secret has to have.
    pub keys: Vec<&'static str>,
    /// What speaks against it.
    pub problems: Vec<String>,
    /// What a person should know.
    pub notes: Vec<String>,
}

impl NewShop {
    /// The name of its Secret.
    #[must_use]
    pub fn secret(&self) -> String {
        let own = || format!("{}-env", self.name);
        self.secret.clone().unwrap_or_else(own)
    }

    /// The Shop that these words stand for, with what the class leaves no choice about, and
    /// everything that speaks against it.
    #[must_use]
    pub fn draft(&self, fleet: &Fleet) -> Draft {
        // Said at once, while the rest is not written yet.
        let refused = |problems| Draft {
            problems: [taken(&self.name, fleet), problems].concat(),
            ..Draft::default()
        };
        let Some(class) = fleet.classes.get(&self.class) else {
            return refused(vec![no_class(&self.class, fleet)]);
        };
        let resource = match self.resource(class) {
            Ok(resource) => resource,
            Err(problems) => return refused(problems),
        };
        let shop = match read(&resource) {
            Ok(shop) => shop,
            Err(problems) => return refused(problems),
        };
        let mut notes = Vec::new();
        if fleet.newest(&shop.spec.channel).is_none() {
            let channel = &shop.spec.channel;
            notes.push(format!(
                "no Release of {channel} is in the cluster yet, and nothing runs until one is: \
                 `longshore publish --rollout`"
            ));
        }
        Draft {
            keys: keys(&shop, class),
            problems: against(&self.name, &shop, fleet, &mut Claims::new(fleet)),
            notes,
            shop: Some(resource),
        }
    }

    fn resource(&self, class: &ShopClass) -> Result<Value, Vec<String>> {
        let (backends, engine) = (&class.spec.backends, class.spec.engine);
        let magento = engine != Engine::Php;
        let mut problems = Vec::new();
        let mut choose = |kind: &str,
                          given: &Option<Placement>,
                          known: Vec<&str>,
                          part: String,
                          needed: bool| {
            match (given, &known[..]) {
                (Some(given), _) => Some(given.clone()),
                (None, [only]) if needed => Some(((*only).to_owned(), part)),
                (None, [_, _, ..]) if needed => {
                    let known = known.join(", ");
                    problems.push(format!("{kind}: the class has {known}; say which"));
                    None
                }
                _ => None,
            }
        };
        let plain = self.name.replace('-', "_");
        macro_rules! names {
            ($servers:expr) => {
                $servers.iter().map(|it| it.name.as_str()).collect()
            };
        }
        let (databases, database) = (names!(backends.databases), format!("shop_{plain}"));
        let database = choose("database", &self.database, databases, database, magento);
        let (caches, prefix) = (names!(backends.caches), format!("{plain}_"));
        let cache = choose("cache", &self.cache, caches, prefix, magento);
        let (disks, directory) = (names!(backends.media), format!("shops/{}", self.name));
        let media = choose("media", &self.media, disks, directory, magento);
        // It has no search of its own, and no category without one.
        let (engines, needed) = (names!(backends.search), engine == Engine::Magento2);
        let search = choose("search", &self.search, engines, self.name.clone(), needed);
        if !problems.is_empty() {
            return Err(problems);
        }
        let services = self.services(database, cache, search, media);
        let primary = self.domains.first();
        let domain = |host: &String| {
            if Some(host) == primary {
                json!({ "host": host, "primary": true })
            } else {
                json!({ "host": host, "redirectTo": primary })
            }
        };
        let own = || format!("shops/{}", self.name);
        let channel = self.channel.clone().unwrap_or_else(own);
        let mut spec = json!({
            "class": self.class, "channel": channel, "services": services,
            "domains": self.domains.iter().map(domain).collect::<Vec<_>>(),
        });
        for (key, pods) in [("min", self.min), ("max", self.max)] {
            if let Some(pods) = pods {
                spec["scale"][key] = pods.into();
            }
        }
        if spec["services"].get("database").is_some() || magento || self.has_secret {
            spec["config"] = json!({ "secretRef": { "name": self.secret() } });
        }
        Ok(json!({
            "apiVersion": "longshore.dev/v1alpha1", "kind": "Shop",
            "metadata": { "name": self.name }, "spec": spec,
        }))
    }

    /// What the shop uses of the class's backends: of each, which one and what is the shop's there.
    fn services(
        &self,
        database: Option<Placement>,
        cache: Option<Placement>,
        search: Option<Placement>,
        media: Option<Placement>,
    ) -> Value {
        let mut services = json!({});
        if let Some((server, name)) = database {
            services["database"] = json!({ "ref": server, "name": name });
        }
        if let Some((server, prefix)) = cache {
            services["cache"] = json!({ "ref": server, "prefix": prefix });
            if let Some(sessions) = self.sessions {
                services["cache"]["sessions"] = sessions.into();
            }
        }
        if let Some((server, prefix)) = search {
            services["search"] = json!({ "ref": server, "prefix": prefix });
        }
        if let Some((server, host)) = &self.queue {
            services["queue"] = json!({ "ref": server, "virtualHost": host });
        }
        if let Some((server, path)) = media {
            let path = format!("/{}", path.trim_start_matches('/'));
            services["media"] = json!({ "ref": server, "path": path });
            if let Some(access_point) = &self.access_point {
                services["media"]["accessPoint"] = json!(access_point);
            }
        }
        services
    }
}

/// The Shop of a resource, with the API server's defaults.
///
/// # Errors
///
/// Everything that the definitions say against it.
pub(crate) fn read(resource: &Value) -> Result<Shop, Vec<String>> {
    let problems = RULES.problems("Shop", resource, None);
    if !problems.is_empty() {
        return Err(problems);
    }
    typed(resource).map_err(|error| vec![error.to_string()])
}

/// The same of a resource against which the definitions may say something.
pub(crate) fn typed(resource: &Value) -> Result<Shop, serde_json::Error> {
    serde_json::from_value(RULES.defaulted("Shop", resource))
}

fn taken(name: &str, fleet: &Fleet) -> Vec<String> {
    let taken = fleet.shops.contains_key(name);
    let text =
        || format!("shop {name} is there already; change it with `kubectl edit shop {name}`");
    taken.then(text).into_iter().collect()
}

fn no_class(class: &str, fleet: &Fleet) -> String {
    let known: Vec<_> = fleet.classes.keys().map(String::as_str).collect();
    let known = known.join(", ");
    format!("class {class} does not exist; there are: {known}")
}

/// What the registry says against a new Shop. `claims` are those of the registry, and are again
/// afterwards.
pub(crate) fn against(name: &str, shop: &Shop, fleet: &Fleet, claims: &mut Claims) -> Vec<String> {
    let mut problems = taken(name, fleet);
    let Some(class) = fleet.classes.get(&shop.spec.class) else {
        problems.push(no_class(&shop.spec.class, fleet));
        return problems;
    };
    // What the shop of this name claims stays its own.
    if problems.is_empty() {
        claims.propose(name, shop, class);
        problems.extend(claims.refused(name).iter().map(ToString::to_string));
        claims.forget(name);
    }
    let rendered = render(shop, class, None, &RenderContext::default());
    problems.extend(rendered.err().map(|error| error.to_string()));
    problems
}

/// The keys that the shop's Secret has to have.
#[must_use]
pub fn keys(shop: &Shop, class: &ShopClass) -> Vec<&'static str> {
    let services = &shop.spec.services;
    let mut keys = Vec::new();
    if services.database.is_some() {
        keys.extend(["database-user", "database-password"]);
    }
    if class.spec.engine != Engine::Php {
        keys.push("crypt-key");
    }
    if separate(shop, class).is_some() {
        keys.push("cache-password");
    }
    if services.queue.is_some() {
        keys.extend(["queue-user", "queue-password"]);
    }
    keys
}

/// What is known of a Secret in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretKeys {
    /// It has these keys.
    Keys(BTreeSet<String>),
    /// There is none.
    Nothing,
    /// This person may not look.
    Unknown,
}

/// The keys of a Secret, by the rights of whoever asks. Its values are dropped here: nobody is
/// shown them, and nothing logs them.
///
/// # Errors
///
/// If the API server does not say it.
pub async fn look(
    cluster: &Cluster,
    shop: &str,
    secret: &str,
) -> Result<SecretKeys, OperationError> {
    let identity = Identity {
        api_version: "v1".into(),
        kind: "Secret".into(),
        namespace: Some(namespace(shop)),
        name: secret.to_owned(),
    };
    match cluster.get(&identity).await {
        Ok(Some(mut secret)) => {
            let data = secret["data"].take();
            let data = data.as_object().into_iter().flatten();
            Ok(SecretKeys::Keys(data.map(|(key, _)| key.clone()).collect()))
        }
        Ok(None) => Ok(SecretKeys::Nothing),
        Err(error) if error.reason() == Reason::ApiForbidden => Ok(SecretKeys::Unknown),
        Err(error) => Err(error.into()),
    }
}

/// Stores a new Shop. The field manager is kubectl's, so that a file of it can be applied later.
///
/// # Errors
///
/// If there is one of this name by now, or if the API server does not do it.
pub async fn store(cluster: &Cluster, shop: &Value) -> Result<(), OperationError> {
    let name = shop["metadata"]["name"].as_str().unwrap_or_default();
    // To apply would change one that somebody else has made meanwhile.
    if cluster.get(&client::shop(name)).await?.is_some() {
        return Err(OperationError::Moved(format!(
            "Shop {name} is there by now: somebody else has made it; nothing was changed"
        )));
    }
    let shop = object(shop)?;
    cluster.put(&shop, Mode::Real, Conflicts::Refuse).await?;
    Ok(())
}

/// Stores many new Shops: what became of each, as it is done. Once `stop` says so, no further one
/// is begun.
pub fn store_each(
    cluster: Cluster,
    shops: Vec<Value>,
    stop: impl Fn() -> bool,
) -> impl Stream<Item = (Value, Result<(), OperationError>)> {
    one_by_one(shops, stop, move |shop| {
        let cluster = cluster.clone();
        async move {
            let done = store(&cluster, &shop).await;
            (shop, done)
        }
    })
}

pub(crate) fn object(value: &Value) -> Result<Object, OperationError> {
    let object = serde_json::from_value(value.clone());
    let object = object.map_err(|error| OperationError::Argument(error.to_string()))?;
    Ok(Object::dynamic(&object))
}

#[cfg(test)]
mod tests;
