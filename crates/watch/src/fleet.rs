//! What is known of shops: which there are, and which hosts of them are probed. Pure.

use api::{Shop, ShopClass, ShopState};
use std::collections::{BTreeMap, HashMap};

/// What is expected of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// A page of the shop.
    Page,
    /// That it redirects to another host.
    Redirect,
    /// A TLS handshake, and nothing is asked: a request would be a visitor, and keep a shop from
    /// being scaled to zero.
    Handshake,
}

/// A host that is probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Whose it is.
    pub(crate) shop: String,
    /// What is expected of it.
    pub(crate) expect: Expect,
    /// Whether the edge serves it; otherwise it is probed from outside alone.
    pub(crate) at_edge: bool,
}

/// What is held of a Shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProbedShop {
    class: String,
    /// Hosts that are probed.
    hosts: Vec<(String, Expect)>,
}

/// What is held of a class: whether the edge serves its shops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AtEdge(bool);

/// Shops and classes, as far as they are listed.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    pub(crate) shops: Option<BTreeMap<String, ProbedShop>>,
    pub(crate) classes: Option<BTreeMap<String, AtEdge>>,
    /// Names of shops by their namespace.
    namespaces: HashMap<String, String>,
    /// Grows with each change.
    version: u64,
}

/// What is held of a Shop, with its name.
pub(crate) fn shop(shop: Shop) -> Option<(String, ProbedShop)> {
    let name = shop.metadata.name?;
    let status = shop.status.unwrap_or_default();
    // A shop that never worked is being built: its conditions say what it waits for.
    let served = shop.spec.state == ShopState::Active
        && status.worked.is_some()
        && status.at_zero_since.is_none();
    let may_sleep = shop.spec.scale.to_zero_after().is_some();
    let hosts = shop.spec.domains.into_iter().filter(|domain| {
        let claim = format!("host {}", domain.host);
        served && status.claims.contains(&claim)
    });
    let hosts = hosts.map(|domain| {
        let expect = match (domain.redirect_to, may_sleep) {
            (Some(_), _) => Expect::Redirect,
            (None, true) => Expect::Handshake,
            (None, false) => Expect::Page,
        };
        (domain.host, expect)
    });
    let known = ProbedShop {
        hosts: hosts.collect(),
        class: shop.spec.class,
    };
    Some((name, known))
}

/// What is held of a class, with its name.
pub(crate) fn class(class: ShopClass) -> Option<(String, AtEdge)> {
    Some((class.metadata.name?, AtEdge(class.spec.route.map.is_some())))
}

impl Fleet {
    /// Takes in a change of shops or classes.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Self)) {
        change(self);
        self.version += 1;
        let names = self.shops.iter().flat_map(BTreeMap::keys);
        if names.clone().count() != self.namespaces.len()
            || !names
                .clone()
                .all(|it| self.namespaces.contains_key(&api::namespace(it)))
        {
            self.namespaces = names.map(|it| (api::namespace(it), it.clone())).collect();
        }
    }

    /// Another number where something changed.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// Whether everything was listed once.
    pub(crate) const fn is_listed(&self) -> bool {
        self.shops.is_some() && self.classes.is_some()
    }

    /// Whether there is such a shop; unknown before they were listed.
    pub(crate) fn has(&self, shop: &str) -> Option<bool> {
        Some(self.shops.as_ref()?.contains_key(shop))
    }

    /// The shop of a namespace.
    pub(crate) fn of_namespace(&self, namespace: &str) -> Option<&str> {
        self.namespaces.get(namespace).map(String::as_str)
    }

    /// The names of all shops.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.shops
            .iter()
            .flat_map(BTreeMap::keys)
            .map(String::as_str)
    }

    /// All hosts that are probed; none before everything was listed.
    pub(crate) fn targets(&self) -> Option<BTreeMap<String, Target>> {
        let (shops, classes) = (self.shops.as_ref()?, self.classes.as_ref()?);
        let mut targets = BTreeMap::new();
        for (name, shop) in shops {
            let at_edge = classes.get(&shop.class).is_some_and(|it| it.0);
            for (host, expect) in &shop.hosts {
                // Two that claim a host: the scheduler says who has it, for a moment later.
                targets.entry(host.clone()).or_insert_with(|| Target {
                    shop: name.clone(),
                    expect: *expect,
                    at_edge,
                });
            }
        }
        Some(targets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::fixtures;
    use serde_json::{Value, json};

    fn known(more: Value, status: Value) -> Vec<(String, Expect)> {
        let mut it = fixtures::shop("acme", more);
        it.status = Some(serde_json::from_value(status).unwrap());
        shop(it).unwrap().1.hosts
    }

    fn two() -> Value {
        json!([{ "host": "www.acme.example", "primary": true },
               { "host": "acme.example", "redirectTo": "www.acme.example" }])
    }

    fn served() -> Value {
        json!({ "worked": "2026-11-30T12:00:00Z",
                "claims": ["host www.acme.example", "host acme.example"] })
    }

    #[test]
    fn hosts_of_shops_that_serve_visitors_are_probed_and_no_others() {
        let both = vec![
            ("www.acme.example".to_owned(), Expect::Page),
            ("acme.example".to_owned(), Expect::Redirect),
        ];
        assert_eq!(known(json!({ "domains": two() }), served()), both);
        for state in ["Maintenance", "Suspended", "Archived"] {
            let spec = json!({ "domains": two(), "state": state });
            assert_eq!(known(spec, served()), [], "{state}");
        }
        let mut zero = served();
        zero["atZeroSince"] = "2026-11-30T12:00:00Z".into();
        assert_eq!(known(json!({ "domains": two() }), zero), []);
        let mut new = served();
        new["worked"] = Value::Null;
        assert_eq!(known(json!({ "domains": two() }), new), []);
        let mut taken = served();
        taken["claims"] = json!(["host acme.example"]);
        assert_eq!(known(json!({ "domains": two() }), taken), both[1..]);
    }

    #[test]
    fn a_shop_that_may_sleep_is_not_woken_by_probes() {
        let spec =
            json!({ "domains": two(), "scale": { "idle": { "after": "5m", "mode": "Zero" } } });
        let expected = [Expect::Handshake, Expect::Redirect];
        let found: Vec<_> = known(spec, served()).into_iter().map(|it| it.1).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn hosts_are_known_when_shops_and_classes_are() {
        let mut fleet = Fleet::default();
        let mut acme = fixtures::shop("acme", json!({ "domains": two() }));
        acme.status = Some(serde_json::from_value(served()).unwrap());
        fleet.change(|it| it.shops = Some(shop(acme).into_iter().collect()));
        assert_eq!((fleet.targets(), fleet.has("acme")), (None, Some(true)));
        assert_eq!(fleet.of_namespace("shop-acme"), Some("acme"));
        let php = class(fixtures::class("php", json!({}))).unwrap();
        fleet.change(|it| it.classes = Some([php].into()));
        let targets = fleet.targets().unwrap();
        assert!(targets.len() == 2 && targets.values().all(|it| it.at_edge && it.shop == "acme"));
        fleet.change(|it| it.shops = Some(BTreeMap::new()));
        assert_eq!(
            (fleet.of_namespace("shop-acme"), fleet.names().count()),
            (None, 0)
        );
    }
}
