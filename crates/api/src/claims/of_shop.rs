//! What one shop claims for itself.

use super::{Claim, Kind};
use crate::{Media, Shop, ShopClass};

/// Everything that a shop claims.
pub(super) fn of_shop(shop: &Shop, class: Option<&ShopClass>) -> Vec<Claim> {
    let services = &shop.spec.services;
    let backends = class.map(|class| &class.spec.backends);
    // If the class is not known, one of its servers is told by its name; if it has no such
    // server, the shop cannot be rendered.
    let place = |name: &str, found: Option<Option<(&str, u32)>>| match found {
        Some(found) => found.map(|(host, port)| {
            format!("{}:{port}", host.trim_end_matches('.').to_ascii_lowercase())
        }),
        None => Some(format!("{name} of class {}", shop.spec.class)),
    };
    let mut claims: Vec<_> = shop
        .spec
        .domains
        .iter()
        .map(|domain| Claim::host(&domain.host.to_ascii_lowercase()))
        .collect();
    if let Some(wanted) = &services.database {
        let found = |it: &crate::Database| it.name == wanted.server;
        let server = backends.map(|it| {
            it.databases
                .iter()
                .find(|it| found(it))
                .map(|it| (it.host.as_str(), it.port))
        });
        // Servers that do not tell upper from lower case have one database for both names.
        let name = wanted.name.to_ascii_lowercase();
        let prefix = wanted.table_prefix.clone().unwrap_or_default();
        claims.extend(
            place(&wanted.server, server)
                .map(|place| Claim::new(Kind::Tables, format!("{name} of {place}"), prefix)),
        );
    }
    if let Some(wanted) = &services.cache {
        let server = backends.map(|it| {
            it.caches
                .iter()
                .find(|it| it.name == wanted.server)
                .map(|it| (it.host.as_str(), it.port))
        });
        if let Some(place) = place(&wanted.server, server) {
            claims.extend(
                wanted
                    .sessions
                    .map(|number| Claim::new(Kind::Sessions, place.clone(), number.to_string())),
            );
            let server =
                backends.and_then(|it| it.caches.iter().find(|it| it.name == wanted.server));
            claims.extend(server.map(|server| {
                Claim::new(
                    Kind::Tenants,
                    place.clone(),
                    format!("{:?}", server.tenants),
                )
            }));
            claims.push(Claim::new(Kind::Keys, place, wanted.prefix.clone()));
        }
    }
    if let Some(wanted) = &services.search {
        let server = backends.map(|it| {
            it.search
                .iter()
                .find(|it| it.name == wanted.server)
                .map(|it| (it.host.as_str(), it.port))
        });
        claims.extend(
            place(&wanted.server, server)
                .map(|place| Claim::new(Kind::Indexes, place, format!("{}_", wanted.prefix))),
        );
    }
    if let Some(wanted) = &services.queue {
        let server = backends.map(|it| {
            it.queues
                .iter()
                .find(|it| it.name == wanted.server)
                .map(|it| (it.host.as_str(), it.port))
        });
        claims.extend(
            place(&wanted.server, server)
                .map(|place| Claim::new(Kind::VirtualHost, place, wanted.virtual_host.clone())),
        );
    }
    claims.extend(directory(shop, class));
    let access_point = services
        .media
        .as_ref()
        .and_then(|wanted| wanted.access_point.as_ref());
    claims.extend(access_point.map(|id| Claim::new(Kind::AccessPoint, "", id)));
    claims
}

/// The directory of the shop's media, from its file system on.
fn directory(shop: &Shop, class: Option<&ShopClass>) -> Option<Claim> {
    let wanted = shop.spec.services.media.as_ref()?;
    let (place, begin) = match class {
        None => (
            format!("{} of class {}: ", wanted.server, shop.spec.class),
            "",
        ),
        Some(class) => match class
            .spec
            .backends
            .media
            .iter()
            .find(|it| it.name == wanted.server)?
        {
            Media { efs: Some(efs), .. } => (efs.file_system.clone(), ""),
            Media { nfs: Some(nfs), .. } => (
                format!("{}:", nfs.server.trim_end_matches('.').to_ascii_lowercase()),
                nfs.export.as_str(),
            ),
            Media {
                directory: Some(directory),
                ..
            } => (String::new(), directory.path.as_str()),
            _ => return None,
        },
    };
    let parts = begin
        .split('/')
        .chain(wanted.path.split('/'))
        .filter(|part| !["", "."].contains(part));
    Some(Claim::new(
        Kind::Directory,
        place,
        parts.fold("/".to_owned(), |path, part| path + part + "/"),
    ))
}
