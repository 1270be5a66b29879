//! Decides which release a shop is assigned, and which objects it gets at a moment.

mod builds;
mod next;
mod resolution;

pub use builds::{Build, builds};
pub use next::{Next, again, back, forward, rejected};
pub use resolution::Resolution;

use crate::{RenderError, render};
use api::{
    Engine, Fleet, Migrating, Object, Phase, RenderContext, ResolvedRelease, Rollout, Shop,
    ShopClass, ShopRelease, ShopState, Truth,
    claims::{Claims, Collision},
    schedule::{ScheduleError, campaign_floor},
};
use jiff::Timestamp;
use release::{Migration, Sequence};

/// Why a shop cannot be rendered.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AssignError {
    /// Its class does not exist.
    #[error("shop {shop}: its class {class} does not exist; create it, or correct spec.class")]
    Class {
        /// The shop.
        shop: String,
        /// The class that it names.
        class: String,
    },
    /// The release that it runs no longer exists.
    #[error(
        "shop {shop}: Release {release} (sequence {sequence} of {channel}), which it runs, does \
         not exist; apply what `longshore release resource {sequence} --channel {channel}` prints"
    )]
    Gone {
        /// The shop.
        shop: String,
        /// The release's name.
        release: String,
        /// Its sequence.
        sequence: i64,
        /// The shop's channel.
        channel: String,
    },
    /// The time of a campaign is malformed.
    #[error("shop {shop}: scale.schedule")]
    Schedule {
        /// The shop.
        shop: String,
        /// Why.
        source: ScheduleError,
    },
    /// Another shop has what it claims.
    #[error(
        "shop {shop}: {}",
        collisions.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    Claimed {
        /// The shop.
        shop: String,
        /// What others have.
        collisions: Vec<Collision>,
    },
    /// It cannot be rendered.
    #[error(transparent)]
    Render(#[from] RenderError),
}

/// The release that `shop` is assigned: the one of its status; for a new shop the first that
/// [`initial_release`] finds.
///
/// # Errors
///
/// If its status names a release that is not there: running another one instead is nobody's
/// decision.
pub fn assigned<'a>(
    shop: &Shop,
    fleet: &'a Fleet,
) -> Result<Option<&'a ResolvedRelease>, AssignError> {
    let channel = shop.spec.channel.as_str();
    let releases = channel
        .parse()
        .ok()
        .and_then(|channel: release::ChannelName| fleet.releases.get(&channel));
    let Some(assigned) = shop
        .status
        .as_ref()
        .and_then(|status| status.release.as_ref())
    else {
        return Ok(initial_release(channel, fleet));
    };
    let found = u64::try_from(assigned.sequence)
        .ok()
        .and_then(|sequence| releases?.get(&sequence));
    match found.filter(|found| found.name == assigned.name) {
        Some(found) => Ok(Some(found)),
        // A shop that was moved to another channel starts there like a new one.
        None if fleet
            .releases
            .values()
            .flat_map(|all| all.values())
            .any(|any| any.name == assigned.name) =>
        {
            Ok(initial_release(channel, fleet))
        }
        None => Err(AssignError::Gone {
            shop: shop.metadata.name.clone().unwrap_or_default(),
            release: assigned.name.clone(),
            sequence: assigned.sequence,
            channel: channel.to_owned(),
        }),
    }
}

/// The release that a new shop of `channel` starts with: the newest that no rollout holds back.
#[must_use]
pub fn initial_release<'a>(channel: &str, fleet: &'a Fleet) -> Option<&'a ResolvedRelease> {
    let channel: release::ChannelName = channel.parse().ok()?;
    let held = |release: &&ResolvedRelease| {
        fleet
            .rollouts
            .values()
            .any(|rollout| rollout.spec.release == release.name && !completed(rollout))
    };
    // Rollouts that were completed let it pass, whatever became of others of the same release.
    let passed = |release: &&ResolvedRelease| {
        fleet
            .rollouts
            .values()
            .any(|rollout| rollout.spec.release == release.name && completed(rollout))
    };
    fleet
        .releases
        .get(&channel)?
        .values()
        .rev()
        .find(|release| passed(release) || !held(release))
}

fn completed(rollout: &Rollout) -> bool {
    rollout.status.as_ref().and_then(|status| status.phase) == Some(Phase::Completed)
}

/// What a shop's status says of a release that it is assigned.
#[must_use]
pub fn record(release: &ResolvedRelease, now: Timestamp) -> ShopRelease {
    ShopRelease {
        name: release.name.clone(),
        sequence: release.sequence.get().cast_signed(),
        manifest: release.manifest.to_string(),
        since: Some(now.to_string()),
        returned_from: None,
        retried: false,
    }
}

/// What is known of the moment, besides the time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// The sequence up to which the database is migrated.
    pub migrated: Option<Sequence>,
    /// Whether the controller holds the shop's migration lease, and cron has ended.
    pub migrating: Migrating,
    /// Whether the shop is closed to visitors, if the release's migration is a breaking one.
    pub closed: bool,
    /// Why no release may be switched.
    pub paused: Option<String>,
    /// Whether the shop has no pods because it has no visitors.
    pub at_zero: bool,
}

impl Circumstances {
    /// What the shop's own status tells, for who is not the controller.
    #[must_use]
    pub fn recorded(shop: &Shop) -> Self {
        let status = shop.status.as_ref();
        let database = recorded_reason(shop);
        let migrated = status
            .and_then(|status| status.migrated)
            .and_then(|sequence| u64::try_from(sequence).ok());
        let migrating = match database {
            Some("CronEnds") => Migrating::Soon,
            Some("Migrating" | "MigrationFailed") => Migrating::Now,
            _ => Migrating::No,
        };
        Self {
            migrated: migrated.and_then(|sequence| Sequence::try_from(sequence).ok()),
            migrating,
            closed: begun(shop),
            paused: None,
            at_zero: at_zero(shop).is_some(),
        }
    }
}

/// What the shop's condition `DatabaseCurrent` gives as its reason.
fn recorded_reason(shop: &Shop) -> Option<&str> {
    let conditions = shop
        .status
        .as_ref()
        .map_or(&[][..], |status| &status.conditions);
    conditions
        .iter()
        .find(|it| it.kind == "DatabaseCurrent")
        .map(|it| it.reason.as_str())
}

/// Whether the shop's status says that its database is being changed, or was, for a release that
/// not all of its pods run yet.
#[must_use]
pub fn begun(shop: &Shop) -> bool {
    recorded_reason(shop).is_some_and(|reason| {
        ["CronEnds", "Migrating", "MigrationFailed", SWITCHING].contains(&reason)
    })
}

/// The reason of `DatabaseCurrent` from the end of a breaking migration until every pod runs its
/// release.
pub const SWITCHING: &str = "Switching";

/// Every object of a shop, in the order in which the scheduler applies them.
///
/// # Errors
///
/// If its class or its release does not exist, another shop has what it claims, a campaign's time
/// is not one, or it cannot be rendered.
pub fn desired(
    resolution: &Resolution<'_>,
    claims: &Claims,
    known: &Circumstances,
    now: Timestamp,
) -> Result<Vec<Object>, AssignError> {
    let Resolution { name, shop, .. } = *resolution;
    let (class, release) = found(resolution, claims)?;
    let floor = campaign_floor(&shop.spec.scale, now).map_err(|source| AssignError::Schedule {
        shop: name.to_owned(),
        source,
    })?;
    let status = shop.status.as_ref();
    let assigned = status.and_then(|status| status.release.as_ref());
    let context = RenderContext {
        floor,
        at_zero: known.at_zero,
        migrated: known.migrated,
        migrating: known.migrating,
        closed: known.closed,
        paused: known.paused.clone(),
        previous: resolution.fallback(known.migrated).cloned(),
        rejected: status
            .map_or(&[][..], |status| &status.rejected)
            .iter()
            .map(|it| it.manifest.clone())
            .collect(),
        retried: assigned
            .filter(|assigned| assigned.retried)
            .and_then(|assigned| assigned.since.clone()),
        // An agent never goes below a sequence that it has accepted, unless `chosen` says so.
        withheld: claims
            .withheld(name)
            .into_iter()
            .map(|it| it.host)
            .collect(),
        chosen: assigned.is_some_and(|assigned| assigned.returned_from.is_some()),
    };
    Ok(render(shop, class, release, &context)?)
}

/// The class and the release that a shop is rendered of, if nothing that it claims is another's.
///
/// # Errors
///
/// If one of them does not exist, or another shop has what it claims.
pub fn found<'a>(
    resolution: &Resolution<'a>,
    claims: &Claims,
) -> Result<(&'a ShopClass, Option<&'a ResolvedRelease>), AssignError> {
    let Resolution { name, shop, .. } = *resolution;
    let class = resolution.class.ok_or_else(|| AssignError::Class {
        shop: name.to_owned(),
        class: shop.spec.class.clone(),
    })?;
    claimed(name, claims)?;
    Ok((class, resolution.release.clone()?))
}

/// Checks that no other shop has what this one claims.
///
/// # Errors
///
/// If the API server does not do it.
pub fn claimed(name: &str, claims: &Claims) -> Result<(), AssignError> {
    let collisions = claims.refused(name);
    if collisions.is_empty() {
        Ok(())
    } else {
        Err(AssignError::Claimed {
            shop: name.to_owned(),
            collisions,
        })
    }
}

/// Whether the shop has ever worked. An older scheduler, which did not ask for pages, called a shop
/// ready if its pods were.
#[must_use]
pub fn worked(shop: &Shop) -> bool {
    let Some(status) = &shop.status else {
        return false;
    };
    let ready = status
        .conditions
        .iter()
        .any(|it| it.kind == "Ready" && it.status == Truth::True);
    let some = status
        .pods
        .as_deref()
        .is_some_and(|pods| !pods.ends_with("/0"));
    status.worked.is_some() || (ready && some)
}

/// Whether the state of the shop's database is unknown: it was never migrated here, and the shop
/// never worked.
#[must_use]
pub fn new(shop: &Shop) -> bool {
    served(shop)
        && shop
            .status
            .as_ref()
            .is_none_or(|status| status.migrated.is_none())
        && !worked(shop)
}

/// Whether `release` changes the shop's database, which a Job of ours does: engines without one
/// have their agents do without. The first release of a shop does, whatever it says: its database
/// may be empty.
#[must_use]
pub fn migrates(shop: &Shop, release: &ResolvedRelease, class: Option<&ShopClass>) -> bool {
    (release.migration != Migration::None || new(shop))
        && shop.spec.services.database.is_some()
        && class.is_some_and(|class| class.spec.engine != Engine::Php)
}

/// Since when the shop has no pods because it has no visitors, if its Shop still allows that.
#[must_use]
pub fn at_zero(shop: &Shop) -> Option<Timestamp> {
    let since = shop.status.as_ref()?.at_zero_since.as_ref()?.parse().ok()?;
    let may = shop.spec.state == ShopState::Active && shop.spec.scale.to_zero_after().is_some();
    may.then_some(since)
}

/// Whether the shop has pods that a release could break.
#[must_use]
pub fn served(shop: &Shop) -> bool {
    matches!(shop.spec.state, ShopState::Active | ShopState::Maintenance)
}
