//! The plan of what a person is about to change in Shops: which of their objects are rendered
//! otherwise then. What the scheduler has yet to do anyway is no part of it.
//!
//! ```text
//!  Shops as they are ──────┐
//!                          ├─ rendered ─► Foreseen ──┬─► what would be written, which nobody tried
//!  Shops as they would be ─┘                         │
//!  metadata of these kinds ──────────────────────────┴─► dry run of some of each kind of change
//! ```

mod tried;

pub use tried::Tried;

use super::{
    Action, Change, Plan,
    dry_run::{Sample, Trial, Work, rendered},
    guard::{PruneDecision, prune, stays},
    sampling::{self, Expected},
};
use api::{Fleet, Identity, Object, ObjectMetaSummary, Shop, Step, claims::Claims};
use client::{ApiError, Cluster, Conflicts, KINDS};
use jiff::Timestamp;
use release::Sha256;
use render::check;
use std::collections::{BTreeMap, BTreeSet};
use tokio::task::yield_now;
use tried::Like;

/// What a person is about to change.
#[derive(Debug, Clone, Copy)]
pub struct Edited<'a> {
    /// The registry as it is stored, or as much of it as these Shops name.
    pub fleet: &'a Fleet,
    /// What all shops claim.
    pub claims: &'a Claims,
    /// What they would claim.
    pub claims_then: &'a Claims,
    /// The Shops that would change or be new, as they would be.
    pub shops: &'a BTreeMap<String, Shop>,
    /// How many shops of one kind of change are tried.
    pub tries: usize,
    /// The time.
    pub now: Timestamp,
}

/// What would be rendered otherwise.
#[derive(Debug, Clone, Default)]
pub struct Foreseen {
    shops: BTreeMap<String, Vec<Expected>>,
    looked_at: usize,
    failed: BTreeMap<String, String>,
}

impl Edited<'_> {
    /// What would be rendered otherwise. Nobody is asked.
    pub async fn foresee(&self) -> Foreseen {
        let mut foreseen = Foreseen::default();
        let mut checked = BTreeMap::new();
        for (name, shop) in self.shops {
            foreseen.looked_at += 1;
            match self.expected(name, shop, &mut checked) {
                Ok(expected) if expected.is_empty() => {}
                Ok(expected) => drop(foreseen.shops.insert(name.clone(), expected)),
                Err(why) => drop(foreseen.failed.insert(name.clone(), why)),
            }
            // Thousands of shops take seconds: others go on in between.
            yield_now().await;
        }
        foreseen
    }

    /// `checked` counts the shops of each kind of change whose objects were checked: a bug of the
    /// renderer or of a class's overlay is in all of a kind.
    fn expected(
        &self,
        name: &str,
        shop: &Shop,
        checked: &mut BTreeMap<Sha256, usize>,
    ) -> Result<Vec<Expected>, String> {
        let Self { fleet, now, .. } = *self;
        let then = rendered(fleet, self.claims_then, name, Some(shop), now)?;
        // One that could not be rendered has what it had, and what that is the API server says.
        let was = fleet.shops.get(name);
        let was = rendered(fleet, self.claims, name, was, now).unwrap_or_default();
        let mut before: BTreeMap<&Identity, &Object> = was
            .iter()
            .map(|object| (object.identity(), object))
            .collect();
        let (mut expected, mut steps) = (Vec::new(), Vec::new());
        for object in &then {
            let was = before.remove(object.identity());
            if was.is_none_or(|was| was.json() != object.json()) {
                expected.push(Expected::new(name, was, object));
                steps.push(Step::Write(object));
            }
        }
        let gone = before.into_keys();
        expected.extend(gone.map(|it| Expected::gone(sampling::deletion(it, &BTreeMap::new()))));
        let count = checked.entry(sampling::kind(name, &expected)).or_default();
        *count += 1;
        if *count > self.tries {
            return Ok(expected);
        }
        match check::before(&then, &steps) {
            Some(wrong) => Err(format!("shop {name}: {wrong}")),
            None => Ok(expected),
        }
    }

    /// What the API server says of it: it tries some shops of each kind of change, and all of a
    /// kind of which one turns out otherwise. What it said `before`, of other shops, counts.
    ///
    /// # Errors
    ///
    /// If it cannot be asked. What it refuses is part of the plan.
    pub async fn tried(
        &self,
        cluster: &Cluster,
        foreseen: Foreseen,
        before: &mut Tried,
    ) -> Result<Plan, ApiError> {
        before.look_at(cluster, &foreseen).await?;
        let mut plan = Plan {
            looked_at: foreseen.looked_at,
            failed: foreseen.failed,
            ..Plan::default()
        };
        let (mut unknown, mut samples): (Vec<Work<'_>>, Vec<Sample<'_>>) = (Vec::new(), Vec::new());
        let mut only: BTreeMap<String, BTreeSet<Identity>> = BTreeMap::new();
        for (name, expected) in foreseen.shops {
            let live = before.world.remove(&name).unwrap_or_default();
            let own = expected.iter().map(|it| it.change.object.clone());
            let own: BTreeSet<_> = own.collect();
            let work = (name.clone(), self.shops.get(&name), live);
            match found(&name, expected, &work.2, self.now) {
                Some(expected) if expected.is_empty() => continue,
                Some(expected) => {
                    let kind = sampling::kind(&name, &expected);
                    let changes = expected.into_iter().map(|one| one.change).collect();
                    samples.push((kind, (work, changes)));
                }
                None => unknown.push(work),
            }
            only.insert(name, own);
        }
        let trial = Trial {
            fleet: self.fleet,
            claims: self.claims_then,
            conflicts: Conflicts::Refuse,
            fields: true,
            tries: self.tries,
            only: Some(&only),
            now: self.now,
        };
        trial
            .settle(cluster, unknown, samples, &mut before.samples, &mut plan)
            .await?;
        Ok(plan)
    }
}

impl Foreseen {
    /// What the scheduler would write, for whoever may not let the API server try it.
    #[must_use]
    pub fn untried(self) -> Plan {
        let kept = |one: &Expected| one.change.action != Action::Adopt && !stays_of(&one.change);
        let shops = self.shops.into_iter().filter_map(|(name, expected)| {
            let expected = expected.into_iter().filter(kept);
            let changes: Vec<_> = expected.map(|one| one.change).collect();
            (!changes.is_empty()).then_some((name, changes))
        });
        Plan {
            shops: shops.collect(),
            looked_at: self.looked_at,
            failed: self.failed,
            ..Plan::default()
        }
    }

    /// What would change.
    fn like(&self) -> BTreeSet<Like> {
        let of_shop = |(shop, all): (&String, &Vec<Expected>)| {
            let all = all.iter();
            all.map(|one| Like::new(shop, &one.change.object))
                .collect::<Vec<_>>()
        };
        self.shops.iter().flat_map(of_shop).collect()
    }
}

fn stays_of(change: &Change) -> bool {
    change.action == Action::Delete && stays(&change.object)
}

/// What is expected of a shop, beside what is there; nothing if only the API server can tell.
fn found(
    shop: &str,
    expected: Vec<Expected>,
    live: &BTreeMap<Identity, ObjectMetaSummary>,
    now: Timestamp,
) -> Option<Vec<Expected>> {
    let gone: BTreeMap<_, _> = expected
        .iter()
        .filter(|one| one.change.action == Action::Delete)
        .filter_map(|one| live.get_key_value(&one.change.object))
        .map(|(identity, live)| (identity.clone(), live.clone()))
        .collect();
    // Something stays: otherwise it would be a shop that is taken down.
    let namespace = KINDS[0].identity(None, api::namespace(shop));
    let goes: BTreeSet<_> = prune(&BTreeSet::from([&namespace]), &gone, now)
        .into_iter()
        .filter_map(|decision| match decision {
            PruneDecision::Delete(doomed) => Some(doomed.identity),
            PruneDecision::Keep(..) => None,
        })
        .collect();
    let mut found = Vec::new();
    for mut one in expected {
        let identity = &one.change.object;
        match live.get(identity) {
            _ if one.change.action == Action::Delete => {
                if goes.contains(identity) {
                    found.push(Expected::gone(sampling::deletion(identity, live)));
                }
            }
            None if one.was.is_none() => found.push(one),
            // A Job that is there began with what was asked for then.
            Some(_) if identity.kind == "Job" => {}
            Some(live) if live.applied == one.change.desired => {}
            Some(live) if live.applied.is_some() && live.applied == one.was => {
                one.change.seen = Some(super::ObjectVersion::new(&one.change.object.kind, live));
                found.push(one);
            }
            // The scheduler has yet to write it, or somebody else did.
            _ => return None,
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::{APPLIED, fixtures};
    use client::{
        Kind,
        scripted::{Script, expect, list},
    };
    use release::Migration;
    use serde_json::json;

    fn now() -> Timestamp {
        "2026-11-30T12:00:00Z".parse().unwrap()
    }

    /// So many shops of one class and one release.
    fn fleet(shops: usize) -> Fleet {
        let mut fleet = Fleet::default();
        for number in 0..shops {
            let name = format!("s{number}");
            let mut shop = fixtures::shop(&name, json!({ "channel": "shops/acme" }));
            shop.spec.scale.max = shop.spec.scale.min;
            fleet.shops.insert(name, shop);
        }
        let class = fixtures::class("php", json!({}));
        fleet.classes.insert("php".into(), class);
        let release = fixtures::release(7, Migration::None);
        let releases = fleet.releases.entry(release.channel.clone()).or_default();
        releases.insert(7, release);
        fleet
    }

    fn scaled(fleet: &Fleet) -> BTreeMap<String, Shop> {
        let mut shops = fleet.shops.clone();
        for shop in shops.values_mut() {
            shop.spec.scale.max = shop.spec.scale.min + 2;
        }
        shops
    }

    fn edited<'a>(
        fleet: &'a Fleet,
        claims: &'a Claims,
        shops: &'a BTreeMap<String, Shop>,
    ) -> Edited<'a> {
        Edited {
            fleet,
            claims,
            claims_then: claims,
            shops,
            tries: 1,
            now: now(),
        }
    }

    /// Where the API server has a kind.
    fn path_of(kind: &Kind, namespace: &str) -> String {
        let resource = kind.resource();
        let root = if resource.group.is_empty() {
            "api"
        } else {
            "apis"
        };
        format!(
            "/{root}/{}{namespace}/{}",
            resource.api_version, resource.plural
        )
    }

    const HPA: &str = "HorizontalPodAutoscaler";

    #[tokio::test]
    async fn what_is_rendered_otherwise_changes_and_nothing_else() {
        let (fleet, claims) = (fleet(1), Claims::default());
        let shops = scaled(&fleet);
        let plan = edited(&fleet, &claims, &shops).foresee().await.untried();
        let changes = &plan.shops["s0"];
        let new = |change: &&Change| change.object.kind == HPA && change.action == Action::Create;
        assert_eq!(changes.iter().filter(new).count(), 1, "{changes:?}");
        let unchanged = edited(&fleet, &claims, &fleet.shops).foresee().await;
        assert!(unchanged.untried().is_empty());
        // And back again: the autoscaler goes, and nothing that has data.
        let grown = Fleet {
            shops,
            ..fleet.clone()
        };
        let plan = edited(&grown, &claims, &fleet.shops)
            .foresee()
            .await
            .untried();
        let gone = plan.shops["s0"]
            .iter()
            .filter(|it| it.action == Action::Delete);
        assert_eq!(gone.map(|it| &*it.object.kind).collect::<Vec<_>>(), [HPA]);
    }

    #[tokio::test]
    async fn of_new_objects_that_are_alike_one_is_tried_and_all_are_planned() {
        let (fleet, claims) = (fleet(7), Claims::default());
        let mut shops = scaled(&fleet);
        let rest = shops.split_off("s5");
        let first = edited(&fleet, &claims, &shops);
        let foreseen = first.foresee().await;
        let mut exchanges = Vec::new();
        let like = foreseen.like();
        let kinds = KINDS
            .iter()
            .filter(|kind| kind.name == "Namespace" || like.iter().any(|like| like.is_of(kind)));
        for kind in kinds {
            // As they were rendered and written.
            let of_kind = |name: &String| {
                let was = rendered(&fleet, &claims, name, fleet.shops.get(name), now()).unwrap();
                was.into_iter().find(|it| it.identity().kind == kind.name)
            };
            let metadata = |(name, object): (&String, Object)| {
                let it = object.identity();
                json!({
                    "name": it.name, "namespace": it.namespace, "uid": it.name,
                    "labels": { client::SHOP: name }, "resourceVersion": "1",
                    "annotations": { APPLIED: object.digest().to_string() },
                })
            };
            let all: Vec<_> = fleet
                .shops
                .keys()
                .filter_map(|name| Some(metadata((name, of_kind(name)?))))
                .collect();
            let path = format!("GET {}", path_of(kind, ""));
            exchanges.push(expect(&path).answers(list(&all, None)));
        }
        for one in &foreseen.shops["s0"] {
            let it = &one.change.object;
            let kind = KINDS.iter().find(|kind| kind.name == it.kind).unwrap();
            let path = format!("{}/{}", path_of(kind, "/namespaces/shop-s0"), it.name);
            if one.was.is_some() {
                let was = rendered(&fleet, &claims, "s0", fleet.shops.get("s0"), now()).unwrap();
                let was = was.iter().find(|was| was.identity() == it).unwrap();
                exchanges.push(expect(&format!("GET {path}")).answers(was.value()));
            }
            exchanges.push(expect(&format!("PATCH {path} dryRun=All")).stores());
        }
        let script = Script::new(exchanges);
        let (cluster, mut tried) = (script.cluster(), Tried::new(7));
        let plan = first.tried(&cluster, foreseen, &mut tried).await.unwrap();
        // Of the next part, nothing is listed or tried again.
        let next = edited(&fleet, &claims, &rest);
        let foreseen = next.foresee().await;
        let of_rest = next.tried(&cluster, foreseen, &mut tried).await.unwrap();
        script.end();
        assert_eq!((plan.shops.len(), plan.alike), (5, 4), "{plan:?}");
        assert_eq!((of_rest.shops.len(), of_rest.alike), (2, 2), "{of_rest:?}");
    }
}
