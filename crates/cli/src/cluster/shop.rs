//! `shop`: one shop, from its beginning on.

mod acl;
mod create;
mod jobs;
mod roles;
mod secret;

use super::ClusterError;

/// What `shop` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  longshore shop create acme --class magento2-standard --domain www.acme.example \\
    --domain acme.example \\
    --from-file database-password=password.txt --from-env database-user=DATABASE_USER \\
    --generate crypt-key
  longshore shop clean-cache acme
  longshore shop cron acme
  longshore shop backup acme
  longshore shop restore acme --confirm acme --secret backup-reader")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make a Shop and its Secret, if every check passes
    Create(Box<create::Create>),
    /// Clean the caches of a shop's application, in a pod of its own
    CleanCache(jobs::CleanCache),
    /// Back up a shop's database and the list of its media now
    Backup(jobs::Backup),
    /// Run what is due of a shop's cron now, and show what it wrote
    Cron(jobs::Cron),
    /// List a shop's backups
    Backups(jobs::Backups),
    /// Put a backup back: overwrite the shop's database, which cannot be undone
    Restore(jobs::Restore),
    /// Print the lines that make shops' users in Redis
    Acl(acl::Acl),
    /// Give groups rights to the shops of a label, as Kubernetes' roles
    Roles(roles::Roles),
}

pub(super) fn run(arguments: &Arguments) -> Result<(), ClusterError> {
    match &arguments.verb {
        Verb::Create(create) => create::run(create),
        Verb::CleanCache(clean) => jobs::clean(clean),
        Verb::Backup(backup) => jobs::back_up(backup),
        Verb::Cron(cron) => jobs::cron(cron),
        Verb::Backups(backups) => jobs::backups(backups),
        Verb::Restore(restore) => jobs::restore(restore),
        Verb::Acl(acl) => acl::run(acl),
        Verb::Roles(roles) => roles::run(roles),
    }
}
