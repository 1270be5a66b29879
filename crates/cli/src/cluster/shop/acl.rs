//! `shop acl`: the Redis users of shops, as lines for whoever runs the servers.

use super::super::{
    ClusterError,
    connection::{Connection, registry, wait},
    show,
};
use api::Fleet;
use render::redis::{Password, acl, separate};
use std::path::PathBuf;

/// What `shop acl` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  longshore shop acl acme --password-file password.txt \\
    | redis-cli -h redis-eu-2 --user admin --askpass
  longshore shop acl acme vinyl > users.txt                  REPLACE-ME stands in the password's
                                                             place
  longshore shop acl acme --registry class.yaml --registry shop.yaml

A password is printed as its hash. It is the key cache-password of the shop's Secret. The server's
own user is to be shut as well: ACL SETUSER default off, once nobody uses it.")]
pub(super) struct Acl {
    /// The shops
    #[arg(required = true, value_name = "SHOP")]
    shops: Vec<String>,
    /// File with the password of the shop, if there is but one; a newline at the end is left out
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// File of classes and shops to read instead of a cluster (repeat for each)
    #[arg(long, value_name = "FILE")]
    registry: Vec<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Acl) -> Result<(), ClusterError> {
    let password = match &arguments.password_file {
        Some(_) if arguments.shops.len() > 1 => {
            return Err(ClusterError::Argument(
                "--password-file is of one shop: each has a password of its own".to_owned(),
            ));
        }
        Some(path) => {
            let text = registry::read_text(path)?;
            let password = text.strip_suffix('\n').unwrap_or(&text);
            if password.is_empty() {
                return Err(ClusterError::Argument(format!(
                    "{}: the password is empty",
                    path.display()
                )));
            }
            Password::hashed(password)
        }
        None => Password::Unknown,
    };
    let fleet = if arguments.registry.is_empty() {
        wait(async { Ok(registry(&arguments.connection.open().await?).await?.fleet) })?
    } else {
        registry::read_fleet(&arguments.registry)?
    };
    let lines = arguments
        .shops
        .iter()
        .map(|name| line(name, &fleet, &password))
        .collect::<Result<Vec<_>, _>>();
    show(
        &(lines
            .map_err(|problem| ClusterError::Missing(vec![problem]))?
            .join("\n")
            + "\n"),
    )
}

fn line(name: &str, fleet: &Fleet, password: &Password) -> Result<String, String> {
    let shop = fleet
        .shops
        .get(name)
        .ok_or_else(|| format!("shop {name} is not in the registry"))?;
    let class = &shop.spec.class;
    let class = fleet
        .classes
        .get(class)
        .ok_or_else(|| format!("shop {name}: its class {class} does not exist"))?;
    let wanted = shop
        .spec
        .services
        .cache
        .as_ref()
        .ok_or_else(|| format!("shop {name} has no services.cache"))?;
    separate(shop, class).ok_or_else(|| {
        format!(
            "shop {name}: class {} has no server {} with tenants: Separate",
            shop.spec.class, wanted.server
        )
    })?;
    Ok(acl(name, &wanted.prefix, password))
}
