//! Who has what two shops claim.

use super::*;
use crate::crd::Tenants;
use proptest::prelude::*;
use serde_json::{Value, json};

fn shop(name: &str, class: &str, hosts: &[&str], services: &Value) -> Shop {
    let domains: Vec<_> = hosts
        .iter()
        .map(|host| json!({ "host": host, "primary": *host == hosts[0] }))
        .collect();
    let spec =
        json!({ "class": class, "channel": "shops/a", "domains": domains, "services": services });
    Shop::new(name, serde_json::from_value(spec).unwrap())
}

/// Two classes with the same servers, which the second one calls by other names; of a map and of an
/// Ingress.
fn classes() -> BTreeMap<String, ShopClass> {
    let class = |name: &str, route: Value, suffix: &str, host: &str| {
        let text = include_str!("../../../../manifests/examples/shops/plain/class.yaml");
        let mut class: ShopClass = serde_saphyr::from_str(text).unwrap();
        class.metadata.name = Some(name.to_owned());
        class.spec.route = serde_json::from_value(route).unwrap();
        let server = |kind: &str| json!([{ "name": format!("{kind}{suffix}"), "host": host }]);
        class.spec.backends = serde_json::from_value(json!({
            "databases": server("db"), "caches": server("redis"), "search": server("search"), "queues": server("rabbit"),
            "media": [
                { "name": format!("disk{suffix}"), "directory": { "path": "/srv/media" } },
                { "name": format!("efs{suffix}"), "efs": { "fileSystem": "fs-01234567", "region": "r" } },
                { "name": format!("nfs{suffix}"), "nfs": { "server": host, "export": if suffix.is_empty() { "/export" } else { "/export/shops" } } },
            ],
        }))
        .unwrap();
        (name.to_owned(), class)
    };
    [
        class(
            "c",
            json!({ "map": { "weight": 100 } }),
            "",
            "data.internal",
        ),
        class(
            "d",
            json!({ "ingress": { "className": "nginx" } }),
            "2",
            "Data.internal.",
        ),
    ]
    .into()
}

fn fleet(shops: Vec<Shop>) -> Fleet {
    let shops = shops
        .into_iter()
        .map(|shop| (shop.metadata.name.clone().unwrap(), shop))
        .collect();
    Fleet {
        shops,
        classes: classes(),
        ..Fleet::default()
    }
}

fn said(theirs: &Value, ours: &Value) -> Vec<String> {
    let fleet = fleet(vec![
        shop("a", "c", &["a.example"], theirs),
        shop("b", "d", &["b.example"], ours),
    ]);
    let claims = Claims::new(&fleet);
    assert_eq!(claims.refused("a"), []);
    claims
        .refused("b")
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn what_another_shop_has_is_found_whatever_its_class_calls_the_server() {
    for (theirs, ours, says) in [
        (
            json!({ "database": { "ref": "db", "name": "shop" } }),
            json!({ "database": { "ref": "db2", "name": "Shop" } }),
            "database shop of data.internal:3306 belongs to shop a",
        ),
        (
            json!({ "database": { "ref": "db", "name": "shop" } }),
            json!({ "database": { "ref": "db2", "name": "shop", "tablePrefix": "b_" } }),
            "tables b_* of database shop of data.internal:3306: database shop of \
             data.internal:3306, with which it would be mixed up, belongs to shop a",
        ),
        (
            json!({ "media": { "ref": "disk", "path": "/shops/a" } }),
            json!({ "media": { "ref": "disk2", "path": "/shops/a" } }),
            "directory /srv/media/shops/a belongs to shop a",
        ),
        (
            json!({ "media": { "ref": "disk", "path": "/shops/a" } }),
            json!({ "media": { "ref": "disk2", "path": "/shops" } }),
            "directory /srv/media/shops: directory /srv/media/shops/a, which is in it or around \
             it, belongs to shop a",
        ),
        (
            json!({ "media": { "ref": "nfs", "path": "/shops/a" } }),
            json!({ "media": { "ref": "nfs2", "path": "/a/x" } }),
            "directory data.internal:/export/shops/a/x: directory data.internal:/export/shops/a, \
             which is in it or around it, belongs to shop a",
        ),
        (
            json!({ "media": { "ref": "efs", "path": "/a" } }),
            json!({ "media": { "ref": "efs2", "path": "/a" } }),
            "directory fs-01234567/a belongs to shop a",
        ),
        (
            json!({ "media": { "ref": "efs", "path": "/a", "accessPoint": "fsap-01234567" } }),
            json!({ "media": { "ref": "efs2", "path": "/b", "accessPoint": "fsap-01234567" } }),
            "access point fsap-01234567 belongs to shop a",
        ),
        (
            // Its root directory is a part of the file system like another one.
            json!({ "media": { "ref": "efs", "path": "/shops", "accessPoint": "fsap-01234567" } }),
            json!({ "media": { "ref": "efs2", "path": "/shops/b", "accessPoint": "fsap-89abcdef" } }),
            "directory fs-01234567/shops/b: directory fs-01234567/shops, which is in it or around \
             it, belongs to shop a",
        ),
        (
            json!({ "cache": { "ref": "redis", "prefix": "a_" } }),
            json!({ "cache": { "ref": "redis2", "prefix": "a_b_" } }),
            "cache prefix a_b_ of data.internal:6379: cache prefix a_ of data.internal:6379, with \
             which it would be mixed up, belongs to shop a",
        ),
        (
            json!({ "cache": { "ref": "redis", "prefix": "a_", "sessions": 3 } }),
            json!({ "cache": { "ref": "redis2", "prefix": "b_", "sessions": 3 } }),
            "database 3 for sessions of data.internal:6379 belongs to shop a",
        ),
        (
            json!({ "search": { "ref": "search", "prefix": "a" } }),
            json!({ "search": { "ref": "search2", "prefix": "a" } }),
            "search prefix a of data.internal:9200 belongs to shop a",
        ),
        (
            json!({ "queue": { "ref": "rabbit", "virtualHost": "a" } }),
            json!({ "queue": { "ref": "rabbit2", "virtualHost": "a" } }),
            "virtual host a of data.internal:5672 belongs to shop a",
        ),
    ] {
        assert_eq!(said(&theirs, &ours), [says]);
    }
}

#[test]
fn neighbours_are_no_problem() {
    let theirs = json!({
        "database": { "ref": "db", "name": "shop", "tablePrefix": "a_" }, "cache": { "ref": "redis", "prefix": "a_", "sessions": 3 },
        "media": { "ref": "efs", "path": "/shops/a", "accessPoint": "fsap-0a0a0a0a" }, "search": { "ref": "search", "prefix": "a" }, "queue": { "ref": "rabbit", "virtualHost": "a" },
    });
    let ours = json!({
        "database": { "ref": "db2", "name": "shop", "tablePrefix": "b_" }, "cache": { "ref": "redis2", "prefix": "b_", "sessions": 4 },
        "media": { "ref": "efs2", "path": "/shops/ab", "accessPoint": "fsap-0b0b0b0b" }, "search": { "ref": "search2", "prefix": "ab" }, "queue": { "ref": "rabbit2", "virtualHost": "b" },
    });
    assert_eq!(said(&theirs, &ours), Vec::<String>::new());
}

#[test]
fn of_one_redis_server_all_classes_say_the_same() {
    let cache =
        |server: &str, prefix: &str| json!({ "cache": { "ref": server, "prefix": prefix } });
    let shops = ["a", "b", "c"].map(|name| {
        let (class, server) = if name == "c" {
            ("d", "redis2")
        } else {
            ("c", "redis")
        };
        shop(
            name,
            class,
            &[&format!("{name}.example")],
            &cache(server, &format!("{name}_")),
        )
    });
    let mut fleet = fleet(shops.into());
    assert!(
        fleet
            .shops
            .keys()
            .all(|name| Claims::new(&fleet).refused(name).is_empty())
    );
    fleet.classes.get_mut("d").unwrap().spec.backends.caches[0].tenants = Tenants::Trusted;
    let claims = Claims::new(&fleet);
    assert_eq!((claims.refused("a"), claims.refused("b")), (vec![], vec![]));
    assert_eq!(
        claims
            .refused("c")
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        [
            "the class says Trusted of the Redis server data.internal:6379, and the class of shop \
             a says Separate: all classes have to say the same of one server"
        ]
    );
}

#[test]
fn a_host_is_one_shops_whether_it_redirects_and_whatever_its_class_routes_by() {
    let fleet = fleet(vec![
        shop("a", "c", &["a.example", "old.example"], &json!({})),
        shop("b", "d", &["b.example", "old.example"], &json!({})),
    ]);
    let claims = Claims::new(&fleet);
    assert_eq!(
        claims
            .refused("b")
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["host old.example belongs to shop a"]
    );
    assert!(
        claims.has_host("a", "old.example")
            && !claims.has_host("b", "old.example")
            && claims.has_host("b", "b.example")
    );
}

#[test]
fn who_has_it_keeps_it_then_who_was_created_first_then_the_first_name() {
    let made = |name: &str, created: Option<&str>, has: &[&str]| {
        let mut made = shop(name, "c", &["x.example"], &json!({}));
        made.metadata.creation_timestamp = created
            .map(|at| k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at.parse().unwrap()));
        made.status = Some(serde_json::from_value(json!({ "claims": has })).unwrap());
        made
    };
    let (early, late) = (Some("2026-01-01T00:00:00Z"), Some("2026-02-01T00:00:00Z"));
    for (a, b, loser) in [
        ((None, &[][..]), (None, &[][..]), "b"),
        ((late, &[]), (early, &[]), "a"),
        ((None, &[]), (late, &[]), "a"),
        // An old shop that claims what a younger one has is the newcomer.
        (
            (early, &["host other.example"]),
            (late, &["host x.example"]),
            "a",
        ),
        (
            (late, &["host x.example"]),
            (early, &["host x.example"]),
            "a",
        ),
    ] {
        let mut claims = Claims::new(&fleet(vec![made("a", a.0, a.1), made("b", b.0, b.1)]));
        let losers: Vec<_> = ["a", "b"]
            .into_iter()
            .filter(|name| !claims.refused(name).is_empty())
            .collect();
        assert_eq!(losers, [loser], "{a:?} {b:?}");
        // Once the other one is gone, or claims something else, it has what it claims.
        let winner = if loser == "a" { "b" } else { "a" };
        let mut other = claims.clone();
        claims.forget(winner);
        other.see(winner, &shop(winner, "c", &["y.example"], &json!({})), None);
        assert_eq!(
            (claims.refused(loser), other.refused(loser)),
            (vec![], vec![])
        );
    }
}

#[test]
fn without_its_class_a_server_is_the_one_of_that_name() {
    let mut claims = Claims::default();
    let services = json!({ "database": { "ref": "db", "name": "shop" }, "media": { "ref": "efs", "path": "/a" } });
    for (name, class) in [("a", "c"), ("b", "c"), ("other", "d")] {
        claims.see(
            name,
            &shop(name, class, &[&format!("{name}.example")], &services),
            None,
        );
    }
    assert_eq!(
        (claims.refused("b").len(), claims.refused("other").len()),
        (2, 0)
    );
    assert_eq!(
        claims.refused("b")[0].to_string(),
        "database shop of db of class c belongs to shop a"
    );
}

/// A shop with claims of a small world, so that many collide.
fn any_shop() -> impl Strategy<Value = (usize, Vec<usize>, usize, usize, bool)> {
    (
        0_usize..8,
        proptest::collection::vec(0_usize..12, 1..4),
        0_usize..6,
        0_usize..6,
        any::<bool>(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn what_is_given_is_given_once_in_whatever_order_it_is_asked_for(
        seen in proptest::collection::vec(any_shop(), 1..40),
    ) {
        const PREFIXES: [&str; 6] = ["a_", "a_b_", "b_", "a_b_c_", "ab_", "c_"];
        const PATHS: [&str; 6] = ["/a", "/a/b", "/ab", "/b", "/a/b/c", "/c"];
        let mut claims = Claims::default();
        let mut last = BTreeMap::new();
        for (number, hosts, prefix, path, first) in seen {
            let (name, class) = (format!("s{number}"), if first { "c" } else { "d" });
            let suffix = if first { "" } else { "2" };
            let hosts: BTreeSet<_> = hosts
                .iter()
                .map(|host| format!("h{host}.example"))
                .collect();
            let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
            let services = json!({ "cache": { "ref": format!("redis{suffix}"), "prefix": PREFIXES[prefix] }, "media": { "ref": format!("disk{suffix}"), "path": PATHS[path] } });
            let shop = shop(&name, class, &hosts, &services);
            claims.see(&name, &shop, classes().get(class));
            last.insert(name, shop);
        }
        // What was seen on the way leaves nothing behind.
        let whole = Claims::new(&fleet(last.values().cloned().collect()));
        prop_assert_eq!(&whole.owners, &claims.owners);
        let given: Vec<_> = last
            .keys()
            .filter(|name| claims.refused(name).is_empty())
            .collect();
        let overlap = |a: &Claim, b: &Claim| {
            a.kind != Kind::Tenants
                && (a.kind, &a.place) == (b.kind, &b.place)
                && (a.name == b.name
                    || (a.contains()
                        && (a.name.starts_with(&b.name) || b.name.starts_with(&a.name))))
        };
        for (index, one) in given.iter().enumerate() {
            for other in &given[..index] {
                for (a, b) in claims.shops[*one]
                    .claims
                    .iter()
                    .flat_map(|a| claims.shops[*other].claims.iter().map(move |b| (a, b)))
                {
                    prop_assert!(!overlap(a, b), "{one} and {other} have both {a} and {b}");
                }
            }
        }
        // Nobody is refused for nothing.
        for name in last.keys() {
            for collision in claims.refused(name) {
                prop_assert!(
                    overlap(&collision.ours, &collision.theirs)
                        && collision.shop.as_deref().is_some_and(|it| it != *name)
                );
            }
        }
    }
}
