//! The words of `shop create`, and the Shop that they describe.

use super::super::secret::Given;
use crate::cluster::connection::Connection;
use api::{Engine, ShopClass, namespace};
use registry::Form;
use serde_json::{Value, json};
use std::path::PathBuf;

/// What `shop create` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  longshore shop create acme --class magento2-standard --domain www.acme.example \\
    --domain acme.example \\
    --from-file database-password=password.txt --from-env database-user=DATABASE_USER \\
    --generate crypt-key
  longshore shop create acme --class magento2-standard --domain www.acme.example --dry-run \\
    > acme.yaml
  longshore shop create acme --class big --domain acme.example --database aurora-2/acme \\
    --cache redis-1/acme_ --media efs-1/shops/acme

It checks first: the definitions' own rules; that the class has what the shop names; that no other
shop has a host, the database, the directory or the cache's prefix; and that the Secret has the keys
that the engine needs. If the class has one server of a kind, the shop uses it, with a database
shop_NAME, the prefix NAME_ and the directory /shops/NAME. Whoever runs these servers makes the
database, its user and the directory: docs/move.md.")]
pub(in crate::cluster::shop) struct Create {
    /// Name of the shop: a-z, 0-9 and -; its namespace is shop-NAME
    pub(super) name: String,
    /// Its ShopClass
    #[arg(long)]
    pub(super) class: String,
    /// Channel whose releases it runs; otherwise shops/NAME
    #[arg(long)]
    pub(super) channel: Option<String>,
    /// Host name; the first one is primary, and the others redirect to it (repeat for each)
    #[arg(long = "domain", value_name = "HOST", required = true)]
    pub(super) domains: Vec<String>,
    /// Server of the class and database on it
    #[arg(long, value_name = "REF/NAME", value_parser = place)]
    pub(super) database: Option<(String, String)>,
    /// Cache of the class and the prefix of the shop's keys
    #[arg(long, value_name = "REF/PREFIX", value_parser = place)]
    pub(super) cache: Option<(String, String)>,
    /// Number of the Redis database that only this shop uses, for its sessions; otherwise they are
    /// in SQL
    #[arg(long, value_name = "NUMBER")]
    pub(super) sessions: Option<u32>,
    /// Search server of the class and the prefix of the shop's indexes
    #[arg(long, value_name = "REF/PREFIX", value_parser = place)]
    pub(super) search: Option<(String, String)>,
    /// File system of the class and the shop's directory on it
    #[arg(long, value_name = "REF/PATH", value_parser = place)]
    pub(super) media: Option<(String, String)>,
    /// Access point of EFS whose root is that directory
    #[arg(long, value_name = "ID")]
    pub(super) access_point: Option<String>,
    /// Pods at least
    #[arg(long, value_name = "PODS")]
    pub(super) min: Option<u32>,
    /// Pods at most
    #[arg(long, value_name = "PODS")]
    pub(super) max: Option<u32>,
    #[command(flatten)]
    pub(super) given: Given,
    /// Print the Shop, and its Secret with REPLACE-ME for values, and store nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// File of classes, shops and releases to read instead of a cluster (repeat for each)
    #[arg(long, value_name = "FILE", requires = "dry_run")]
    pub(super) registry: Vec<PathBuf>,
    /// How resources are printed
    #[arg(long, value_enum, default_value_t)]
    pub(super) output: Form,
    #[command(flatten)]
    pub(super) connection: Connection,
}

fn place(text: &str) -> Result<(String, String), String> {
    let (server, part) = text.split_once('/').ok_or_else(|| {
        format!("{text:?}: expected a name of the class's backends, / and the shop's part")
    })?;
    Ok((server.to_owned(), part.to_owned()))
}

impl Create {
    pub(super) fn secret(&self) -> String {
        self.given
            .secret
            .clone()
            .unwrap_or_else(|| format!("{}-env", self.name))
    }

    pub(super) fn namespace(&self) -> String {
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
    pub(super) fn resource(&self, class: &ShopClass) -> Result<Value, Vec<String>> {
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
