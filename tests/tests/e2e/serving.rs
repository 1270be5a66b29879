//! nginx and php-fpm over a small tree of each engine: what a visitor gets, what runs, and what may
//! be kept. The same for the image's own configuration and for what the scheduler renders.

mod rows;
mod tree;

use e2e::{
    serving::Serving,
    web::{Page, Web, get_from},
};
use rows::{MAGENTO, MAGENTO1, MAGENTO2, PHP};
use serde_json::Value;
use std::{fs, net::Ipv4Addr};
use tree::Tree;

/// The two configurations of an engine, over a tree of it.
fn both(engine: &str, platform: &str) -> (Tree, [(String, Web); 2]) {
    let tree = Tree::new(engine);
    // Read after ours, and by no release.
    let own = tree.scratch.path().join("own.php");
    fs::write(&own, "<?php header('X-Own: yes');").unwrap();
    let rendered = Serving::rendered(platform, |class| {
        let php = format!(
            "\n  php:\n    settings: {{auto_prepend_file: \"{}\"}}\n    memoryMib: 512\n",
            own.display()
        );
        let class = class
            .lines()
            .filter(|line| !line.starts_with("  php: "))
            .collect::<Vec<_>>()
            .join("\n");
        assert!(class.contains("\n  network:\n"), "{class}");
        let class = class.replace(
            "\n  network:\n",
            "\n  network:\n    edgeCidrs: [127.0.0.0/8]\n",
        );
        if class.contains("\n  php:\n") {
            class
                .replace("\n  php:\n", &php)
                .replace("    memoryMib: 756\n    opcacheMib: 512\n", "")
                .replace("    settings: {max_execution_time", "    # {")
        } else {
            class.replace("\nspec:\n", &format!("\nspec:{php}"))
        }
    });
    let servers =
        [("image", Serving::image(engine)), ("rendered", rendered)].map(|(name, serving)| {
            (
                format!("{engine}, {name}"),
                Web::serve(&tree.root(), &serving),
            )
        });
    (tree, servers)
}

fn header<'a>(page: &'a Page, name: &str) -> &'a str {
    page.headers.get(name).map_or("", String::as_str)
}

fn ask(web: &Web, path: &str, headers: &str) -> Page {
    get_from((Ipv4Addr::LOCALHOST, web.port).into(), path, headers).unwrap()
}

fn told(page: &Page) -> Value {
    serde_json::from_str(&page.body).unwrap_or_else(|error| panic!("{error}: {page:?}"))
}

#[test]
fn each_engine_serves_what_it_should_and_runs_nothing_else() {
    let engines = [
        ("magento1", "azure", &[MAGENTO, MAGENTO1][..]),
        ("magento2", "aws", &[MAGENTO, MAGENTO2]),
        ("php", "plain", &[PHP]),
    ];
    let mut wrong = Vec::new();
    for (engine, platform, tables) in engines {
        let (_tree, servers) = both(engine, platform);
        for (name, web) in &servers {
            for (path, status, ran, kept) in tables.iter().copied().flatten() {
                let page = ask(web, path, "");
                let found = (
                    page.status,
                    header(&page, "x-ran"),
                    header(&page, "cache-control"),
                );
                if found != (*status, *ran, *kept) {
                    wrong.push(format!(
                        "{name}: {path}: {found:?}, not {:?}",
                        (status, ran, kept)
                    ));
                }
                // Everybody's: no page of ours is framed, and no file is taken for what it is not.
                // Nobody's source is shown.
                if (
                    header(&page, "x-frame-options"),
                    header(&page, "x-content-type-options"),
                ) != ("SAMEORIGIN", "nosniff")
                {
                    wrong.push(format!("{name}: {path}: {:?}", page.headers));
                }
                if page.body.contains("<?php") && !path.contains(".jpg") {
                    wrong.push(format!("{name}: {path}: shows its source"));
                }
            }
        }
    }
    assert_eq!(wrong, [] as [&str; 0], "{}", wrong.join("\n"));
}

#[test]
fn programs_are_told_the_same_by_both_configurations() {
    for (engine, platform) in [("magento1", "azure"), ("magento2", "aws"), ("php", "plain")] {
        let (_tree, servers) = both(engine, platform);
        for (name, web) in &servers {
            let headers = "X-Forwarded-Proto: https\r\nProxy: \
                           http://evil.example\r\nX-Request-Id: incident-0123456789\r\n";
            let server = told(&ask(web, "/index.php/a/b?x=1", headers))["server"].take();
            assert_eq!(server["PATH_INFO"], "/a/b", "{name}");
            assert!(
                server["HTTPS"] == "on"
                    && server["HTTP_PROXY"].as_str().unwrap_or_default().is_empty(),
                "{name}: {server}"
            );
            assert_eq!(server["HTTP_X_REQUEST_ID"], "incident-0123456789", "{name}");
            assert!(
                server["DOCUMENT_ROOT"]
                    .as_str()
                    .unwrap()
                    .contains("/releases/r1"),
                "{name}: {server}"
            );
            // What a header must not bring into a log.
            let server = told(&ask(web, "/", "X-Request-Id: a b\"\r\n"))["server"].take();
            assert_eq!(
                server["HTTP_X_REQUEST_ID"].as_str().unwrap().len(),
                32,
                "{name}"
            );
            // 64 KiB of tags, and the shop's own word on frames.
            let page = ask(web, "/?tags=65536&frame", "");
            assert_eq!(
                (
                    page.status,
                    header(&page, "x-magento-tags").len(),
                    header(&page, "x-frame-options")
                ),
                (200, 65536, "DENY"),
                "{name}"
            );
            // Behind an edge, too, which may be an nginx that asks by HTTP/1.0.
            let packed = ("gzip", "Accept-Encoding");
            let file = if engine == "php" {
                ("/uploads/pic.jpg", ("", ""))
            } else {
                ("/errors/default/page.css", packed)
            };
            for (path, expected) in [("/", packed), file] {
                let page = ask(web, path, "Accept-Encoding: gzip\r\nVia: 1.1 edge\r\n");
                assert_eq!(
                    (header(&page, "content-encoding"), header(&page, "vary")),
                    expected,
                    "{name}: {path}"
                );
            }
            // Who has what is there is told so.
            let file = if engine == "php" {
                "/uploads/pic.jpg"
            } else {
                "/errors/default/page.css"
            };
            let tag = header(&ask(web, file, ""), "etag").to_owned();
            let page = ask(web, file, &format!("If-None-Match: {tag}\r\n"));
            assert!(page.status == 304 && !tag.is_empty(), "{name}: {page:?}");
        }
        // The class's own file runs after ours, in place of which it cannot be.
        let [image, rendered] = servers.map(|(_, web)| {
            (
                header(&ask(&web, "/", ""), "x-own").to_owned(),
                told(&ask(&web, "/?ini", "")),
            )
        });
        assert_eq!((image.0.as_str(), rendered.0.as_str()), ("", "yes"));
        // php.ini is the same through and through.
        let (image, rendered) = (
            image.1.as_object().unwrap(),
            rendered.1.as_object().unwrap(),
        );
        let differ: Vec<_> = image
            .iter()
            .filter(|(name, value)| rendered.get(*name) != Some(value))
            .map(|(name, _)| name.as_str())
            .collect();
        // Each in its own scratch directory; and of Magento 1 a class of ours, which the
        // scheduler's configuration names.
        let differ: Vec<_> = differ
            .into_iter()
            .filter(|name| engine != "magento1" || *name != "include_path")
            .collect();
        assert_eq!(
            differ,
            [
                "auto_prepend_file",
                "error_log",
                "sys_temp_dir",
                "upload_tmp_dir"
            ],
            "{engine}"
        );
        assert_eq!(
            (
                &image["upload_max_filesize"],
                &image["post_max_size"],
                &image["memory_limit"]
            ),
            (&"64M".into(), &"64M".into(), &"512M".into())
        );
    }
}

#[test]
fn a_visitors_address_is_what_the_edge_says_and_the_edge_alone() {
    let (_tree, servers) = both("magento1", "azure");
    let from = |web: &Web, addresses: &str| {
        told(&ask(web, "/", &format!("X-Forwarded-For: {addresses}\r\n")))["server"]["REMOTE_ADDR"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let [(_, image), (_, rendered)] = &servers;
    // Nobody is trusted who is not named.
    assert_eq!(from(image, "203.0.113.7"), "127.0.0.1");
    // What a visitor wrote stands before what the edge added.
    assert_eq!(from(rendered, "127.0.0.1, 203.0.113.7"), "203.0.113.7");
    assert_eq!(
        from(rendered, "198.51.100.1, 203.0.113.7, 127.0.0.9"),
        "203.0.113.7"
    );
    // The probe, which comes from the pod itself, gets the shop while it is closed; by who
    // connects, so that it may say what an edge says.
    let state = rendered.place().join("state");
    fs::create_dir_all(&state).unwrap();
    fs::write(state.join("closed"), "").unwrap();
    assert_eq!(
        ask(rendered, "/", "X-Forwarded-For: 203.0.113.7\r\n").status,
        200
    );
}

#[test]
fn an_answer_that_php_owes_is_an_incident_with_a_number() {
    for (_, web) in both("magento2", "aws").1 {
        let [_, _, log] = web.without_php(|port| {
            let page = get_from(
                (Ipv4Addr::LOCALHOST, port).into(),
                "/checkout",
                "X-Request-Id: incident-0123456789\r\n",
            )
            .unwrap();
            assert!(
                page.status == 502 && page.body.contains("<code>incident-0123456789</code>"),
                "{page:?}"
            );
            assert_eq!(
                (
                    header(&page, "x-request-id"),
                    header(&page, "cache-control")
                ),
                ("incident-0123456789", "no-store")
            );
            // Nobody asks for a line about what went well.
            let page = get_from(
                (Ipv4Addr::LOCALHOST, port).into(),
                "/static/frontend/lib.js",
                "",
            )
            .unwrap();
            assert_eq!(page.status, 200);
        });
        let lines: Vec<_> = log
            .lines()
            .filter(|line| line.starts_with("incident="))
            .collect();
        assert!(
            lines.len() == 1
                && lines[0].contains("incident=incident-0123456789")
                && lines[0].contains("/checkout"),
            "{log}"
        );
    }
}

#[test]
fn an_exception_that_nobody_caught_is_in_the_log_whole() {
    let tree = Tree::new("php");
    let words = "x".repeat(3000);
    fs::write(
        tree.root().join("releases/r1/index.php"),
        format!("<?php throw new Exception('{words}');"),
    )
    .unwrap();
    let web = Web::start(&tree.root());
    assert_eq!(ask(&web, "/", "").status, 500);
    web.php_line(|line| line.contains("Uncaught Exception") && line.contains(&words));
    // And nowhere else.
    let [fpm, nginx, log] = web.without_php(|_| ());
    for other in [fpm, nginx, log] {
        assert!(!other.contains("Uncaught Exception"), "{other}");
    }
}
