//! `shop create`: a Shop from a few words, looked at from every side before anything is stored.

mod arguments;
mod draft;

pub(super) use arguments::Create;

use crate::cluster::{
    ClusterError,
    connection::{registry, wait},
};
use draft::Draft;
use operations::create::{SecretKeys, look};

pub(super) fn run(create: &Create) -> Result<(), ClusterError> {
    if !create.registry.is_empty() {
        let fleet = registry::read_fleet(&create.registry)?;
        return Draft::new(create, &fleet, &SecretKeys::Unknown)?.print(create);
    }
    wait(async {
        let cluster = create.connection.open().await?;
        let fleet = registry(&cluster).await?.fleet;
        let found = look(&cluster, &create.name, &create.wanted().secret()).await?;
        let draft = Draft::new(create, &fleet, &found)?;
        if create.dry_run {
            draft.print(create)
        } else {
            draft.store(create, &cluster).await
        }
    })
}
