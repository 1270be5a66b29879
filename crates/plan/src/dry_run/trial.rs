//! Shops are tried on the API server.

use crate::{
    Action, Change, Field, Plan, difference, gate,
    sampling::{self, Omitted, Samples},
    tidy,
};
use api::{Deletion, Fleet, Identity, Object, ObjectMetaSummary, Shop, Step, claims::Claims};
use client::{ApiError, Cluster, Conflicts};
use futures_util::{StreamExt as _, stream, try_join};
use jiff::Timestamp;
use release::Sha256;
use render::assign::{Circumstances, Resolution, desired};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Shops that are looked at, at the same time.
const AT_ONCE: usize = 16;

/// A shop, what is asked for, if it is in the registry, and what is there.
pub(crate) type Work<'a> = (
    String,
    Option<&'a Shop>,
    BTreeMap<Identity, ObjectMetaSummary>,
);

/// A shop whose changes can be foreseen, by their kind.
pub(crate) type Sample<'a> = (Sha256, (Work<'a>, Vec<Change>));

/// How shops are tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trial<'a> {
    /// What shops name.
    pub(crate) fleet: &'a Fleet,
    /// What they claim.
    pub(crate) claims: &'a Claims,
    /// What happens to fields that others own.
    pub(crate) conflicts: Conflicts,
    /// Whether fields are looked at.
    pub(crate) fields: bool,
    /// How many shops of one kind of change are tried.
    pub(crate) tries: usize,
    /// Which objects of each shop are tried; all of them if this is missing.
    pub(crate) only: Option<&'a BTreeMap<String, BTreeSet<Identity>>>,
    /// The time.
    pub(crate) now: Timestamp,
}

/// What a shop is made of.
pub(crate) fn rendered(
    fleet: &Fleet,
    claims: &Claims,
    name: &str,
    shop: Option<&Shop>,
    now: Timestamp,
) -> Result<Vec<Object>, String> {
    let objects = shop.map_or(Ok(Vec::new()), |shop| {
        let resolution = Resolution::new(name, shop, fleet);
        desired(&resolution, claims, &Circumstances::recorded(shop), now)
    });
    objects.map_err(|error| runtime::Chain(&error).to_string())
}

/// Shops of which anything changes at all.
fn changing(tried: BTreeMap<String, Vec<Change>>) -> impl Iterator<Item = (String, Vec<Change>)> {
    tried.into_iter().filter(|(_, changes)| !changes.is_empty())
}

impl Trial<'_> {
    /// Adds to the plan what becomes of these shops: some of each kind that is foreseen are tried,
    /// beside those that were tried `before`; all of a kind of which one turns out otherwise; and
    /// all of which nothing is foreseen.
    pub(crate) async fn settle(
        &self,
        cluster: &Cluster,
        mut unknown: Vec<Work<'_>>,
        foreseen: Vec<Sample<'_>>,
        before: &mut Samples<Omitted>,
        plan: &mut Plan,
    ) -> Result<(), ApiError> {
        let (samples, rest) = before.choose(foreseen, self.tries);
        let work = samples.iter().map(|(_, (work, _))| work.clone()).collect();
        let tried = self.all(cluster, work, plan).await?;
        for (kind, ((name, ..), changes)) in &samples {
            let tried = tried.get(name);
            let omitted = tried.and_then(|tried| sampling::omitted(name, changes, tried));
            before.learn(*kind, omitted);
        }
        plan.shops.extend(changing(tried));
        for (kind, ((name, shop, live), mut changes)) in rest {
            if let Some(omitted) = before.common(kind) {
                sampling::without(&name, &mut changes, omitted);
                plan.alike += 1;
                plan.shops.insert(name, changes);
            } else {
                unknown.push((name, shop, live));
            }
        }
        let tried = self.all(cluster, unknown, plan).await?;
        plan.shops.extend(changing(tried));
        Ok(())
    }

    /// The changes of shops, as the API server says.
    async fn all(
        &self,
        cluster: &Cluster,
        work: Vec<Work<'_>>,
        plan: &mut Plan,
    ) -> Result<BTreeMap<String, Vec<Change>>, ApiError> {
        // Not a stream that maps: the closure would keep the future from moving between threads.
        let tried: Vec<_> = work
            .into_iter()
            .map(|work| self.one(cluster, work))
            .collect();
        let mut tried = stream::iter(tried).buffer_unordered(AT_ONCE);
        let mut all = BTreeMap::new();
        while let Some(one) = tried.next().await {
            match one? {
                (name, Ok(changes)) => {
                    all.insert(name, changes);
                }
                (name, Err(why)) => {
                    plan.failed.insert(name, why);
                }
            }
        }
        Ok(all)
    }

    async fn one(
        &self,
        cluster: &Cluster,
        (name, found, live): Work<'_>,
    ) -> Result<(String, Result<Vec<Change>, String>), ApiError> {
        let objects = match rendered(self.fleet, self.claims, &name, found, self.now) {
            Ok(objects) => objects,
            Err(why) => return Ok((name, Err(why))),
        };
        let fresh = objects
            .first()
            .is_some_and(|namespace| !live.contains_key(namespace.identity()));
        let mut changes = Vec::new();
        for step in gate(&objects, &live, |_| None, self.now) {
            if !self.asks_for(&name, &step) {
                continue;
            }
            changes.push(match step {
                Step::Delete(Deletion { identity, .. }) => sampling::deletion(&identity, &live),
                // Nothing can be tried in a namespace that is not there yet.
                Step::Create(object) if fresh && object.identity().namespace.is_some() => {
                    sampling::written(object, None)
                }
                Step::Create(object) | Step::Write(object) => {
                    let live = live.get(object.identity());
                    self.change(cluster, object, live).await?
                }
            });
        }
        Ok((name, Ok(changes)))
    }

    fn asks_for(&self, shop: &str, step: &Step<'_>) -> bool {
        let identity = match step {
            Step::Create(object) | Step::Write(object) => object.identity(),
            Step::Delete(deletion) => &deletion.identity,
        };
        let Some(only) = self.only else { return true };
        only.get(shop).is_some_and(|only| only.contains(identity))
    }

    async fn change(
        &self,
        cluster: &Cluster,
        object: &Object,
        live: Option<&ObjectMetaSummary>,
    ) -> Result<Change, ApiError> {
        let mut change = sampling::written(object, live);
        if !self.fields {
            return Ok(change);
        }
        let before = async {
            match live {
                Some(_) => cluster.get(object.identity()).await,
                None => Ok(None),
            }
        };
        let after = async { Ok(cluster.try_apply(object, self.conflicts).await) };
        let (before, after) = try_join!(before, after)?;
        match after {
            Ok(after) => {
                if let Some(before) = before {
                    change.fields = fields(before, after);
                    if change.fields.is_empty() {
                        change.action = Action::Adopt;
                    }
                }
            }
            // The API server that cannot be asked is no refusal.
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => change.refused = Some(error.to_string()),
        }
        Ok(change)
    }
}

fn fields(before: Value, after: Value) -> Vec<Field> {
    difference(&tidy(before), &tidy(after))
}
