//! `shop clean-cache` and `shop backup`: a Job, and its end.

use crate::cluster::{
    CommandError,
    connection::{Connection, registry, wait},
    show,
};
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

pub(super) fn clean(arguments: &CleanCache) -> Result<(), CommandError> {
    let name = &arguments.name;
    wait(async {
        let cluster = arguments.connection.open().await?;
        let fleet = registry(&cluster).await?.fleet;
        let missing = |text| CommandError::Missing(vec![text]);
        let shop = fleet
            .shops
            .get(name)
            .ok_or_else(|| missing(format!("shop {name} is not in the registry")))?;
        let class = fleet.classes.get(&shop.spec.class).ok_or_else(|| {
            let class = &shop.spec.class;
            missing(format!("class {class} of shop {name} does not exist"))
        })?;
        let job = jobs::clean_cache(&cluster, name, class).await?;
        show(&jobs::end(&cluster, &job).await?)
    })
}

pub(super) fn back_up(arguments: &Backup) -> Result<(), CommandError> {
    wait(async {
        let cluster = arguments.connection.open().await?;
        let job = jobs::back_up(&cluster, &arguments.name).await?;
        show(&jobs::end(&cluster, &job).await?)
    })
}
