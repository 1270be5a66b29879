//! Whether a shop that may be scaled to zero has pods.
//!
//! ```text
//!  pods ──── no visitor for idle.after ───► none
//!       ◄── a visitor, another release ───
//! ```
//!
//! While nobody knows of visitors, a shop stays as it is.

use super::Controller;
use api::{Shop, ShopState, edge::visits::PERIOD, namespace};
use cell::{Visits, in_progress::assigned_since};
use client::Priority;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use render::assign::{at_zero, worked};
use std::{collections::BTreeMap, time::Duration};

/// How many pods a shop has, as far as its visitors decide that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scaling {
    /// As its Shop says. If it may be scaled to zero, it is looked at again after this time.
    Up(Option<Duration>),
    /// None.
    Zero,
}

/// Whether a shop can go without pods at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activity {
    Idle,
    /// It cannot, such as one that is on its way to another release.
    Busy,
}

/// Decides that.
pub(super) fn decide(shop: &Shop, visits: &Visits, activity: Activity, now: Timestamp) -> Scaling {
    let Some(after) = shop.spec.scale.to_zero_after() else {
        return Scaling::Up(None);
    };
    let namespace = namespace(shop.metadata.name.as_deref().unwrap_or_default());
    let assigned = assigned_since(shop);
    if let Some(since) = at_zero(shop) {
        let later = |at: Option<Timestamp>| at.is_some_and(|at| at > since);
        if activity == Activity::Idle && !later(visits.last(&namespace)) && !later(assigned) {
            return Scaling::Zero;
        }
        return Scaling::Up(Some(PERIOD));
    }
    // A release was seen to work before nobody looks.
    let may = shop.spec.state == ShopState::Active && worked(shop) && activity == Activity::Idle;
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
        let shops = state.fleet.shops.iter();
        let may = shops.filter(|(_, shop)| shop.spec.scale.to_zero_after().is_some());
        let may = may.map(|(name, _)| namespace(name)).collect();
        let data = map.data.as_ref().unwrap_or(&none);
        state.visits.take(data, &may, Timestamp::now());
        let visited = |(name, shop): &(&String, &Shop)| {
            let last = state.visits.last(&namespace(name));
            at_zero(shop).is_some_and(|since| last.is_some_and(|last| last > since))
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
    use jiff::SignedDuration;
    use serde_json::json;
    use std::collections::BTreeSet;

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

    fn known() -> BTreeSet<String> {
        ["shop-acme".to_owned()].into()
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
            decide(&worked, &visits, Activity::Idle, at(0)),
            Scaling::Up(Some(Duration::from_mins(1))),
            "no edge reports"
        );
        for now in (0..=300).step_by(20) {
            let visitor = if now == 20 {
                json!({"shop-acme": 0})
            } else {
                nobody.clone()
            };
            visits.take(
                &data(&[("a", now, visitor), ("b", now, nobody.clone())]),
                &known(),
                at(now),
            );
        }
        let left = Scaling::Up(Some(Duration::from_secs(1)));
        assert_eq!(decide(&worked, &visits, Activity::Idle, at(319)), left);
        assert_eq!(
            decide(&worked, &visits, Activity::Idle, at(320)),
            Scaling::Zero
        );
        assert_ne!(
            decide(&worked, &visits, Activity::Busy, at(320)),
            Scaling::Zero,
            "on its way"
        );
        let new = shop(json!({}));
        assert_ne!(
            decide(&new, &visits, Activity::Idle, at(320)),
            Scaling::Zero,
            "it never worked"
        );
        let assigned = |since: i64| json!({"name": "r", "sequence": 2, "manifest": "m", "since": at(since).to_string()});
        let moved = shop(json!({"worked": START.to_string(), "release": assigned(310)}));
        assert_ne!(
            decide(&moved, &visits, Activity::Idle, at(320)),
            Scaling::Zero,
            "a release to try"
        );

        let zero = |release: i64| {
            shop(
                json!({"worked": START.to_string(), "atZeroSince": at(320).to_string(), "release": assigned(release)}),
            )
        };
        assert_eq!(
            decide(&zero(0), &visits, Activity::Idle, at(400)),
            Scaling::Zero
        );
        assert_ne!(
            decide(&zero(390), &visits, Activity::Idle, at(400)),
            Scaling::Zero
        );
        visits.take(
            &data(&[("a", 401, json!({"shop-acme": 1})), ("b", 400, nobody)]),
            &known(),
            at(401),
        );
        assert_ne!(
            decide(&zero(0), &visits, Activity::Idle, at(401)),
            Scaling::Zero
        );
    }

    #[test]
    fn while_a_replica_says_nothing_nobody_is_without_visitors() {
        let worked = shop(json!({"worked": START.to_string()}));
        let mut visits = Visits::default();
        let strangers = (0..9)
            .map(|it| (format!("shop-{it}"), 0))
            .collect::<BTreeMap<_, _>>();
        visits.take(&data(&[("a", -20, json!(strangers))]), &known(), at(-20));
        assert_eq!(
            visits.last("shop-1"),
            None,
            "no shop that may be scaled to zero"
        );
        let mut report = |a: i64, b: i64, now: i64| {
            visits.take(
                &data(&[("a", a, json!({})), ("b", b, json!({}))]),
                &known(),
                at(now),
            );
            decide(&worked, &visits, Activity::Idle, at(now))
        };
        for now in (0..400).step_by(20) {
            assert_ne!(report(now, 0, now), Scaling::Zero, "{now}");
        }
        // It is back: from now on it counts.
        for now in (400..700).step_by(20) {
            assert_ne!(report(now, now, now), Scaling::Zero, "{now}");
        }
        assert_eq!(report(700, 700, 700), Scaling::Zero);
        // A report that did not fit, or makes no sense.
        visits.take(
            &[("a".to_owned(), "{}".to_owned())].into(),
            &known(),
            at(701),
        );
        assert_ne!(
            decide(&worked, &visits, Activity::Idle, at(702)),
            Scaling::Zero
        );
    }
}
