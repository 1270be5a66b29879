//! The second stage: every object that a shop asks for at this moment, and what the cluster has.

use super::resolve::ResolvedShop;
use crate::run::{
    Controller,
    to_zero::{self, Activity, Scaling},
};
use api::{Identity, Migrating, Object, ObjectMetaSummary};
use cell::{in_progress::InProgress, migration::MigrationLock};
use jiff::Timestamp;
use render::assign::{self, AssignError, Circumstances, desired};
use std::{collections::BTreeMap, time::Duration};

/// The objects of a shop as rendered, beside those in the cluster.
pub(super) struct Rendered {
    pub(super) objects: Result<Vec<Object>, AssignError>,
    /// What the shop claims at this moment. When its status is written it may claim more, which no
    /// check has seen.
    pub(super) claims: Vec<String>,
    pub(super) live: BTreeMap<Identity, ObjectMetaSummary>,
    /// Drift tokens of our last writes.
    pub(super) ours: BTreeMap<Identity, i64>,
    pub(super) known: Circumstances,
    /// When its visitors may change the decision.
    pub(super) look: Option<Duration>,
}

/// Whether the halt stops a shop.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Halt {
    /// A rollout is moving the shop, and somebody halted, with a reason if it is known.
    Holds(Option<String>),
    Lets,
}

/// Renders a shop; `None` if it has left the registry meanwhile. In an `audit` everything is
/// written, whatever the digests say.
pub(super) fn render(
    controller: &Controller,
    resolved: &ResolvedShop,
    audit: bool,
    now: Timestamp,
) -> Option<Rendered> {
    let name = resolved.name.as_str();
    let fresh = controller.connections.halt.fresh();
    let state = controller.lock();
    if !state.fleet.shops.contains_key(name) {
        return None;
    }
    let on_its_way = || {
        controller
            .reports
            .with(|reports| InProgress::new(&state, reports, now).has(name, &resolved.shop))
    };
    let halt = if (state.halted.is_some() || !fresh) && on_its_way() {
        Halt::Holds(state.halted.clone())
    } else {
        Halt::Lets
    };
    let mut known = known(resolved, halt);
    let busy = || known.closed || known.migrating != Migrating::No || on_its_way();
    let may = resolved.shop.spec.scale.to_zero_after().is_some();
    let activity = if may && busy() {
        Activity::Busy
    } else {
        Activity::Idle
    };
    let scaling = to_zero::decide(&resolved.shop, &state.visits, activity, now);
    known.at_zero = scaling == Scaling::Zero;
    let objects = desired(&resolved.resolution(), &state.claims, &known, now);
    // No object has this drift token, so everything is written, also kinds without a token.
    let drift_token = |ours: Option<i64>| if audit { Some(-1) } else { ours };
    let records = state.world.get(name);
    let ours = records
        .into_iter()
        .flatten()
        .filter_map(|(identity, record)| Some((identity.clone(), drift_token(record.ours)?)))
        .collect();
    Some(Rendered {
        objects,
        claims: state.claims.texts(name),
        live: state.live(name),
        ours,
        known,
        look: match scaling {
            Scaling::Up(look) => look,
            Scaling::Zero => None,
        },
    })
}

/// The state of the shop's database, and whether its agents wait.
fn known(resolved: &ResolvedShop, halt: Halt) -> Circumstances {
    let ResolvedShop {
        shop,
        migration,
        maintenance,
        ..
    } = resolved;
    let halted = halt != Halt::Lets;
    let open = maintenance.is_breaking() && !assign::begun(shop);
    let migrating = match (migration.due, &migration.lock) {
        // The halt stops only migrations that have not begun: half of one is worse than a whole
        // one.
        (Some(due), _) if due.begun => Migrating::Now,
        // The shop closes to visitors first.
        (Some(_), MigrationLock::Ours) if !halted && open => Migrating::Soon,
        (Some(_), MigrationLock::Ours) if !halted => Migrating::Now,
        (Some(_), MigrationLock::Cron) if !halted => Migrating::Soon,
        // Cron of a new shop has nothing to do before its database exists, and the Job would wait
        // for cron to end.
        (Some(_), MigrationLock::Nobody | MigrationLock::Crowded(_)) if assign::new(shop) => {
            Migrating::Soon
        }
        _ => Migrating::No,
    };
    Circumstances {
        migrated: migration.migrated,
        migrating,
        closed: maintenance.closes(shop, migration.due, migrating),
        paused: match halt {
            Halt::Holds(why) => why,
            Halt::Lets => None,
        },
        at_zero: false,
    }
}
