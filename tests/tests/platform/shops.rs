//! Real applications of Debian's packages as shops.

#![allow(clippy::disallowed_methods, reason = "the test makes its files itself")]

use e2e::{
    cluster::Cluster,
    corpus,
    interrupt::Interrupt,
    platform::{
        Class, Platform, Tenant,
        server::{Database, PORT},
    },
    process::Program,
    web,
};
use serde_json::{Value, json};
use std::{fs, path::Path};

const PASSWORD: &str = "not-for-others";
/// Where `WordPress` finds its database: what the pod has as files, and nothing of it is in the
/// release.
const WP_CONFIG: &str = r"<?php
$secret = fn (string $key): string => trim(file_get_contents('/etc/shop/secret/' . $key));
define('DB_NAME', 'wordpress');
define('DB_USER', $secret('database-user'));
define('DB_PASSWORD', $secret('database-password'));
define('DB_HOST', '10.250.0.1:13306');
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
define('AUTH_SALT', $secret('crypt-key'));
define('WP_HOME', 'http://' . ($_SERVER['HTTP_HOST'] ?? 'shop.example'));
define('WP_SITEURL', WP_HOME);
// A release changes by publishing it, and by nothing else.
define('DISALLOW_FILE_MODS', true);
define('DISABLE_WP_CRON', true);
$table_prefix = 'wp_';
require_once ABSPATH . 'wp-settings.php';
";
/// What an operator runs once; the password of the admin is random.
const WP_INSTALL: &str = r#"$_SERVER["HTTP_HOST"] = "shop.example"; define("WP_INSTALLING", true); require "/srv/shop/current/wp-load.php";
require_once ABSPATH . "wp-admin/includes/upgrade.php"; wp_install("A shop on Longshore", "admin", "admin@shop.example", true, "", wp_generate_password());"#;

fn write(directory: &Path, name: &str, text: &str) {
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join(name), text).unwrap();
}

/// Moves a module of the corpus to where the tenant's sources are.
fn take(corpus: &Path, shop: &Tenant<'_>, module: &str) {
    let to = shop.module(module);
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    drop(fs::remove_dir_all(&to));
    Program::new("cp")
        .args(["--recursive", "--no-dereference"])
        .arg(corpus.join("src").join(module))
        .arg(&to)
        .run()
        .expect(0);
}

/// Publishes it, and waits for its pod.
fn open<'a>(platform: &'a Platform<'a>, shop: &Tenant<'a>, modules: &[(&str, &str)], more: &Value) {
    shop.register(shop.publish(modules, "shared = [\"media\"]"));
    let mut spec = json!({ "scale": { "min": 1, "max": 1 } });
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    shop.open("apps", &spec);
    if spec["config"].is_object() {
        shop.secret(
            "env",
            &json!({
                "database-user": "wordpress", "database-password": PASSWORD, "crypt-key": "salt",
            }),
        );
    }
    shop.served_by(1);
    assert!(
        shop.service().port() == 80,
        "{}",
        platform.tell(&shop.namespace)
    );
}

#[test]
fn three_applications_of_debian_answer_their_front_page() {
    let cluster = Cluster::alone();
    let platform = Platform::install(&cluster);
    let database = Database::start(&cluster);
    database.create("wordpress", PASSWORD);
    platform.class(&Class {
        database: Some(PORT),
        ..Class::php("apps")
    });
    let scratch = e2e::shop::scratch();
    let corpus = scratch.path().join("corpus");
    corpus::fill(&corpus, corpus::Extent::Shop, &Interrupt::listen().unwrap()).unwrap();

    // WordPress, on MariaDB.
    let wordpress = platform.tenant("wordpress");
    take(&corpus, &wordpress, "wordpress");
    take(&corpus, &wordpress, "theme-2023");
    write(&wordpress.module("wordpress"), "wp-config.php", WP_CONFIG);
    let services = json!({
        "database": { "ref": "db", "name": "wordpress" },
        "media": { "ref": "disk", "path": "/wordpress" },
    });
    let more = json!({ "services": services, "config": { "secretRef": { "name": "env" } } });
    let theme = ("theme-2023", "wp-content/themes/twentytwentythree");
    open(&platform, &wordpress, &[("wordpress", ""), theme], &more);
    let pod = wordpress.pods().remove(0);
    wordpress
        .exec(&pod.name, "php-fpm", &["php8.2", "-r", WP_INSTALL])
        .expect(0);

    // Adminer, one page for any database.
    let adminer = platform.tenant("adminer");
    take(&corpus, &adminer, "adminer");
    write(
        &adminer.module("front"),
        "index.php",
        "<?php require __DIR__ . '/adminer.php';\n",
    );
    open(
        &platform,
        &adminer,
        &[("adminer", ""), ("front", "")],
        &json!({}),
    );

    // phpSysInfo, with its configuration in the release.
    let sysinfo = platform.tenant("sysinfo");
    take(&corpus, &sysinfo, "phpsysinfo");
    let config = sysinfo.module("phpsysinfo").join("read_config.php");
    let patched = fs::read_to_string(&config).unwrap().replace(
        "'/etc/phpsysinfo/phpsysinfo.ini'",
        "__DIR__ . '/phpsysinfo.ini'",
    );
    fs::write(&config, patched).unwrap();
    let settings = "[main]\nDEFAULT_LANG=\"en\"\nDEFAULT_DISPLAY_MODE=\"static\"\n\
                    DEFAULT_TEMPLATE=\"phpsysinfo.css\"\nPLUGINS=false\n";
    write(&sysinfo.module("phpsysinfo"), "phpsysinfo.ini", settings);
    open(&platform, &sysinfo, &[("phpsysinfo", "")], &json!({}));

    for (shop, path, says) in [
        (&wordpress, "/", "<title>A shop on Longshore"),
        (&adminer, "/", "<title>Login - Adminer"),
        (&sysinfo, "/", "phpSysInfo"),
    ] {
        let page = web::get_from(shop.service(), path, "").unwrap();
        let start: String = page.body.chars().take(600).collect();
        assert!(
            page.status == 200 && page.body.contains(says),
            "{}: {}: {start}",
            shop.name,
            page.status
        );
        println!("{}: {} bytes, {says:?}", shop.name, page.body.len());
    }
}
