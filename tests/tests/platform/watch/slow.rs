//! What takes too long: a request, and a release.

use super::{LONG, NAME, SPEC, STOPPED, serves, told};
use e2e::{
    cluster::eventually,
    platform::{Platform, Tenant},
    web,
};
use serde_json::Value;
use std::{thread, time::Instant};

/// Requests of each visitor, of whom there are four: more than a hundred in all.
const EACH: usize = 35;

/// A request of more than ten seconds is a group with the stack that it had then.
pub(super) fn request(platform: &Platform<'_>, shop: &Tenant<'_>) {
    let pod = &shop.pods()[0];
    let begin = Instant::now();
    // The visitor gives up before the page is there, which is no matter.
    web::get_from((pod.address, 8080).into(), "/breaks.php?how=patience", "").ok();
    let found = eventually("a slow request", LONG, || {
        let slow = told(platform, &["slow", NAME])["slow"].clone();
        slow.as_array()?.first().cloned()
    });
    println!(
        "a request of 15 s is a group after {:.1} s: {found:#}",
        begin.elapsed().as_secs_f64()
    );
    assert_eq!(
        (&found["source"], &found["class"]),
        (&"slow".into(), &"Slow request".into())
    );
    let stack = found["sample"].as_str().unwrap();
    for words in ["sleep()", "patience()", "breaks.php"] {
        assert!(stack.contains(words), "{stack}");
    }
}

/// Visitors of both pods, four at once.
fn visit(shop: &Tenant<'_>) {
    let pods = shop.pods();
    thread::scope(|scope| {
        for visitor in 0..4 {
            let pod = &pods[visitor % pods.len()];
            scope.spawn(move || {
                for _ in 0..EACH {
                    web::get_from((pod.address, 8080).into(), "/", "").unwrap();
                }
            });
        }
    });
}

/// A release whose pages take much longer goes back.
pub(super) fn release(platform: &Platform<'_>, shop: &Tenant<'_>) {
    visit(shop);
    web::write_sources(&shop.module("page"), "fourth", "usleep(400000);");
    let sequence = shop.publish(&[("page", "")], SPEC);
    shop.register(sequence);
    let name = shop.release_name(sequence);
    let words = [
        "rollout",
        "start",
        &name,
        "--wave",
        "100:30m",
        "--evidence",
        "errors",
        "--why",
    ];
    let words = words.into_iter().chain(["a test of slow pages"]);
    platform.operator(words).run().expect(0);
    serves(shop, "fourth");
    let begin = Instant::now();
    let status = loop {
        visit(shop);
        let status = platform.cluster.get(&["rollout", &name])["status"].clone();
        if status["phase"] == "Stopped" {
            break status;
        }
        assert!(begin.elapsed() < LONG, "{status:#}");
    };
    println!(
        "a release of slow pages stopped {:.1} s after both pods had it: {}",
        begin.elapsed().as_secs_f64(),
        status["failed"][0]["why"]
    );
    assert!(begin.elapsed() < STOPPED, "{status:#}");
    let why = |status: &Value| status["failed"].to_string();
    assert!(why(&status).contains("pages take longer"), "{status:#}");
    serves(shop, "second");
}
