//! Shops of a rollout by how far they are.

use super::{Assigned, Health, Move, NAMED, RESUMED, Situation, lapsed};
use api::{Counts, FailedShop, RolloutSpec, RolloutStatus};
use std::collections::{BTreeMap, BTreeSet};

/// Shops by how far they are.
pub(super) struct Progress<'a> {
    spec: &'a RolloutSpec,
    situation: &'a Situation<'a>,
    /// Shops that failed, with the reason; for ever, until a person resumes.
    pub(super) failed: BTreeMap<&'a str, String>,
    done: BTreeSet<&'a str>,
    moving: BTreeSet<&'a str>,
    /// Those of them that try again what they rejected.
    pub(super) again: BTreeSet<&'a str>,
}

impl<'a> Progress<'a> {
    pub(super) fn new(
        spec: &'a RolloutSpec,
        status: &'a RolloutStatus,
        situation: &'a Situation<'a>,
    ) -> Self {
        let deadline = spec.deadline.length();
        let mut failed: BTreeMap<&str, String> = status
            .failed
            .iter()
            .map(|failed| (failed.shop.as_str(), failed.why.clone()))
            .collect();
        failed.retain(|shop, _| situation.views.contains_key(*shop));
        let (mut done, mut moving, mut again) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let resumed = status
            .history
            .iter()
            .filter(|act| act.what == RESUMED)
            .filter_map(|act| act.at.parse().ok())
            .max();
        for shop in situation.order {
            let Some(view) = situation
                .views
                .get(shop)
                .filter(|_| !failed.contains_key(shop.as_str()))
            else {
                continue;
            };
            match (view.assigned, &view.health) {
                (Assigned::Newer, _) | (Assigned::This, Health::Good) => {
                    done.insert(shop.as_str());
                }
                (Assigned::This, Health::Bad(_))
                    if view
                        .rejected
                        .zip(resumed)
                        .is_some_and(|(rejected, resumed)| rejected < resumed) =>
                {
                    moving.insert(shop.as_str());
                    again.insert(shop.as_str());
                }
                (Assigned::This, Health::Bad(why)) => {
                    failed.insert(shop, why.clone());
                }
                (Assigned::This, Health::Pending)
                    if situation.now.duration_since(view.since) >= deadline =>
                {
                    failed.insert(
                        shop,
                        format!("not ready {} after it was assigned", spec.deadline),
                    );
                }
                // A fleet that scales always has a shop like that, and would never be watched to an
                // end.
                (Assigned::This, Health::Pending) if lapsed(view, status, situation.now) => {
                    done.insert(shop.as_str());
                }
                (Assigned::This, Health::Pending) => {
                    moving.insert(shop.as_str());
                }
                (Assigned::Other, _) => {}
            }
        }
        Self {
            spec,
            situation,
            failed,
            done,
            moving,
            again,
        }
    }

    pub(super) fn assigned(&self, shop: &str) -> Option<Assigned> {
        self.situation.views.get(shop).map(|view| view.assigned)
    }

    pub(super) fn settled(&self, shop: &str) -> bool {
        self.done.contains(shop)
            || self.failed.contains_key(shop)
            || !self.situation.views.contains_key(shop)
    }

    /// Why the rollout ends here: more shops failed than may, or all of the wave. A release that no
    /// shop of a wave could run is no success, whatever the budget allows: where few shops are
    /// moved, it would allow all of them.
    pub(super) fn verdict(&self, wave: &[String]) -> Option<String> {
        let (budget, failed) = (&self.spec.failure_budget, self.failed.len());
        let moved = self.done.len() + self.moving.len() + failed;
        if failed > budget.shops as usize
            || (moved >= 100 && failed * 100 > budget.percent as usize * moved)
        {
            return Some(format!("{failed} shops failed, which is over the budget"));
        }
        let there: Vec<_> = wave
            .iter()
            .filter(|shop| self.situation.views.contains_key(*shop))
            .collect();
        let all = !there.is_empty()
            && there
                .iter()
                .all(|shop| self.failed.contains_key(shop.as_str()));
        all.then(|| match there[..] {
            [shop] => format!("{shop} failed, which is all of the wave"),
            _ => format!("all {} shops of the wave failed", there.len()),
        })
    }

    /// Holds this against all shops of the wave that run the release: so it is on record after they
    /// are back, where nobody sees an error any more.
    pub(super) fn hold_against(&mut self, wave: &[String], why: &str) {
        for shop in wave {
            let known = self.situation.views.get_key_value(shop);
            let running = known.filter(|(_, view)| view.assigned == Assigned::This);
            if let Some((shop, _)) = running {
                self.done.remove(shop.as_str());
                self.moving.remove(shop.as_str());
                self.failed.insert(shop, why.to_owned());
            }
        }
    }

    /// Those of `shops` that are assigned this release, and may be assigned the one before.
    pub(super) fn back(&self, shops: &[String]) -> Vec<(String, Move)> {
        if self.situation.breaking {
            return Vec::new();
        }
        let wave: BTreeSet<_> = shops.iter().map(String::as_str).collect();
        let returns = |shop: &str| {
            self.situation
                .views
                .get(shop)
                .is_some_and(|view| view.assigned == Assigned::This && view.returns)
        };
        let goes = |shop: &&String| {
            returns(shop)
                && (wave.contains(shop.as_str()) || self.failed.contains_key(shop.as_str()))
        };
        self.situation
            .order
            .iter()
            .filter(goes)
            .take(self.spec.at_once as usize)
            .map(|shop| (shop.clone(), Move::Back))
            .collect()
    }

    /// What became of the shops of a rollout that is aborted, and of which nothing goes back any
    /// more.
    pub(super) fn aborted(&self) -> String {
        let stays = self
            .situation
            .views
            .values()
            .filter(|view| view.assigned == Assigned::This)
            .count();
        match (stays, self.situation.breaking) {
            (0, _) => "it was aborted, and all its shops are back".to_owned(),
            (_, true) => format!(
                "it was aborted; {stays} shops keep the release, as it changed their databases so \
                 that the one before cannot run: publish a correction"
            ),
            (_, false) => format!(
                "it was aborted; {stays} shops keep the release, as there is none before it to go \
                 back to"
            ),
        }
    }

    /// A shop that failed within the budget goes back by itself.
    pub(super) fn back_failed(&self) -> Vec<(String, Move)> {
        self.back(&[])
    }

    /// The next shops of the first `end`, within all bounds.
    pub(super) fn forward(&self, end: usize) -> Vec<String> {
        let mut places = (self.spec.at_once as usize).saturating_sub(self.moving.len());
        let mut loaded: BTreeMap<&str, usize> = self
            .situation
            .loaded
            .iter()
            .map(|(server, load)| (server.as_str(), *load))
            .collect();
        let database = |shop: &str| {
            self.situation
                .views
                .get(shop)
                .and_then(|view| view.database.as_deref())
        };
        self.moving
            .iter()
            .filter_map(|shop| database(shop))
            .for_each(|server| *loaded.entry(server).or_default() += 1);
        let mut next = Vec::new();
        for shop in self.waits(end) {
            if places == 0 {
                break;
            }
            if self.situation.views[shop].closed.is_some() {
                continue;
            }
            if let Some(server) = database(shop) {
                let load = loaded.entry(server).or_default();
                if *load >= self.spec.per_database as usize {
                    continue;
                }
                *load += 1;
            }
            places -= 1;
            next.push(shop.clone());
        }
        next
    }

    pub(super) fn waits(&self, end: usize) -> impl Iterator<Item = &'a String> {
        self.situation.order[..end].iter().filter(|shop| {
            self.assigned(shop) == Some(Assigned::Other) && !self.failed.contains_key(shop.as_str())
        })
    }

    pub(super) fn waiting(&self, end: usize) -> String {
        let closed = self
            .waits(end)
            .filter_map(|shop| Some((shop, self.situation.views[shop].closed.as_deref()?)))
            .collect::<Vec<_>>();
        match closed.first() {
            None => String::new(),
            Some((shop, why)) => format!("; {} wait, such as {shop}: {why}", closed.len()),
        }
    }

    pub(super) fn counts(&self) -> Counts {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let returned = self
            .failed
            .keys()
            .filter(|shop| self.assigned(shop) == Some(Assigned::Other))
            .count();
        let all = self.situation.order.len();
        Counts {
            all: count(all),
            done: count(self.done.len()),
            moving: count(self.moving.len()),
            waiting: count(all - self.done.len() - self.moving.len() - self.failed.len().min(all)),
            failed: count(self.failed.len()),
            returned: count(returned),
        }
    }

    pub(super) fn named(&self) -> Vec<FailedShop> {
        let cut = |why: &str| why.chars().take(1000).collect();
        self.failed
            .iter()
            .take(NAMED)
            .map(|(shop, why)| FailedShop {
                shop: (*shop).to_owned(),
                why: cut(why),
            })
            .collect()
    }
}
