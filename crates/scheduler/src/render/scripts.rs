//! What cron and migrations run in the shop's image: shell, with the engine's own programs.

use super::frame::Frame;
use crate::crd::Engine;
use std::collections::BTreeMap;

const CRON: &str = include_str!("script/cron.sh");
const MIGRATE_MAGENTO1: &str = include_str!("script/migrate-magento1.sh");
const MIGRATE_MAGENTO2: &str = include_str!("script/migrate-magento2.sh");

pub(crate) fn files(frame: &Frame<'_>) -> BTreeMap<String, String> {
    let php = format!("php{}", frame.class.php.version);
    let due = match frame.class.engine {
        Engine::Magento1 => "    run \"$PHP\" cron.php -mdefault\n    run \"$PHP\" cron.php -malways",
        Engine::Magento2 => "    run \"$PHP\" bin/magento cron:run",
        Engine::Php => "    if [ -f cron.php ]; then run \"$PHP\" cron.php; fi",
    };
    let jitter = super::name::spread(frame.shop, 60);
    let mut files = BTreeMap::from([(
        "cron.sh".to_owned(),
        CRON.replace("@PHP@", &php).replace("@JITTER@", &jitter.to_string()).replace("@DUE@", due),
    )]);
    let migrate = match frame.class.engine {
        Engine::Magento1 => Some(MIGRATE_MAGENTO1),
        Engine::Magento2 => Some(MIGRATE_MAGENTO2),
        Engine::Php => None,
    };
    files.extend(migrate.map(|script| ("migrate.sh".to_owned(), script.replace("@PHP@", &php))));
    files
}

/// Whether the engine's database changes with releases.
pub(crate) fn migrates(frame: &Frame<'_>) -> bool {
    frame.class.engine != Engine::Php
}
