//! php-fpm's pool and php.ini: the text of the shop's image, with what the class says. So a pod behaves alike with and without a scheduler,
//! and depends on no file of the image.

use crate::render::{frame::Frame, path};
use std::{collections::BTreeMap, fmt::Write as _};

const POOL: &str = include_str!("../../../../../images/shop/php-fpm.conf");
const GUARD: &str = include_str!("../../../../../images/shop/guard.php");
const INI: &str = include_str!("../../../../../images/shop/ini/shop.ini");
/// What only PHP 7 has in its php.ini, and what only later ones have.
const INI_7: &str = include_str!("../../../../../images/shop/ini/7.ini");
const INI_8: &str = include_str!("../../../../../images/shop/ini/8.ini");
const PING: &str = include_str!("template/ping.php");
/// Where the image has [`GUARD`].
const IMAGE_GUARD: &str = "/etc/shop/guard.php";
/// After how much time a worker is killed with its request: as long as nginx waits for it.
const TIMEOUT: &str = "600s";
const REQUESTS: &str = "1000";

pub(super) fn files(frame: &Frame<'_>) -> BTreeMap<String, String> {
    [("php-fpm.conf", pool(frame)), ("shop.ini", ini(frame)), ("guard.php", GUARD.to_owned()), ("ping.php", PING.to_owned())]
        .map(|(name, text)| (name.to_owned(), text))
        .into()
}

fn pool(frame: &Frame<'_>) -> String {
    let workers = frame.class.php.workers;
    let dynamic = format!(
        "dynamic\npm.start_servers = {}\npm.min_spare_servers = {}\npm.max_spare_servers = {}",
        workers.div_ceil(4),
        workers.div_ceil(8),
        workers.div_ceil(2)
    );
    let mut pool = POOL
        .replace("${PHP_PM}", &dynamic)
        .replace("${PHP_WORKERS}", &workers.to_string())
        .replace("${PHP_REQUESTS}", REQUESTS)
        .replace("${PHP_TIMEOUT}", TIMEOUT)
        // In shop.ini, as cron and migrations have no pool; and there the class's settings may say otherwise.
        .replace("php_value[memory_limit] = ${PHP_MEMORY_MIB}M\n", "")
        .replace(IMAGE_GUARD, &format!("{}/guard.php", path::PHP));
    for extra in &frame.class.overlay.extra_env {
        // Of the container's variables, a worker gets those that are named here. Writing to a String never fails.
        writeln!(pool, "env[{0}] = ${0}", extra.name).ok();
    }
    pool
}

fn ini(frame: &Frame<'_>) -> String {
    let php = &frame.class.php;
    let own = if php.version.starts_with("7.") { INI_7 } else { INI_8 };
    let mut ini = [&INI.replace("${PHP_OPCACHE_MIB}", &php.opcache_mib.to_string()), own].concat();
    // Writing to a String never fails.
    write!(ini, "; What ShopClass {} says.\nmemory_limit = {}M\n", frame.class_name, php.memory_mib).ok();
    for (name, value) in &php.settings {
        writeln!(ini, "{name} = {}", quoted(value)).ok();
    }
    ini
}

/// As php.ini takes it literally, whatever is in it.
fn quoted(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._/:-".contains(&byte);
    if !value.is_empty() && value.bytes().all(plain) {
        value.to_owned()
    } else {
        format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    }
}
