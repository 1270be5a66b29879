//! `shop create`: a Shop from a few words, looked at from every side before anything is stored.

use super::secret::{self, Found, Given};
use crate::cluster::{
    CommandError,
    connection::{Connection, registry, wait},
    show,
};
use api::{
    Engine, Fleet, Identity, Object, RenderContext, Shop, ShopClass, claims::Claims, namespace,
};
use client::{Cluster, Conflicts, Mode};
use registry::{Form, Rules, text};
use release::Reason;
use render::render;
use serde_json::{Value, json};
use std::{
    io::{self, Write as _},
    path::PathBuf,
};

/// What `shop create` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  longshore shop create acme --class magento2-standard --domain www.acme.example --domain \
                        acme.example \\
    --from-file database-password=password.txt --from-env database-user=DATABASE_USER --generate \
                        crypt-key
  longshore shop create acme --class magento2-standard --domain www.acme.example --dry-run > \
                        acme.yaml
  longshore shop create acme --class big --domain acme.example --database aurora-2/acme --cache \
                        redis-1/acme_ --media efs-1/shops/acme

It checks first: the definitions' own rules; that the class has what the shop names; that no other \
                        shop has a host, the database, the directory
or the cache's prefix; and that the Secret has the keys that the engine needs. If the class has \
                        one server of a kind, the shop uses it, with
a database shop_NAME, the prefix NAME_ and the directory /shops/NAME. Whoever runs these servers \
                        makes the database, its user and the
directory: docs/move.md.")]
pub(super) struct Create {
    /// Name of the shop: a-z, 0-9 and -; its namespace is shop-NAME
    name: String,
    /// Its ShopClass
    #[arg(long)]
    class: String,
    /// Channel whose releases it runs; otherwise shops/NAME
    #[arg(long)]
    channel: Option<String>,
    /// Host name; the first one is primary, and the others redirect to it (repeat for each)
    #[arg(long = "domain", value_name = "HOST", required = true)]
    domains: Vec<String>,
    /// Server of the class and database on it
    #[arg(long, value_name = "REF/NAME", value_parser = place)]
    database: Option<(String, String)>,
    /// Cache of the class and the prefix of the shop's keys
    #[arg(long, value_name = "REF/PREFIX", value_parser = place)]
    cache: Option<(String, String)>,
    /// Number of the Redis database that has the shop's sessions alone; otherwise they are in SQL
    #[arg(long, value_name = "NUMBER")]
    sessions: Option<u32>,
    /// Search server of the class and what the names of the shop's indexes begin with
    #[arg(long, value_name = "REF/PREFIX", value_parser = place)]
    search: Option<(String, String)>,
    /// File system of the class and the shop's directory on it
    #[arg(long, value_name = "REF/PATH", value_parser = place)]
    media: Option<(String, String)>,
    /// Access point of EFS whose root is that directory
    #[arg(long, value_name = "ID")]
    access_point: Option<String>,
    /// Pods at least
    #[arg(long, value_name = "PODS")]
    min: Option<u32>,
    /// Pods at most
    #[arg(long, value_name = "PODS")]
    max: Option<u32>,
    #[command(flatten)]
    given: Given,
    /// Print the Shop, and its Secret with REPLACE-ME for values, and store nothing
    #[arg(long)]
    dry_run: bool,
    /// File of classes, shops and releases to read instead of a cluster (repeat for each)
    #[arg(long, value_name = "FILE", requires = "dry_run")]
    registry: Vec<PathBuf>,
    /// How resources are printed
    #[arg(long, value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    connection: Connection,
}

fn place(text: &str) -> Result<(String, String), String> {
    let (server, part) = text.split_once('/').ok_or_else(|| {
        format!("{text:?}: expected a name of the class's backends, / and the shop's part")
    })?;
    Ok((server.to_owned(), part.to_owned()))
}

pub(super) fn run(create: &Create) -> Result<(), CommandError> {
    if !create.registry.is_empty() {
        let fleet = registry::read_fleet(&create.registry)?;
        return Draft::new(create, &fleet, &Found::Unknown)?.print(create);
    }
    wait(async {
        let cluster = create.connection.open().await?;
        let fleet = registry(&cluster).await?.fleet;
        let found = look(&cluster, &create.namespace(), &create.secret()).await?;
        let draft = Draft::new(create, &fleet, &found)?;
        if create.dry_run {
            draft.print(create)
        } else {
            draft.store(create, &cluster).await
        }
    })
}

impl Create {
    fn secret(&self) -> String {
        self.given
            .secret
            .clone()
            .unwrap_or_else(|| format!("{}-env", self.name))
    }

    fn namespace(&self) -> String {
        namespace(&self.name)
    }

    /// What the shop uses of the class's backends: of each, which one and what is the shop's there.
    fn services(
        &self,
        database: Option<(String, String)>,
        cache: Option<(String, String)>,
        search: Option<(String, String)>,
        media: Option<(String, String)>,
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
        if let Some((server, path)) = media {
            services["media"] =
                json!({ "ref": server, "path": format!("/{}", path.trim_start_matches('/')) });
            if let Some(access_point) = &self.access_point {
                services["media"]["accessPoint"] = json!(access_point);
            }
        }
        services
    }

    /// The resource, with what the class leaves no choice about.
    fn resource(&self, class: &ShopClass) -> Result<Value, Vec<String>> {
        let (backends, magento) = (&class.spec.backends, class.spec.engine != Engine::Php);
        let mut problems = Vec::new();
        let mut choose = |kind: &str,
                          given: &Option<(String, String)>,
                          known: Vec<&str>,
                          part: String,
                          needed: bool| match (given, &known[..]) {
            (Some(given), _) => Some(given.clone()),
            (None, [only]) if needed => Some(((*only).to_owned(), part)),
            (None, [_, _, ..]) if needed => {
                problems.push(format!(
                    "--{kind}: the class has {}; say which",
                    known.join(", ")
                ));
                None
            }
            _ => None,
        };
        let plain = self.name.replace('-', "_");
        let databases = backends
            .databases
            .iter()
            .map(|it| it.name.as_str())
            .collect();
        let database = choose(
            "database",
            &self.database,
            databases,
            format!("shop_{plain}"),
            magento,
        );
        let cache = choose(
            "cache",
            &self.cache,
            backends.caches.iter().map(|it| it.name.as_str()).collect(),
            format!("{plain}_"),
            magento,
        );
        let media = choose(
            "media",
            &self.media,
            backends.media.iter().map(|it| it.name.as_str()).collect(),
            format!("shops/{}", self.name),
            magento,
        );
        // It has no search of its own, and no category without one.
        let engines = backends.search.iter().map(|it| it.name.as_str()).collect();
        let search = choose(
            "search",
            &self.search,
            engines,
            self.name.clone(),
            class.spec.engine == Engine::Magento2,
        );
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
        let channel = self
            .channel
            .clone()
            .unwrap_or_else(|| format!("shops/{}", self.name));
        let mut spec = json!({
            "class": self.class, "channel": channel, "domains": self.domains.iter().map(domain).collect::<Vec<_>>(), "services": services,
        });
        for (key, pods) in [("min", self.min), ("max", self.max)] {
            if let Some(pods) = pods {
                spec["scale"][key] = pods.into();
            }
        }
        if services.get("database").is_some() || magento || !self.given.keys().is_empty() {
            spec["config"] = json!({ "secretRef": { "name": self.secret() } });
        }
        Ok(
            json!({ "apiVersion": "longshore.dev/v1alpha1", "kind": "Shop", "metadata": { "name": self.name }, "spec": spec }),
        )
    }
}

/// What is known of the Secret.
async fn look(cluster: &Cluster, namespace: &str, name: &str) -> Result<Found, CommandError> {
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
struct Draft {
    shop: Value,
    required: Vec<&'static str>,
    notes: Vec<String>,
}

impl Draft {
    fn new(create: &Create, fleet: &Fleet, found: &Found) -> Result<Self, CommandError> {
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

    fn print(&self, create: &Create) -> Result<(), CommandError> {
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
    async fn store(&self, create: &Create, cluster: &Cluster) -> Result<(), CommandError> {
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
