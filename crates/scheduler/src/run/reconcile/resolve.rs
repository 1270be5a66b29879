//! The first stage: looks up everything that the other stages read.

use super::{failure, initial_release, maintenance, maintenance::Maintenance, migration_lock};
use crate::run::Controller;
use api::{ResolvedRelease, Shop, ShopClass};
use cell::{Pods, migration::MigrationState};
use client::ApiError;
use jiff::Timestamp;
use render::assign::{AssignError, Resolution};

/// A Shop, the class and releases that it names, and the state of its database.
#[derive(Debug)]
pub(super) struct ResolvedShop {
    pub(super) name: String,
    pub(super) shop: Shop,
    class: Option<ShopClass>,
    release: Result<Option<ResolvedRelease>, AssignError>,
    previous: Option<ResolvedRelease>,
    pub(super) migration: MigrationState,
    pub(super) maintenance: Maintenance,
}

impl ResolvedShop {
    /// Copies what was looked up, so that it outlives the state's lock.
    pub(super) fn new(found: &Resolution<'_>, migration: MigrationState) -> Self {
        Self {
            name: found.name.to_owned(),
            shop: found.shop.clone(),
            class: found.class.cloned(),
            release: found.release.clone().map(Option::<&_>::cloned),
            previous: found.previous.cloned(),
            migration,
            maintenance: Maintenance::NotNeeded,
        }
    }

    /// The same values, as the renderer reads them.
    pub(super) fn resolution(&self) -> Resolution<'_> {
        Resolution {
            name: &self.name,
            shop: &self.shop,
            class: self.class.as_ref(),
            release: self
                .release
                .as_ref()
                .map(Option::as_ref)
                .map_err(Clone::clone),
            previous: self.previous.as_ref(),
        }
    }
}

/// Everything that is known of a shop; `None` if it is not in the registry.
pub(super) async fn resolve(
    controller: &Controller,
    name: &str,
    now: Timestamp,
) -> Result<Option<ResolvedShop>, ApiError> {
    initial_release::assign(controller, name, now).await?;
    let Some((mut resolved, crowd, pods)) = look_up(controller, name) else {
        return Ok(None);
    };
    let MigrationState { due, job, .. } = resolved.migration;
    let sequence = resolved.resolution().release().map(|it| it.sequence);
    resolved.migration.lock = migration_lock::take(controller, name, due, crowd, now).await?;
    resolved.migration.failure = failure::learn(controller, name, sequence, job).await?;
    resolved.maintenance = maintenance::ask(controller, &resolved.resolution(), pods).await;
    Ok(Some(resolved))
}

/// The part that needs no request to the API server, with the number of new shops that migrate on
/// the shop's database server, and the shop's pods.
fn look_up(controller: &Controller, name: &str) -> Option<(ResolvedShop, usize, Option<Pods>)> {
    let state = controller.lock();
    let shop = state.fleet.shops.get(name)?;
    let found = Resolution::new(name, shop, &state.fleet);
    let migration = MigrationState::new(&found, state.migrations.get(name));
    Some((
        ResolvedShop::new(&found, migration),
        migration_lock::crowd(shop, &state),
        state.pods.get(name).copied(),
    ))
}
