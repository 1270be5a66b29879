//! Visitors of shops that may be scaled to zero, as the edge tells of them, and what follows.
//!
//! ```text
//!  pods ──── no visitor for idle.after ───► none
//!       ◄── a visitor, another release ───
//! ```
//!
//! Nobody knows of visitors while a replica of the edge does not report. A shop stays as it is then.

use super::{Controller, in_progress::assigned_since, queue::Priority};
use api::{
    Shop, ShopState,
    edge::visits::{PERIOD, Report, WINDOW},
    namespace,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use render::assign::{at_zero, worked};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// How long a visitor is remembered: longer than any `idle.after`.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(25);

/// What replicas of the edge reported.
#[derive(Debug, Default)]
pub(crate) struct Visits {
    /// The last report of each replica, and when it came, by this process's clock.
    replicas: BTreeMap<String, (Report, Timestamp)>,
    /// The last visitor of each shop, by namespace.
    last: HashMap<String, Timestamp>,
    /// Since when every replica reports without a gap.
    since: Option<Timestamp>,
}

impl Visits {
    /// Takes in what the ConfigMap says now.
    fn take(&mut self, data: &BTreeMap<String, String>, now: Timestamp) {
        let since = self.since.filter(|_| self.complete(now)).unwrap_or(now);
        self.since = Some(since);
        self.replicas
            .retain(|replica, _| data.contains_key(replica));
        for (replica, text) in data {
            // One that cannot be read says nothing of who had no visitor.
            let report = serde_json::from_str(text).unwrap_or_else(|_| Report {
                more: true,
                ..Report::default()
            });
            if self
                .replicas
                .get(replica)
                .is_some_and(|(known, _)| *known == report)
            {
                continue;
            }
            if report.more {
                self.since = Some(now);
            }
            for (shop, seconds) in &report.seconds {
                let at = now - SignedDuration::from_secs(i64::from(*seconds));
                let last = self.last.entry(shop.clone()).or_insert(at);
                *last = at.max(*last);
            }
            self.replicas.insert(replica.clone(), (report, now));
        }
        self.last
            .retain(|_, at| now.duration_since(*at) < REMEMBERED);
    }

    /// Whether each replica's visitors of the last two minutes are known.
    fn complete(&self, now: Timestamp) -> bool {
        let fresh = |(_, came): &(Report, Timestamp)| {
            now.duration_since(*came) < WINDOW.try_into().unwrap_or(SignedDuration::ZERO)
        };
        !self.replicas.is_empty() && self.replicas.values().all(fresh)
    }

    /// Since when a shop had no visitor, if that is known.
    fn quiet_since(&self, namespace: &str, now: Timestamp) -> Option<Timestamp> {
        let since = self.since.filter(|_| self.complete(now))?;
        Some(
            self.last
                .get(namespace)
                .map_or(since, |last| since.max(*last)),
        )
    }
}

/// How many pods a shop has, as far as its visitors decide that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scaling {
    /// As its Shop says. If it may be scaled to zero, it is looked at again after this time.
    Up(Option<Duration>),
    /// None.
    Zero,
}

/// Decides that. `busy` is a shop that cannot go without pods at the moment, such as one that is on
/// its way to another release.
pub(super) fn decide(shop: &Shop, visits: &Visits, busy: bool, now: Timestamp) -> Scaling {
    let Some(after) = shop.spec.scale.to_zero_after() else {
        return Scaling::Up(None);
    };
    let namespace = namespace(shop.metadata.name.as_deref().unwrap_or_default());
    let assigned = assigned_since(shop);
    if let Some(since) = at_zero(shop) {
        let later = |at: Option<&Timestamp>| at.is_some_and(|at| *at > since);
        if !busy && !later(visits.last.get(&namespace)) && !later(assigned.as_ref()) {
            return Scaling::Zero;
        }
        return Scaling::Up(Some(PERIOD));
    }
    // A release was seen to work before nobody looks.
    let may = shop.spec.state == ShopState::Active && worked(shop) && !busy;
    let Some(quiet) = visits.quiet_since(&namespace, now).filter(|_| may) else {
        return Scaling::Up(Some(Duration::from_mins(1)));
    };
    let quiet = assigned.map_or(quiet, |assigned| quiet.max(assigned));
    let left = after.length() - now.duration_since(quiet);
    match Duration::try_from(left) {
        Ok(left) if !left.is_zero() => Scaling::Up(Some(left)),
        _ => Scaling::Zero,
    }
}

/// Takes in the ConfigMap, and has shops reconcile whose visitors wait.
pub(super) fn took(controller: &Controller, map: &ConfigMap) {
    let none = BTreeMap::new();
    let waited_for: Vec<_> = {
        let mut state = controller.lock();
        state
            .visits
            .take(map.data.as_ref().unwrap_or(&none), Timestamp::now());
        let visited = |(name, shop): &(&String, &Shop)| {
            let last = state.visits.last.get(&namespace(name));
            at_zero(shop).is_some_and(|since| last.is_some_and(|last| *last > since))
        };
        let shops = state.fleet.shops.iter().filter(visited);
        shops.map(|(name, _)| name.clone()).collect()
    };
    if controller.complete() {
        for shop in &waited_for {
            controller.queue.ask(shop, Priority::Urgent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::fixtures;
    use serde_json::json;

    const START: Timestamp = Timestamp::UNIX_EPOCH;

    fn at(seconds: i64) -> Timestamp {
        START + SignedDuration::from_secs(seconds)
    }

    fn shop(status: serde_json::Value) -> Shop {
        let idle = json!({"scale": {"idle": {"after": "5m", "mode": "Zero"}}});
        let mut shop = fixtures::shop("acme", idle);
        shop.status = Some(serde_json::from_value(status).unwrap());
        shop
    }

    /// Reports of these replicas, each with what it saw.
    fn data(reports: &[(&str, i64, serde_json::Value)]) -> BTreeMap<String, String> {
        let text = |at_seconds: i64, seen: &serde_json::Value| {
            json!({"at": at(at_seconds).to_string(), "seconds": seen}).to_string()
        };
        let one = |(replica, at, seen): &(&str, i64, serde_json::Value)| {
            ((*replica).to_owned(), text(*at, seen))
        };
        reports.iter().map(one).collect()
    }

    #[test]
    fn a_shop_without_visitors_is_scaled_to_zero_and_the_next_one_scales_it_up() {
        let worked = shop(json!({"worked": START.to_string()}));
        let mut visits = Visits::default();
        let nobody = json!({});
        assert_eq!(
            decide(&worked, &visits, false, at(0)),
            Scaling::Up(Some(Duration::from_mins(1))),
            "no edge reports"
        );
        for now in (0..=320).step_by(20) {
            let visitor = if now == 20 {
                json!({"shop-acme": 0})
            } else {
                nobody.clone()
            };
            visits.take(
                &data(&[("a", now, visitor), ("b", now, nobody.clone())]),
                at(now),
            );
        }
        let left = Scaling::Up(Some(Duration::from_secs(1)));
        assert_eq!(decide(&worked, &visits, false, at(319)), left);
        assert_eq!(decide(&worked, &visits, false, at(320)), Scaling::Zero);
        assert_ne!(
            decide(&worked, &visits, true, at(320)),
            Scaling::Zero,
            "on its way"
        );
        let new = shop(json!({}));
        assert_ne!(
            decide(&new, &visits, false, at(320)),
            Scaling::Zero,
            "it never worked"
        );
        let assigned = |since: i64| json!({"name": "r", "sequence": 2, "manifest": "m", "since": at(since).to_string()});
        let moved = shop(json!({"worked": START.to_string(), "release": assigned(310)}));
        assert_ne!(
            decide(&moved, &visits, false, at(320)),
            Scaling::Zero,
            "a release to try"
        );

        let zero = |release: i64| {
            shop(
                json!({"worked": START.to_string(), "atZeroSince": at(320).to_string(), "release": assigned(release)}),
            )
        };
        assert_eq!(decide(&zero(0), &visits, false, at(400)), Scaling::Zero);
        assert_ne!(decide(&zero(390), &visits, false, at(400)), Scaling::Zero);
        visits.take(
            &data(&[("a", 401, json!({"shop-acme": 1})), ("b", 400, nobody)]),
            at(401),
        );
        assert_ne!(decide(&zero(0), &visits, false, at(401)), Scaling::Zero);
    }

    #[test]
    fn while_a_replica_says_nothing_nobody_is_without_visitors() {
        let worked = shop(json!({"worked": START.to_string()}));
        let mut visits = Visits::default();
        let mut report = |a: i64, b: i64, now: i64| {
            visits.take(&data(&[("a", a, json!({})), ("b", b, json!({}))]), at(now));
            decide(&worked, &visits, false, at(now))
        };
        for now in (0..400).step_by(20) {
            assert_eq!(report(now, 0, now) == Scaling::Zero, false, "{now}");
        }
        // It is back: from now on it counts.
        for now in (400..700).step_by(20) {
            assert_eq!(report(now, now, now) == Scaling::Zero, false, "{now}");
        }
        assert_eq!(report(700, 700, 700), Scaling::Zero);
        // A report that did not fit, or makes no sense.
        visits.take(&[("a".to_owned(), "{}".to_owned())].into(), at(701));
        assert_ne!(decide(&worked, &visits, false, at(702)), Scaling::Zero);
    }
}
