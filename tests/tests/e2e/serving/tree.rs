//! A small tree of each engine, with what a web server must not serve or run.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// Says that it runs, and what it was told.
const RUNS: &str = "<?php
header('X-Ran: ' . basename($_SERVER['SCRIPT_NAME']));
header('Content-Type: application/json');
if (isset($_GET['tags'])) { header('X-Magento-Tags: ' . str_repeat('x', (int) $_GET['tags'])); }
if (isset($_GET['frame'])) { header('X-Frame-Options: DENY'); }
if (isset($_GET['ini'])) { exit(json_encode(ini_get_all(null, false))); }
echo json_encode(['get' => $_GET, 'server' => array_intersect_key($_SERVER, array_flip(
    ['PATH_INFO', 'REMOTE_ADDR', 'HTTPS', 'HTTP_PROXY', 'HTTP_X_REQUEST_ID', 'MAGE_RUN_TYPE', \
                    'DOCUMENT_ROOT']))]);
";

const UPLOADS: &[&str] = &[
    "pic.jpg",
    "avatar.php",
    "AVATAR.PHP",
    "avatar.PHP",
    "avatar.php7",
    "avatar.phtml",
    "avatar.phar",
    "avatar.jpg.php",
    "avatar.php.jpg",
];
const PHP: &[&str] = &[
    "index.php",
    "admin/index.php",
    "admin/tool.php",
    "vendor/autoload.php",
    "config/app.json",
    ".env",
];
/// What both Magentos have.
const MAGENTO: &[&str] = &[
    "index.php",
    "get.php",
    "cron.php",
    "other.php",
    "Index.PHP",
    "errors/404.php",
    "errors/503.php",
    "errors/processor.php",
    "errors/local.xml",
    "errors/default/page.phtml",
    "errors/default/page.css",
    "dump.sql.gz",
    ".git/config",
    ".user.ini",
    "composer.json",
    "composer.lock",
    "LICENSE_AFL.txt",
    ".well-known/acme-challenge/x",
];
/// What people have uploaded to them.
const MEDIA: &[&str] = &[
    "index.php",
    "export.csv",
    "tmp/catalog/product/new.jpg",
    "tmp/catalog/product/new.php",
    "tmp/prices.csv",
    "import/prices.csv",
    "customer/1.jpg",
    "custom_options/order/a.jpg",
    "downloadable/files/song.mp3",
    "js/merged.js",
    "theme_customization/logo.xml",
    ".htaccess",
    "robots.txt",
    "favicon.ico",
    "sitemap-2.xml",
];
const MAGENTO1: &[&str] = &[
    "api.php",
    "install.php",
    "cron.sh",
    "js/lib.js",
    "js/index.php",
    "skin/a.css",
    "app/etc/local.xml",
    "app/design/x.phtml",
    "lib/lib.xml",
    "var/log/system.log",
    "shell/indexer.php",
];
const MAGENTO2: &[&str] = &[
    "static.php",
    "health_check.php",
    "static/frontend/lib.js",
    "static/frontend/data.xml",
    "static/frontend/data.zip",
];

/// A release root with one tree, whose shared and writable directories are links out of it.
pub(super) struct Tree {
    pub(super) scratch: TempDir,
}

impl Tree {
    pub(super) fn root(&self) -> PathBuf {
        self.scratch.path().join("root")
    }

    pub(super) fn new(engine: &str) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let top = scratch.path();
        let tree = top.join("root/releases/r1");
        let web = if engine == "magento2" {
            tree.join("pub")
        } else {
            tree.clone()
        };
        write(&top.join("shared"), UPLOADS);
        if engine == "php" {
            write(&web, PHP);
            write(&top.join("writable"), &["compiled.php"]);
            leads(&web.join("uploads"), &top.join("shared"));
            leads(&web.join("cache"), &top.join("writable"));
        } else {
            write(&web, MAGENTO);
            write(&top.join("shared"), MEDIA);
            leads(&web.join("media"), &top.join("shared"));
        }
        if engine == "magento1" {
            write(&web, MAGENTO1);
        }
        if engine == "magento2" {
            write(&web, MAGENTO2);
            write(&tree, &["app/etc/env.php"]);
            write(
                &top.join("writable"),
                &["merged/all.css", "merged/evil.php"],
            );
            leads(&web.join("static/_cache"), &top.join("writable"));
        }
        symlink("releases/r1", top.join("root/current")).unwrap();
        Self { scratch }
    }
}

/// Files, of which those whose names are those of programs are programs.
fn write(directory: &Path, paths: &[&str]) {
    for path in paths {
        let program = [".php", ".PHP", ".ph"].iter().any(|it| path.contains(it));
        let text = if program {
            RUNS.to_owned()
        } else {
            format!("{path}\n").repeat(200)
        };
        fs::create_dir_all(directory.join(path).parent().unwrap()).unwrap();
        fs::write(directory.join(path), text).unwrap();
    }
}

/// A link out of the tree.
fn leads(path: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(to, path).unwrap();
}
