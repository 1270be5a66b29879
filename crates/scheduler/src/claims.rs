//! What a shop has for itself, and no other shop may have: hosts, a database, media, keys of a cache. No IO.

use crate::{
    crd::{Media, Shop},
    file::Fleet,
};

/// Everything of `shop` that another shop of `fleet` has already, a line each that names that shop.
pub(crate) fn taken(shop: &Shop, fleet: &Fleet) -> Vec<String> {
    let own = shop.metadata.name.as_deref().unwrap_or_default();
    let mut problems = Vec::new();
    for (name, other) in fleet.shops.iter().filter(|(name, _)| *name != own) {
        let mut say = |what: String| problems.push(format!("{what} belongs to shop {name}"));
        for domain in &shop.spec.domains {
            if other.spec.domains.iter().any(|theirs| theirs.host == domain.host) {
                say(format!("host {}", domain.host));
            }
        }
        if let (Some(ours), Some(theirs)) = (database(shop, fleet), database(other, fleet))
            && ours == theirs
        {
            say(format!("database {} of {}:{}", ours.2, ours.0, ours.1));
        }
        if let (Some(ours), Some(theirs)) = (media(shop, fleet), media(other, fleet))
            && (within(&ours, &theirs) || within(&theirs, &ours))
        {
            say(if ours == theirs {
                format!("directory {ours}")
            } else {
                format!("directory {ours}: {theirs}, which is in it or around it,")
            });
        }
        if let (Some(ours), Some(theirs)) = (cache(shop, fleet), cache(other, fleet))
            && (ours.0, ours.1) == (theirs.0, theirs.1)
        {
            // Whoever cleans what begins with the shorter one would take the other's keys, too.
            if ours.2.starts_with(theirs.2) || theirs.2.starts_with(ours.2) {
                say(format!("cache prefix {} of {}:{}: {}, with which it would be mixed up,", ours.2, ours.0, ours.1, theirs.2));
            }
            if ours.3.is_some() && ours.3 == theirs.3 {
                say(format!("database {} of {}:{}, for sessions,", ours.3.unwrap_or_default(), ours.0, ours.1));
            }
        }
    }
    problems
}

/// Where the database is, whatever the class calls its server.
fn database<'a>(shop: &'a Shop, fleet: &'a Fleet) -> Option<(&'a str, u32, &'a str)> {
    let wanted = shop.spec.services.database.as_ref()?;
    let server = fleet.classes.get(&shop.spec.class)?.spec.backends.databases.iter().find(|server| server.name == wanted.server)?;
    Some((&server.host, server.port, &wanted.name))
}

fn cache<'a>(shop: &'a Shop, fleet: &'a Fleet) -> Option<(&'a str, u32, &'a str, Option<u32>)> {
    let wanted = shop.spec.services.cache.as_ref()?;
    let server = fleet.classes.get(&shop.spec.class)?.spec.backends.caches.iter().find(|server| server.name == wanted.server)?;
    Some((&server.host, server.port, &wanted.prefix, wanted.sessions))
}

/// The directory of the shop's media, from its file system on.
fn media(shop: &Shop, fleet: &Fleet) -> Option<String> {
    let wanted = shop.spec.services.media.as_ref()?;
    let server = fleet.classes.get(&shop.spec.class)?.spec.backends.media.iter().find(|server| server.name == wanted.server)?;
    let begin = match server {
        Media { efs: Some(efs), .. } => match &wanted.access_point {
            Some(point) => format!("{}/{point}", efs.file_system),
            None => efs.file_system.clone(),
        },
        Media { nfs: Some(nfs), .. } => format!("{}:{}", nfs.server, nfs.export),
        Media { directory: Some(directory), .. } => directory.path.clone(),
        _ => return None,
    };
    Some(format!("{}/{}", begin.trim_end_matches('/'), wanted.path.trim_matches('/')))
}

fn within(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crd::ShopClass;
    use serde_json::json;

    fn shop(name: &str, class: &str, services: &serde_json::Value) -> Shop {
        let host = format!("{name}.example");
        let spec = json!({ "class": class, "channel": "shops/a", "domains": [{ "host": host, "primary": true }], "services": services });
        Shop::new(name, serde_json::from_value(spec).unwrap())
    }

    fn class(name: &str, database: &str) -> ShopClass {
        let text = include_str!("../../../manifests/examples/shops/plain/class.yaml");
        let mut class: ShopClass = serde_saphyr::from_str(text).unwrap();
        class.metadata.name = Some(name.to_owned());
        class.spec.backends = serde_json::from_value(json!({
            "databases": [{ "name": database, "host": "db.internal" }],
            "caches": [{ "name": "redis", "host": "redis.internal" }],
            "media": [{ "name": "disk", "directory": { "path": "/srv/media" } }],
        }))
        .unwrap();
        class
    }

    fn said(services: &serde_json::Value) -> Vec<String> {
        let theirs = json!({ "database": { "ref": "one", "name": "shop_a" }, "cache": { "ref": "redis", "prefix": "a_", "sessions": 3 }, "media": { "ref": "disk", "path": "/shops/a" } });
        let classes = [("c", "one"), ("d", "two")].map(|(name, database)| (name.to_owned(), class(name, database))).into();
        let shops = [("a".to_owned(), shop("a", "c", &theirs))].into();
        let fleet = Fleet { shops, classes, ..Fleet::default() };
        taken(&shop("b", "d", services), &fleet)
    }

    #[test]
    fn what_another_shop_has_is_found_whatever_its_class_calls_the_server() {
        for (services, says) in [
            (json!({ "database": { "ref": "two", "name": "shop_a" } }), "database shop_a of db.internal:3306 belongs to shop a"),
            (json!({ "media": { "ref": "disk", "path": "/shops/a" } }), "directory /srv/media/shops/a belongs to shop a"),
            (json!({ "media": { "ref": "disk", "path": "/shops" } }), "directory /srv/media/shops: /srv/media/shops/a, which is in it or"),
            (json!({ "cache": { "ref": "redis", "prefix": "a_b_" } }), "cache prefix a_b_ of redis.internal:6379: a_, with which it would"),
            (
                json!({ "cache": { "ref": "redis", "prefix": "b_", "sessions": 3 } }),
                "database 3 of redis.internal:6379, for sessions, belongs",
            ),
        ] {
            let problems = said(&services);
            assert!(problems.len() == 1 && problems[0].starts_with(says), "{problems:?}");
        }
    }

    #[test]
    fn neighbours_are_no_problem() {
        let services = json!({ "database": { "ref": "two", "name": "shop_b" }, "cache": { "ref": "redis", "prefix": "b_", "sessions": 4 }, "media": { "ref": "disk", "path": "/shops/ab" } });
        assert_eq!(said(&services), Vec::<String>::new());
    }

    #[test]
    fn a_host_is_one_shops() {
        let mut fleet = Fleet::default();
        fleet.shops.insert("a".to_owned(), shop("a", "c", &json!({})));
        let mut other = shop("b", "c", &json!({}));
        other.spec.domains[0].host = "a.example".to_owned();
        assert_eq!(taken(&other, &fleet), ["host a.example belongs to shop a"]);
    }
}
