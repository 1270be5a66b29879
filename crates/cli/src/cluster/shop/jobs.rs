//! What is done in a shop's namespace: a Job, and its end.

use crate::cluster::{
    ClusterError,
    connection::{Connection, registry, wait},
    show,
};
use api::{Fleet, ShopClass};
use client::Cluster;
use operations::jobs;

/// What `shop clean-cache` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  longshore shop clean-cache acme
A Job runs `bin/magento cache:clean`, or for Magento 1 the same by the tags of all cache types, with
the release that the shop runs. Caches of other shops in the same Redis stay as they are. It takes
as long as a pod takes to start. Needs rights to read Deployments and Pods with their logs, and to
make Jobs, in the shop's namespace.")]
pub(super) struct CleanCache {
    /// The shop
    name: String,
    #[command(flatten)]
    connection: Connection,
}

/// What `shop backup` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  longshore shop backup acme
A Job does what the CronJob `backup` does at night: a dump of the database and the list of the
media, to the bucket of the class. The command waits for its end; the Job goes on without it. Needs
rights to read CronJobs and Pods with their logs, and to make Jobs, in the shop's namespace.")]
pub(super) struct Backup {
    /// The shop
    name: String,
    #[command(flatten)]
    connection: Connection,
}

/// What `shop cron` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  longshore shop cron acme
A Job runs `bin/magento cron:run`, or `cron.php -mdefault` of Magento 1, with the release that the
shop runs, and prints what that wrote. Cron itself goes on every minute. Needs the rights of
`longshore shop clean-cache`.")]
pub(super) struct Cron {
    /// The shop
    name: String,
    #[command(flatten)]
    connection: Connection,
}

/// What `shop backups` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  longshore shop backups acme --secret backup-reader
A Job lists what is complete in the bucket of the class. Its keys are in a Secret of the shop's
namespace, as for `longshore shop restore`.")]
pub(super) struct Backups {
    /// The shop
    name: String,
    #[command(flatten)]
    reader: Reader,
    #[command(flatten)]
    connection: Connection,
}

/// What `shop restore` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  longshore shop restore acme --confirm acme --secret backup-reader
  longshore shop restore acme --confirm acme --secret backup-reader --backup 2026-12-01T02-10-33Z
A Job overwrites every table that the backup has, names the tables that it lacks, and names files of
the media that are missing. The shop's state has to be Maintenance or Suspended, and pods of cron,
migrations and backups have to have ended. What was written since the backup is lost: back up first.
Afterwards clean the caches, and set the state to Active. The command waits for the end; the Job goes
on without it.")]
pub(super) struct Restore {
    /// The shop
    name: String,
    /// The shop's name once more, as nothing brings back what is overwritten
    #[arg(long, value_name = "SHOP")]
    confirm: String,
    /// Time of the backup, as the bucket has it; otherwise the newest complete one
    #[arg(long, value_name = "TIME")]
    backup: Option<String>,
    #[command(flatten)]
    reader: Reader,
    #[command(flatten)]
    connection: Connection,
}

/// Who may read backups.
#[derive(Debug, clap::Args)]
struct Reader {
    /// Secret in the shop's namespace with the keys access-key-id and secret-access-key, which may
    /// read the bucket of backups; the shop's own pods may not
    #[arg(long, value_name = "SECRET")]
    secret: String,
}

pub(super) fn clean(arguments: &CleanCache) -> Result<(), ClusterError> {
    let name = &arguments.name;
    wait(async {
        let cluster = arguments.connection.open().await?;
        let fleet = registry(&cluster).await?.fleet;
        let job = jobs::clean_cache(&cluster, name, class(&fleet, name)?).await?;
        ended(&cluster, &job).await
    })
}

pub(super) fn cron(arguments: &Cron) -> Result<(), ClusterError> {
    let name = &arguments.name;
    wait(async {
        let cluster = arguments.connection.open().await?;
        let fleet = registry(&cluster).await?.fleet;
        let job = jobs::run_cron(&cluster, name, class(&fleet, name)?).await?;
        ended(&cluster, &job).await
    })
}

pub(super) fn back_up(arguments: &Backup) -> Result<(), ClusterError> {
    wait(async {
        let cluster = arguments.connection.open().await?;
        let job = jobs::back_up(&cluster, &arguments.name).await?;
        ended(&cluster, &job).await
    })
}

pub(super) fn backups(arguments: &Backups) -> Result<(), ClusterError> {
    wait(async {
        let cluster = arguments.connection.open().await?;
        let fleet = registry(&cluster).await?.fleet;
        let (name, secret) = (&arguments.name, &arguments.reader.secret);
        let job = jobs::list_backups(&cluster, &fleet, name, secret).await?;
        ended(&cluster, &job).await
    })
}

pub(super) fn restore(arguments: &Restore) -> Result<(), ClusterError> {
    wait(async {
        let cluster = arguments.connection.open().await?;
        let fleet = registry(&cluster).await?.fleet;
        let wanted = jobs::Restore {
            shop: &arguments.name,
            confirmed: &arguments.confirm,
            backup: arguments.backup.as_deref(),
            secret: &arguments.reader.secret,
        };
        let job = jobs::restore(&cluster, &fleet, &wanted).await?;
        ended(&cluster, &job).await?;
        let name = &arguments.name;
        show(&format!(
            "restored; now `longshore shop clean-cache {name}`, then set its state to Active\n"
        ))
    })
}

async fn ended(cluster: &Cluster, job: &jobs::Job) -> Result<(), ClusterError> {
    show(&jobs::end(cluster, job).await?)
}

fn class<'a>(fleet: &'a Fleet, name: &str) -> Result<&'a ShopClass, ClusterError> {
    let missing = |text| ClusterError::Missing(vec![text]);
    let shop = fleet.shops.get(name);
    let shop = shop.ok_or_else(|| missing(format!("shop {name} is not in the registry")))?;
    let class = &shop.spec.class;
    let known = fleet.classes.get(class);
    known.ok_or_else(|| missing(format!("class {class} of shop {name} does not exist")))
}
