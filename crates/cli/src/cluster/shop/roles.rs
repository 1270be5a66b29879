//! `shop roles`: who sees or manages the shops of a label, as Kubernetes' roles.

use super::super::{
    ClusterError,
    connection::{Connection, wait},
    show,
};
use operations::roles::{self, Applied};
use plan::counted;
use registry::Form;

/// What `shop roles` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
RBAC knows names and no labels: the roles name the shops that have the label now. Run it again when
shops come and go, as in a CronJob; with --apply it also takes back what a group had of shops that
have the label no longer. Whoever runs it must have the rights that it gives.

Examples:
  longshore shop roles nord --selector brand=nord --group oidc:nord-managers
  longshore shop roles nord --selector brand=nord --group oidc:nord-managers --apply
  longshore shop roles nord-guests --selector brand=nord --group oidc:guests --role viewer --apply")]
pub(super) struct Roles {
    /// What the roles are called: longshore-shops-of-NAME
    #[arg(value_name = "NAME", value_parser = name)]
    name: String,
    /// Labels of the Shops, as for `kubectl get shops --selector`
    #[arg(long, value_name = "SELECTOR", value_parser = selector)]
    selector: String,
    /// Group that gets the roles, as the API server knows it (repeat for each)
    #[arg(long = "group", value_name = "GROUP", required = true)]
    groups: Vec<String>,
    /// What the group may do
    #[arg(long, value_enum, default_value_t)]
    role: Role,
    /// Write the roles instead of printing them
    #[arg(long)]
    apply: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Role {
    /// See the shops
    Viewer,
    /// Besides, change and move them, clean caches, back up; whoever makes a Job in a shop's
    /// namespace can read its Secrets
    #[default]
    ShopManager,
}

/// A label's value, and short enough for the names that are made of it.
fn name(text: &str) -> Result<String, String> {
    let good = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-';
    let ends = text.starts_with('-') || text.ends_with('-');
    if text.is_empty() || text.len() > 50 || ends || !text.chars().all(good) {
        return Err("1 to 50 lower-case letters, digits and - between them".to_owned());
    }
    Ok(text.to_owned())
}

/// Any that is not empty, which would find all shops.
fn selector(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("a selector names a label, such as brand=nord".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn run(arguments: &Roles) -> Result<(), ClusterError> {
    wait(async {
        let cluster = arguments.connection.open().await?;
        let roles = roles::Roles {
            name: arguments.name.clone(),
            groups: arguments.groups.clone(),
            manage: arguments.role == Role::ShopManager,
            shops: roles::shops(&cluster, &arguments.selector).await?,
        };
        if arguments.apply {
            let done = roles::apply(&cluster, &roles).await?;
            return show(&said(&roles, &done));
        }
        let objects = roles.objects();
        let text = registry::text(Form::Yaml, objects.iter().map(api::Object::value));
        show(&text.map_err(ClusterError::Output)?)
    })
}

fn said(roles: &roles::Roles, done: &Applied) -> String {
    let text = format!(
        "roles {}: {}; {} written, {} deleted\n",
        roles.name,
        counted(roles.shops.len(), "shop"),
        counted(done.written, "object"),
        counted(done.deleted, "binding"),
    );
    if done.without_namespace.is_empty() {
        return text;
    }
    text + &format!(
        "not there: {}; run it again once the scheduler has made them\n",
        done.without_namespace.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_such_that_kubernetes_takes_them() {
        for good in ["nord", "a", "brand-2"] {
            assert_eq!(name(good).unwrap(), good);
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a b", &"a".repeat(51)] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
