//! The words of `shop create`.

use super::super::secret::Given;
use crate::cluster::connection::Connection;
use operations::create::{self, NewShop, Placement};
use registry::Form;
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
    #[arg(long, value_name = "REF/NAME", value_parser = create::place)]
    pub(super) database: Option<Placement>,
    /// Cache of the class and the prefix of the shop's keys
    #[arg(long, value_name = "REF/PREFIX", value_parser = create::place)]
    pub(super) cache: Option<Placement>,
    /// Number of the Redis database that only this shop uses, for its sessions; otherwise they are
    /// in SQL
    #[arg(long, value_name = "NUMBER")]
    pub(super) sessions: Option<u32>,
    /// Search server of the class and the prefix of the shop's indexes
    #[arg(long, value_name = "REF/PREFIX", value_parser = create::place)]
    pub(super) search: Option<Placement>,
    /// Queue server of the class and the shop's virtual host on it
    #[arg(long, value_name = "REF/HOST", value_parser = create::place)]
    pub(super) queue: Option<Placement>,
    /// File system of the class and the shop's directory on it
    #[arg(long, value_name = "REF/PATH", value_parser = create::place)]
    pub(super) media: Option<Placement>,
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

impl Create {
    /// The shop that the words describe.
    pub(super) fn wanted(&self) -> NewShop {
        NewShop {
            name: self.name.clone(),
            class: self.class.clone(),
            channel: self.channel.clone(),
            domains: self.domains.clone(),
            database: self.database.clone(),
            cache: self.cache.clone(),
            sessions: self.sessions,
            search: self.search.clone(),
            queue: self.queue.clone(),
            media: self.media.clone(),
            access_point: self.access_point.clone(),
            min: self.min,
            max: self.max,
            secret: self.given.secret.clone(),
            has_secret: !self.given.keys().is_empty(),
        }
    }
}
