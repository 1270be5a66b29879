//! The table of shops: which rows a question has, and in which order.

use crate::registry::Known;
use api::{Condition, Shop, ShopState, Truth};
use serde::Deserialize;
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

/// Rows of a page.
pub(crate) const PAGE: usize = 50;

/// What is asked for; empty is everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct ShopQuery {
    /// A part of the name, a host, the class or the channel.
    pub(crate) q: String,
    pub(crate) class: String,
    pub(crate) channel: String,
    pub(crate) health: String,
    pub(crate) state: String,
    pub(crate) release: String,
    /// A condition that is not as it should be.
    pub(crate) condition: String,
    /// A node.
    pub(crate) node: String,
    /// The shops that have pods on that node.
    #[serde(skip)]
    pub(crate) on_node: BTreeSet<String>,
    pub(crate) sort: String,
    /// The page, from 1 on.
    pub(crate) page: usize,
}

impl ShopQuery {
    /// What stands behind the `?` of an address; what is none asks for everything.
    pub(crate) fn read(query: &str) -> Self {
        let address = format!("/?{query}").parse::<http::Uri>().ok();
        let read = address.and_then(|it| axum::extract::Query::try_from_uri(&it).ok());
        read.map(|query| query.0).unwrap_or_default()
    }

    /// The query of the same question with another order or page, for links.
    pub(crate) fn link(&self, sort: &str, page: usize) -> String {
        let page = page.to_string();
        let all = [
            ("q", self.q.as_str()),
            ("class", &self.class),
            ("channel", &self.channel),
            ("health", &self.health),
            ("state", &self.state),
            ("release", &self.release),
            ("condition", &self.condition),
            ("node", &self.node),
            ("sort", sort),
            ("page", if page == "1" { "" } else { &page }),
        ];
        let pairs: Vec<_> = all
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}", crate::page::encode(value)))
            .collect();
        pairs.join("&")
    }
}

/// How a shop is, for its badge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Health {
    /// Visitors get nothing.
    Bad,
    /// It is served, and something is wrong.
    Warning,
    /// Nobody knows.
    Unknown,
    /// It is served.
    Good,
    /// It is off, as its state says.
    Off,
}

impl Health {
    /// All of them, for the form.
    pub(crate) const ALL: [Self; 5] = [
        Self::Bad,
        Self::Warning,
        Self::Unknown,
        Self::Good,
        Self::Off,
    ];

    /// How the shop is.
    pub(crate) fn of_shop(shop: &Shop) -> Self {
        if matches!(shop.spec.state, ShopState::Suspended | ShopState::Archived) {
            return Self::Off;
        }
        match condition(shop, "Ready").map(|it| it.status) {
            Some(Truth::True) if problem(shop).is_some() => Self::Warning,
            Some(Truth::True) => Self::Good,
            Some(Truth::False) => Self::Bad,
            Some(Truth::Unknown) | None => Self::Unknown,
        }
    }

    /// The word for it, in addresses and as a class of the stylesheet.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Bad => "down",
            Self::Warning => "warning",
            Self::Unknown => "unknown",
            Self::Good => "served",
            Self::Off => "off",
        }
    }
}

fn conditions(shop: &Shop) -> &[Condition] {
    shop.status
        .as_ref()
        .map_or(&[], |status| &status.conditions)
}

pub(crate) fn condition<'a>(shop: &'a Shop, kind: &str) -> Option<&'a Condition> {
    conditions(shop).iter().find(|it| it.kind == kind)
}

/// The conditions that are not as they should be. `Degraded` sums the others up, and is the only
/// one that is bad when it is true.
fn wrong(shop: &Shop) -> impl Iterator<Item = &Condition> {
    let all = conditions(shop).iter();
    all.filter(|it| it.kind != "Degraded" && it.status != Truth::True)
}

/// What is wrong, in a line: the first of it.
pub(crate) fn problem(shop: &Shop) -> Option<String> {
    let first = wrong(shop).next()?;
    let text = if first.message.is_empty() {
        &first.reason
    } else {
        &first.message
    };
    Some(format!("{}: {text}", first.kind))
}

/// What is wrong with some of these shops, and with how many.
pub(crate) fn troubles<'a>(shops: impl Iterator<Item = &'a Shop>) -> BTreeMap<&'a str, usize> {
    let mut troubles = BTreeMap::new();
    for condition in shops.flat_map(wrong) {
        *troubles.entry(condition.kind.as_str()).or_default() += 1;
    }
    troubles
}

/// What a condition says, if it is false.
pub(crate) fn said(shop: &Shop, kind: &str) -> Option<String> {
    let found = condition(shop, kind).filter(|it| it.status == Truth::False)?;
    Some(found.message.clone())
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) health: Health,
    /// The state that somebody gave it.
    pub(crate) state: String,
    pub(crate) problem: Option<String>,
    pub(crate) class: String,
    pub(crate) channel: String,
    pub(crate) release: Option<i64>,
    /// The sequence of a newer release, if there is one.
    pub(crate) newer: Option<u64>,
    pub(crate) pods: String,
    pub(crate) host: String,
}

impl Row {
    /// The row of a shop.
    pub(crate) fn new(name: &str, shop: &Shop, known: &Known) -> Self {
        let status = shop.status.as_ref();
        let release = status
            .and_then(|status| status.release.as_ref())
            .map(|release| release.sequence);
        let newest = known.fleet.newest(&shop.spec.channel);
        let newer = newest
            .map(|newest| newest.sequence.get())
            .filter(|newest| release.is_none_or(|now| newest.cast_signed() > now));
        let primary = shop.spec.domains.iter().find(|domain| domain.primary);
        Self {
            name: name.to_owned(),
            health: Health::of_shop(shop),
            state: format!("{:?}", shop.spec.state),
            problem: problem(shop),
            class: shop.spec.class.clone(),
            channel: shop.spec.channel.clone(),
            release,
            newer,
            pods: status
                .and_then(|status| status.pods.clone())
                .unwrap_or_default(),
            host: primary.map_or_else(String::new, |domain| domain.host.clone()),
        }
    }
}

/// A page of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) shown: Vec<Row>,
    /// Shops that the question has.
    pub(crate) found: usize,
    /// Shops that there are.
    pub(crate) all: usize,
    /// This page, from 1 on.
    pub(crate) page: usize,
    pub(crate) pages: usize,
}

/// The shops that a question finds, by name.
pub(crate) fn found<'a>(known: &'a Known, question: &ShopQuery) -> Vec<(&'a String, &'a Shop)> {
    let words = question.q.to_lowercase();
    let shops = known.fleet.shops.iter();
    shops
        .filter(|(name, shop)| matches(name, shop, question, &words))
        .collect()
}

/// The rows of a question.
pub(crate) fn rows(known: &Known, question: &ShopQuery) -> Rows {
    let mut found = found(known, question);
    match question.sort.as_str() {
        "health" => found.sort_by_key(|(_, shop)| Health::of_shop(shop)),
        "class" => found.sort_by(|(_, a), (_, b)| a.spec.class.cmp(&b.spec.class)),
        "channel" => found.sort_by(|(_, a), (_, b)| a.spec.channel.cmp(&b.spec.channel)),
        "release" => found.sort_by(|(_, a), (_, b)| newest_first(a, b)),
        _ => {}
    }
    let pages = found.len().div_ceil(PAGE).max(1);
    let page = question.page.clamp(1, pages);
    let rows = found.iter().skip((page - 1) * PAGE).take(PAGE);
    Rows {
        shown: rows
            .map(|(name, shop)| Row::new(name, shop, known))
            .collect(),
        found: found.len(),
        all: known.fleet.shops.len(),
        page,
        pages,
    }
}

fn newest_first(one: &Shop, other: &Shop) -> Ordering {
    let sequence = |shop: &Shop| {
        let release = shop.status.as_ref()?.release.as_ref()?;
        Some(release.sequence)
    };
    sequence(other).cmp(&sequence(one))
}

fn matches(name: &str, shop: &Shop, question: &ShopQuery, words: &str) -> bool {
    let spec = &shop.spec;
    let is = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
    let sequence = || {
        let release = shop.status.as_ref()?.release.as_ref()?;
        Some(release.sequence.to_string())
    };
    is(&question.class, &spec.class)
        && is(&question.channel, &spec.channel)
        && is(&question.health, Health::of_shop(shop).word())
        && (question.state.is_empty() || question.state == format!("{:?}", spec.state))
        && (question.release.is_empty() || sequence().as_ref() == Some(&question.release))
        && (question.condition.is_empty()
            || wrong(shop).any(|condition| condition.kind == question.condition))
        && (question.node.is_empty() || question.on_node.contains(name))
        && words.split_whitespace().all(|word| {
            name.contains(word)
                || spec.class.to_lowercase().contains(word)
                || spec.channel.contains(word)
                || spec.domains.iter().any(|domain| domain.host.contains(word))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::fixtures;
    use serde_json::{Value, json};

    fn shop(name: &str, ready: &str, more: Value) -> (String, Shop) {
        let mut shop = fixtures::shop(name, more);
        let at = "2026-12-01T10:00:00Z";
        let status = json!({ "pods": "2/2", "release": { "name": "r", "sequence": 3, "manifest": "" },
            "conditions": [
                { "type": "Ready", "status": ready, "reason": "PodsReady", "message": "", "lastTransitionTime": at },
                { "type": "Degraded", "status": "False", "reason": "Fine", "message": "", "lastTransitionTime": at },
            ] });
        shop.status = Some(serde_json::from_value(status).unwrap());
        (name.to_owned(), shop)
    }

    fn known() -> Known {
        let mut known = Known::default();
        known.fleet.shops.extend([
            shop("acme", "True", json!({})),
            shop("bikes", "False", json!({ "class": "large" })),
            shop("casa", "True", json!({ "state": "Suspended" })),
        ]);
        known
    }

    fn names(question: &ShopQuery) -> Vec<String> {
        let rows = rows(&known(), question).shown;
        rows.into_iter().map(|row| row.name).collect()
    }

    fn asked(query: Value) -> Vec<String> {
        names(&serde_json::from_value(query).unwrap())
    }

    #[test]
    fn every_word_is_found_in_names_hosts_classes_and_channels() {
        assert_eq!(asked(json!({})), ["acme", "bikes", "casa"]);
        assert_eq!(asked(json!({ "q": "LARGE" })), ["bikes"]);
        assert_eq!(asked(json!({ "q": "casa.example shops/" })), ["casa"]);
        assert_eq!(asked(json!({ "q": "acme bikes" })), [""; 0]);
    }

    #[test]
    fn what_is_down_comes_first_if_somebody_asks_for_that() {
        assert_eq!(
            asked(json!({ "sort": "health" })),
            ["bikes", "acme", "casa"]
        );
        assert_eq!(asked(json!({ "health": "off" })), ["casa"]);
        assert_eq!(asked(json!({ "state": "Suspended" })), ["casa"]);
        assert_eq!(asked(json!({ "release": "3" })).len(), 3);
        assert_eq!(asked(json!({ "condition": "Ready" })), ["bikes"]);
        let known = known();
        let found = troubles(known.fleet.shops.values());
        assert_eq!(found, [("Ready", 1)].into());
    }

    #[test]
    fn a_node_has_the_shops_whose_pods_are_there_and_of_one_that_was_not_asked_for_none() {
        let mut question = ShopQuery::read("node=n1");
        assert_eq!(names(&question), [""; 0]);
        question.on_node = ["casa", "elsewhere"].map(str::to_owned).into();
        assert_eq!(names(&question), ["casa"]);
        assert_eq!(question.link("", 1), "node=n1");
    }

    #[test]
    fn a_page_that_is_not_there_is_the_last_one() {
        let mut known = Known::default();
        let shops = (0..120).map(|number| shop(&format!("shop-{number:03}"), "True", json!({})));
        known.fleet.shops.extend(shops);
        let page = |page| {
            let question = ShopQuery {
                page,
                ..ShopQuery::default()
            };
            let rows = rows(&known, &question);
            (rows.page, rows.shown[0].name.clone(), rows.shown.len())
        };
        assert_eq!(page(0), (1, "shop-000".to_owned(), 50));
        assert_eq!(page(99), (3, "shop-100".to_owned(), 20));
    }

    #[test]
    fn a_link_keeps_the_question() {
        let question = ShopQuery {
            q: "a&b c".to_owned(),
            class: "large".to_owned(),
            ..ShopQuery::default()
        };
        assert_eq!(
            question.link("health", 2),
            "q=a%26b%20c&class=large&sort=health&page=2"
        );
        assert_eq!(ShopQuery::default().link("", 1), "");
    }
}
