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
        let write = |directory: &Path, paths: &[&str]| {
            for path in paths {
                let program =
                    path.contains(".php") || path.contains(".PHP") || path.contains(".ph");
                let text = if program {
                    RUNS.to_owned()
                } else {
                    format!("{path}\n").repeat(200)
                };
                fs::create_dir_all(directory.join(path).parent().unwrap()).unwrap();
                fs::write(directory.join(path), text).unwrap();
            }
        };
        let leads = |path: &str, to: &str| {
            fs::create_dir_all(top.join(to)).unwrap();
            fs::create_dir_all(web.join(path).parent().unwrap()).unwrap();
            symlink(top.join(to), web.join(path)).unwrap();
        };
        let uploads = [
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
        write(&top.join("shared"), &uploads);
        if engine == "php" {
            write(
                &web,
                &[
                    "index.php",
                    "admin/index.php",
                    "admin/tool.php",
                    "vendor/autoload.php",
                    "config/app.json",
                    ".env",
                ],
            );
            write(&top.join("writable"), &["compiled.php"]);
            leads("uploads", "shared");
            leads("cache", "writable");
        } else {
            write(
                &web,
                &[
                    "index.php",
                    "get.php",
                    "cron.php",
                    "other.php",
                    "Index.PHP",
                    "errors/404.php",
                    "errors/503.php",
                    "errors/processor.php",
                ],
            );
            write(
                &web,
                &[
                    "errors/local.xml",
                    "errors/default/page.phtml",
                    "errors/default/page.css",
                    "dump.sql.gz",
                    ".git/config",
                    ".user.ini",
                ],
            );
            write(
                &web,
                &[
                    "composer.json",
                    "composer.lock",
                    "LICENSE_AFL.txt",
                    ".well-known/acme-challenge/x",
                ],
            );
            let media = [
                "index.php",
                "export.csv",
                "tmp/catalog/product/new.jpg",
                "tmp/catalog/product/new.php",
                "tmp/prices.csv",
                "import/prices.csv",
            ];
            write(&top.join("shared"), &media);
            write(
                &top.join("shared"),
                &[
                    "customer/1.jpg",
                    "custom_options/order/a.jpg",
                    "downloadable/files/song.mp3",
                    "js/merged.js",
                ],
            );
            write(
                &top.join("shared"),
                &[
                    "theme_customization/logo.xml",
                    ".htaccess",
                    "robots.txt",
                    "favicon.ico",
                    "sitemap-2.xml",
                ],
            );
            leads("media", "shared");
        }
        if engine == "magento1" {
            write(
                &web,
                &[
                    "api.php",
                    "install.php",
                    "cron.sh",
                    "js/lib.js",
                    "js/index.php",
                    "skin/a.css",
                    "app/etc/local.xml",
                    "app/design/x.phtml",
                ],
            );
            write(
                &web,
                &["lib/lib.xml", "var/log/system.log", "shell/indexer.php"],
            );
        }
        if engine == "magento2" {
            write(
                &web,
                &[
                    "static.php",
                    "health_check.php",
                    "static/frontend/lib.js",
                    "static/frontend/data.xml",
                    "static/frontend/data.zip",
                ],
            );
            write(&tree, &["app/etc/env.php"]);
            write(
                &top.join("writable"),
                &["merged/all.css", "merged/evil.php"],
            );
            leads("static/_cache", "writable");
        }
        symlink("releases/r1", top.join("root/current")).unwrap();
        Self { scratch }
    }
}
