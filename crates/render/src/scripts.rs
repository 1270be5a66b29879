//! What cron and migrations run in the shop's image: shell and PHP, with the engine's own programs.

use super::{path, shop_context::ShopContext};
use api::Engine;
use std::collections::BTreeMap;

const CRON: &str = include_str!("script/cron.sh");
const CLEAN_CACHES: &str = include_str!("script/clean-caches.php");
const DATABASE: &str = include_str!("script/database.php");
const MIGRATE: &str = include_str!("script/migrate.sh");
const MIGRATE_MAGENTO1: [&str; 2] = [
    include_str!("script/migrate-magento1.sh"),
    include_str!("script/migrate-magento1.php"),
];
const MIGRATE_MAGENTO2: [&str; 2] = [
    include_str!("script/migrate-magento2.sh"),
    include_str!("script/migrate-magento2.php"),
];

pub(crate) fn files(context: &ShopContext<'_>) -> BTreeMap<String, String> {
    let php = format!("php{}", context.class.php.version);
    let (due, migrate) = match context.class.engine {
        Engine::Magento1 => (
            "    run \"$PHP\" cron.php -mdefault\n    run \"$PHP\" cron.php -malways",
            Some(MIGRATE_MAGENTO1),
        ),
        Engine::Magento2 => (
            "    run \"$PHP\" bin/magento cron:run",
            Some(MIGRATE_MAGENTO2),
        ),
        Engine::Php => (
            "    if [ -f cron.php ]; then run \"$PHP\" cron.php; fi",
            None,
        ),
    };
    let jitter = api::name::spread(context.shop, 60);
    let second = api::name::spread(context.shop, 3600);
    let cron = CRON
        .replace("@PHP@", &php)
        .replace("@JITTER@", &jitter.to_string())
        .replace("@SECOND@", &second.to_string());
    let mut files = BTreeMap::from([("cron.sh".to_owned(), cron.replace("@DUE@", due))]);
    if let Some([own, program]) = migrate {
        let filled = |text: &str| {
            text.replace("@PHP@", &php)
                .replace("@SECRET@", path::SECRET)
                .replace("@BASE_URL@", &format!("https://{}/", context.primary()))
                .replace("@TLS@", &tls(context))
        };
        files.extend(
            [
                ("migrate.sh", migrate_script(own).as_str()),
                ("migrate.php", program),
                ("database.php", DATABASE),
            ]
            .map(|(name, text)| (name.to_owned(), filled(text))),
        );
        files.extend(clean_caches(context).map(|text| ("clean-caches.php".to_owned(), text)));
    }
    files
}

/// What Magento 1's own configuration cannot say of its connection: PDO's options have numbers. The
/// path has no quote in it.
fn tls(context: &ShopContext<'_>) -> String {
    let tls = context.database.and_then(|(server, _)| server.tls.as_ref());
    tls.map(|tls| format!("1009 => '{}', 1014 => true", tls.ca_file))
        .unwrap_or_default()
}

/// Where the shop has caches in Redis.
/// The script with the parts that are an engine's own, each of which begins with a line `#@`.
fn migrate_script(own: &str) -> String {
    let places = ["@BEFORE@\n", "@INSTALL@\n", "@AFTER@\n"];
    let parts = own.split("#@\n").skip(1);
    let put = |script: String, (place, part): (&str, &str)| script.replace(place, part);
    places.into_iter().zip(parts).fold(MIGRATE.to_owned(), put)
}

fn clean_caches(context: &ShopContext<'_>) -> Option<String> {
    let (server, wanted) = context.cache?;
    let databases = if context.class.engine == Engine::Magento2 {
        "'0', '1'"
    } else {
        "'0'"
    };
    Some(
        CLEAN_CACHES
            .replace("@SCHEME@", if server.tls { "tls" } else { "tcp" })
            .replace("@HOST@", &server.host)
            .replace("@PORT@", &server.port.to_string())
            .replace("@USER@", context.cache_user().unwrap_or_default())
            .replace("@PREFIX@", &wanted.prefix)
            .replace("@DATABASES@", databases)
            .replace("@ROOT@", path::ROOT)
            .replace("@SECRET@", path::SECRET),
    )
}

/// Whether the engine's database changes with releases.
pub(crate) fn migrates(context: &ShopContext<'_>) -> bool {
    context.class.engine != Engine::Php
}
