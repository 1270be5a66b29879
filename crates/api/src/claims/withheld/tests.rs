//! Whose a host is, if owners of domains say so.

use crate::{Fleet, Shop, claims::Claims, fixtures};
use proptest::prelude::*;
use serde_json::json;

/// What a shop names, and what its status says of it.
struct Told<'a> {
    class: &'a str,
    hosts: &'a [&'a str],
    has: &'a [&'a str],
    proven: &'a [&'a str],
}

const ASKS: Told<'_> = Told {
    class: "asks",
    hosts: &["x.example"],
    has: &[],
    proven: &[],
};

fn shop(name: &str, told: &Told<'_>) -> Shop {
    let domains: Vec<_> = told
        .hosts
        .iter()
        .map(|host| json!({ "host": host }))
        .collect();
    let mut shop = fixtures::shop(name, json!({ "class": told.class, "domains": domains }));
    shop.metadata.uid = Some(name.to_owned());
    let status = shop.status.get_or_insert_default();
    status.claims = told.has.iter().map(|host| format!("host {host}")).collect();
    status.proven_hosts = told.proven.iter().map(|&host| host.to_owned()).collect();
    shop
}

/// The claims of shops, which have the names a, b, c and so on.
fn claims(all: &[Told<'_>]) -> Claims {
    let mut fleet = Fleet::default();
    for (name, more) in [
        (
            "asks",
            json!({ "domainProof": { "platformDomains": ["shops.host.example"] } }),
        ),
        ("asks-not", json!({})),
    ] {
        let class = fixtures::class(name, more);
        fleet.classes.insert(name.to_owned(), class);
    }
    for (letter, told) in ('a'..).zip(all) {
        let name = letter.to_string();
        fleet.shops.insert(name.clone(), shop(&name, told));
    }
    Claims::new(&fleet)
}

fn withheld(claims: &Claims, name: &str) -> Vec<String> {
    let withheld = claims.withheld(name);
    withheld.iter().map(ToString::to_string).collect()
}

#[test]
fn a_new_host_gets_no_traffic_until_it_is_proven_and_is_in_nobodys_way() {
    let newcomer = |proven| Told { proven, ..ASKS };
    let other = Told {
        class: "asks-not",
        ..ASKS
    };
    let both = claims(&[newcomer(&[]), other]);
    assert_eq!(both.owner_of_host("x.example"), Some("b"));
    assert!(!both.has_host("a", "x.example") && both.has_host("b", "x.example"));
    assert_eq!((both.refused("a"), both.refused("b")), (vec![], vec![]));
    assert_eq!(both.texts("a"), [""; 0], "it must not count as had later");
    assert_eq!(
        withheld(&both, "a"),
        [
            "x.example gets no traffic until DNS has the record _longshore.x.example TXT \
             \"longshore-shop=a\""
        ]
    );
    assert_eq!(both.unproven_hosts(), 1);

    let proven = claims(&[newcomer(&["x.example"])]);
    assert!(proven.has_host("a", "x.example"));
    assert_eq!(proven.texts("a"), ["host x.example"]);
    assert_eq!(withheld(&proven, "a"), [""; 0]);
}

#[test]
fn what_gets_traffic_when_a_class_begins_to_ask_keeps_it() {
    let claims = claims(&[Told {
        has: &["x.example"],
        ..ASKS
    }]);
    assert!(claims.has_host("a", "x.example"));
    assert_eq!(claims.texts("a"), ["host x.example"]);
}

#[test]
fn a_proof_wins_over_whoever_has_the_host_and_takes_nothing_else() {
    for class in ["asks", "asks-not"] {
        let incumbent = Told {
            class,
            hosts: &["x.example", "a.shops.host.example"],
            has: &["host x.example", "x.example", "a.shops.host.example"],
            proven: &[],
        };
        let owner = Told {
            proven: &["x.example"],
            ..ASKS
        };
        let claims = claims(&[incumbent, owner]);
        assert_eq!(claims.owner_of_host("x.example"), Some("b"), "{class}");
        assert_eq!(claims.refused("a"), [], "the rest of it goes on");
        assert_eq!(claims.texts("a"), ["host a.shops.host.example"]);
        assert_eq!(
            withheld(&claims, "a"),
            [
                "x.example gets no traffic here, because its DNS names shop b; the record \
                 _longshore.x.example TXT \"longshore-shop=a\" in place of that one moves it"
            ]
        );
    }
}

#[test]
fn a_host_of_the_platform_is_no_shops_whatever_dns_says() {
    let owner = Told {
        has: &["x.example"],
        proven: &["x.example"],
        ..ASKS
    };
    let mut claims = claims(&[owner]);
    assert!(claims.has_host("a", "x.example"));
    claims.reserve("x.example");
    assert!(!claims.has_host("a", "x.example"));
    assert_eq!(claims.owner_of_host("x.example"), None);
    assert_eq!(withheld(&claims, "a"), Vec::<String>::new());
    let refused: Vec<_> = claims
        .refused("a")
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        refused,
        ["host x.example is one of the platform's own hosts"]
    );
}

#[test]
fn of_two_that_dns_names_the_one_keeps_it_that_has_it() {
    let newcomer = Told {
        proven: &["x.example"],
        ..ASKS
    };
    let incumbent = Told {
        has: &["x.example"],
        proven: &["x.example"],
        ..ASKS
    };
    let claims = claims(&[newcomer, incumbent]);
    assert_eq!(claims.owner_of_host("x.example"), Some("b"));
    assert_eq!(claims.refused("a"), []);
    assert_eq!(withheld(&claims, "a").len(), 1);
}

proptest! {
    /// Whatever shops say, and whatever is known of them.
    #[test]
    fn no_host_has_two_shops_and_a_proof_is_worth_more_than_anything_else(
        shops in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 1..6),
    ) {
        let one: &[&str] = &["x.example"];
        let some = |is: bool| if is { one } else { &[] };
        let told: Vec<_> = shops
            .iter()
            .map(|&(asks, has, proven)| Told {
                class: if asks { "asks" } else { "asks-not" },
                hosts: one,
                has: some(has),
                proven: some(proven),
            })
            .collect();
        let claims = claims(&told);
        let names: Vec<_> = ('a'..).take(shops.len()).map(String::from).collect();
        let having: Vec<_> = names.iter().filter(|name| claims.has_host(name, "x.example")).collect();
        prop_assert!(having.len() <= 1, "{having:?}");
        prop_assert_eq!(claims.owner_of_host("x.example"), having.first().map(|name| name.as_str()));
        let of = |name: &&String| {
            let at = names.iter().position(|it| it == *name).unwrap();
            let (asks, has, proven) = shops[at];
            (asks && proven, !asks || has || proven)
        };
        if names.iter().any(|name| of(&name).0) {
            prop_assert!(having.iter().all(|name| of(name).0) && having.len() == 1);
        }
        for name in &names {
            let got = having.contains(&name);
            prop_assert!(!got || of(&name).1, "{} neither had nor proved it", name);
            // Whoever does not get it is told, in one of two ways, and whoever gets it in none.
            let told = claims.withheld(name).len() + claims.refused(name).len();
            prop_assert_eq!(told, usize::from(!got), "{}", name);
            prop_assert_eq!(claims.texts(name).is_empty(), !got && claims.refused(name).is_empty());
        }
    }
}
