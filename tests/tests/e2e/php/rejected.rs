//! Releases that php-fpm cannot serve, and what they leave to read.

use super::rejection;
use crate::agent::Pod;
use e2e::{pod::runs, web::Web};
use serde_json::Value;
use std::fs;
#[test]
fn an_empty_page_and_one_without_its_text_are_no_pages() {
    let mut pod = Pod::new();
    let web = Web::start(&pod.root());
    let program = pod
        .with_shop(&web)
        .env("LONGSHORE_PROBE_CONTAINS", " asset=");
    pod.start(program);
    // Magento swallows a fatal error into an empty page with status 200.
    let empty = pod.release(
        "2",
        "register_shutdown_function(static function () { ob_clean(); http_response_code(200); }); \
         ob_start(); missing_function();",
    );
    let why = rejection(&pod, empty);
    assert!(
        why.contains("an empty page")
            && why.contains("Call to undefined function missing_function()"),
        "{why}"
    );
    let half = pod.release("3", "echo 'half of it'; exit;");
    let why = rejection(&pod, half);
    assert!(
        why.contains("does not contain \" asset=\"; it begins with \"half of it\""),
        "{why}"
    );
    pod.agent.end();
}

#[test]
fn a_rejected_release_leaves_what_php_said() {
    let mut pod = Pod::new();
    let web = Web::start(&pod.root());
    let program = pod.with_shop(&web);
    pod.start(program);
    let throws = "throw new RuntimeException(\"no table core_store\\e[2J\");";
    let before = pod.release("2", throws);
    let why = rejection(&pod, before);
    let said =
        "PHP says: PHP Fatal error:  Uncaught RuntimeException: no table core_store\\u{1b}[2J in ";
    assert!(
        why.contains("status 500") && why.contains(said) && why.len() < 2048,
        "{why}"
    );
    // Once it is current, and not before.
    let root = pod.root();
    let current = root.join("current").display().to_string();
    let after = pod.release(
        "3",
        &format!("if (basename(readlink('{current}')) === basename(__DIR__)) {{ {throws} }}"),
    );
    let why = rejection(&pod, after);
    assert!(
        !why.contains("before the switch") && why.contains("attempt") && why.contains(said),
        "{why}"
    );
    pod.agent.end();
}

#[test]
fn a_rejected_release_leaves_the_report_that_its_page_only_numbers() {
    let mut pod = Pod::new();
    let toml = fs::read_to_string(pod.shop.path("longshore.toml")).unwrap();
    fs::write(
        pod.shop.path("longshore.toml"),
        toml.replace("[\"var/cache\"]", "[\"var\"]"),
    )
    .unwrap();
    let web = Web::start(&pod.root());
    let program = pod
        .with_shop(&web)
        .env("LONGSHORE_WRITABLE", pod.shop.path("writable"))
        .env("LONGSHORE_LOGS", "var/log,var/report");
    pod.start(program);
    // As Magento does: the message is for the shop's owner, and a visitor sees a number.
    let report = |number: u64| {
        format!(
            "$d = __DIR__ . '/var/report'; @mkdir($d); file_put_contents(\"$d/{number}\", \
             \"a:1:{{i:0;s:9:\\\"no layout \" . str_repeat('x', 9000));
            http_response_code(503); echo 'Error log record number: {number}'; exit;"
        )
    };
    let before = pod.release("2", &report(71));
    let why = rejection(&pod, before);
    let says = "var/report/71 says: a:1:{i:0;s:9:\"no layout xxx";
    assert!(
        why.contains("before the switch")
            && why.contains("status 503")
            && why.contains(says)
            && why.len() < 2048,
        "{why}"
    );
    // Only behind nginx, so that nothing is known before the switch.
    let after = pod.release(
        "3",
        &format!(
            "if (str_contains($_SERVER['SERVER_SOFTWARE'] ?? '', 'nginx')) {{ {} }}",
            report(72)
        ),
    );
    let why = rejection(&pod, after);
    assert!(
        !why.contains("before the switch") && why.contains("var/report/72 says: "),
        "{why}"
    );
    pod.agent.end();
}

#[test]
fn a_release_that_kills_its_worker_is_refused_or_rolled_back() {
    let mut pod = Pod::new();
    let web = Web::start(&pod.root());
    let program = pod.with_shop(&web);
    pod.start(program);
    let rejected = |sequence: u64| {
        move |status: &Value| {
            status["newer"]["sequence"] == sequence && status["newer"]["why"] == "rejected"
        }
    };
    let kill = "posix_kill(posix_getpid(), 9);";
    let at_once = pod.release("2", kill);
    let status = pod.agent.until("it is refused", rejected(at_once));
    assert!(
        status["newer"]["detail"]
            .as_str()
            .unwrap()
            .contains("before the switch"),
        "{status}"
    );
    // Only behind nginx: found after the switch, which is undone.
    let hidden = pod.release(
        "3",
        &format!("if (str_contains($_SERVER['SERVER_SOFTWARE'] ?? '', 'nginx')) {{ {kill} }}"),
    );
    let status = pod.agent.until("it is rolled back", rejected(hidden));
    assert!(
        status["newer"]["detail"].as_str().unwrap().contains("502"),
        "{status}"
    );
    assert!(
        status["running"]["sequence"] == 1 && web.get("/").unwrap().body.starts_with("entry=1 "),
        "{status}"
    );
    let good = pod.release("4", "");
    pod.agent.until("the good one runs", runs(good));
    assert!(web.get("/").unwrap().body.starts_with("entry=4 "));
    pod.agent.end();
}
