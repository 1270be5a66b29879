//! Everything that an operator can get wrong: each gives one clear line, the right exit code, a
//! hint, and leaves the release that was active alone.

use e2e::{
    process::{Outcome, Program},
    s3::{Effect, Fault, Options, Server},
    shop::{Shop, json, last_event},
};
use std::fs;

/// One mistake: what is changed for the pod, and what it must be told.
struct Case {
    name: &'static str,
    change: fn(&Shop, Program) -> Program,
    fault: Option<Fault>,
    code: i32,
    reason: &'static str,
    says: &'static str,
}

const fn case(
    name: &'static str,
    change: fn(&Shop, Program) -> Program,
    code: i32,
    reason: &'static str,
    says: &'static str,
) -> Case {
    Case {
        name,
        change,
        fault: None,
        code,
        reason,
        says,
    }
}

fn cases() -> Vec<Case> {
    [settings(), the_store(), files()]
        .into_iter()
        .flatten()
        .collect()
}

fn settings() -> Vec<Case> {
    vec![
        case(
            "an empty variable",
            |_, init| init.env("LONGSHORE_STORE", ""),
            64,
            "config",
            "LONGSHORE_STORE",
        ),
        case(
            "a bad URL",
            |_, init| init.env("LONGSHORE_STORE", "s3:/bucket"),
            64,
            "config",
            "LONGSHORE_STORE=\"s3:/bucket\"",
        ),
        case(
            "an unknown name",
            |_, init| init.env("LONGSHORE_CHANEL", "x"),
            64,
            "config",
            "did you mean LONGSHORE_CHANNEL?",
        ),
        case(
            "a relative root",
            |_, init| init.env("LONGSHORE_ROOT", "pod"),
            64,
            "config",
            "LONGSHORE_ROOT=\"pod\"",
        ),
    ]
}

fn the_store() -> Vec<Case> {
    let same: fn(&Shop, Program) -> Program = |_, init| init;
    vec![
        case(
            "no such bucket",
            |_, init| init.env("LONGSHORE_STORE", "s3://nobucket/prod"),
            64,
            "store-missing",
            "nobucket",
        ),
        case(
            "no such channel",
            |_, init| init.env("LONGSHORE_CHANNEL", "shops/other"),
            64,
            "channel-missing",
            "shops/other",
        ),
        case(
            "a wrong secret",
            |_, init| init.env("AWS_SECRET_ACCESS_KEY", "wrong"),
            64,
            "forbidden",
            "channels/shops/acme/release.json",
        ),
        Case {
            fault: Some(Fault::new(Effect::access_denied())),
            ..case(
                "no permission",
                same,
                64,
                "forbidden",
                "channels/shops/acme/release.json",
            )
        },
        Case {
            fault: Some(Fault::new(Effect::Redirect {
                region: "eu-west-1".into(),
            })),
            ..case("another region", same, 64, "region", "eu-west-1")
        },
        case(
            "an endpoint that is down",
            |_, init| {
                init.env("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
                    .env("LONGSHORE_DEADLINE", "2s")
            },
            69,
            "unreachable",
            "127.0.0.1:9",
        ),
    ]
}

fn files() -> Vec<Case> {
    vec![
        case(
            "a trust root that is not there",
            |shop, init| init.env("LONGSHORE_TRUST", shop.path("2.root.json")),
            64,
            "config",
            "2.root.json",
        ),
        case(
            "a key instead of a trust root",
            |shop, init| init.env("LONGSHORE_TRUST", shop.path("ci.pub")),
            65,
            "envelope",
            "ci.pub",
        ),
        case(
            "a floor above the release",
            |_, init| init.env("LONGSHORE_FLOOR", "9"),
            65,
            "rollback",
            "9",
        ),
        case(
            "a root on a file",
            |shop, init| init.env("LONGSHORE_ROOT", shop.path("longshore.toml")),
            64,
            "workspace",
            "longshore.toml",
        ),
        case(
            "a release file that is not there",
            |shop, init| init.env("LONGSHORE_RELEASE", shop.path("nothing.json")),
            64,
            "config",
            "nothing.json",
        ),
        case(
            "a release file that is something else",
            |shop, init| init.env("LONGSHORE_RELEASE", shop.path("longshore.toml")),
            65,
            "envelope",
            "",
        ),
    ]
}

#[test]
fn each_mistake_is_one_clear_line_and_leaves_the_active_release_alone() {
    let server = Server::start(Options::default()).unwrap();
    let shop = Shop::on(&server, 1, 10);
    shop.publish();
    shop.init("pod").run().expect(0);
    shop.edit(0, 1, 0.5);
    shop.publish();
    let (tree, state) = (shop.current("pod"), shop.state("pod"));
    for Case {
        name,
        change,
        fault,
        code,
        reason,
        says,
    } in cases()
    {
        if let Some(fault) = fault {
            server.fault(fault);
        }
        let outcome = change(&shop, shop.init("pod")).run();
        server.set_faults(e2e::s3::Faults::default());
        check(name, &outcome, code, reason, says);
        assert!(shop.current("pod") == tree, "{name}");
        assert_eq!(shop.state("pod"), state, "{name}");
    }
    shop.init("pod").run().expect(0);
    assert!(shop.current("pod") != tree);
}

#[track_caller]
fn check(name: &str, outcome: &Outcome, code: i32, reason: &str, says: &str) {
    assert_eq!(outcome.code(), Some(code), "{name}: {outcome:#?}");
    let last = last_event(outcome);
    assert_eq!(last["reason"], reason, "{name}: {last}");
    assert!(
        last["error"].as_str().unwrap().contains(says),
        "{name}: {says:?} is not in {last}"
    );
    assert!(last["hint"].as_str().unwrap().len() > 10, "{name}: {last}");
}

#[test]
fn missing_variables_are_all_named_at_once() {
    let outcome = Program::ours("longshore-init")
        .env("LONGSHORE_LOG_FORMAT", "text")
        .run()
        .expect(64);
    for name in [
        "LONGSHORE_STORE",
        "LONGSHORE_CHANNEL",
        "LONGSHORE_ROOT",
        "LONGSHORE_TRUST",
    ] {
        assert!(
            outcome.stderr.contains(&format!("{name} is not set")),
            "{outcome:#?}"
        );
    }
    assert!(
        outcome.stderr.contains("[reason: config] hint: "),
        "{outcome:#?}"
    );
}

#[test]
fn an_expired_release_is_not_activated_and_an_active_one_keeps_running() {
    let shop = Shop::on_disk(1, 5);
    shop.publisher()
        .args(["--expires-after", "1s"])
        .run()
        .expect(0);
    shop.init("early").run().expect(0);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let late = shop.init("late").run();
    check("expired", &late, 65, "expired", "shops/acme");
    assert_eq!(
        last_event(&shop.init("early").run().expect(0))["outcome"],
        "already-active"
    );
}

#[test]
fn another_channels_release_is_refused() {
    let shop = Shop::on_disk(1, 5);
    shop.publish();
    let moved = shop.path("store/channels/shops/other");
    fs::create_dir_all(&moved).unwrap();
    fs::copy(
        shop.path("store/channels/shops/acme/release.json"),
        moved.join("release.json"),
    )
    .unwrap();
    let outcome = shop
        .init("pod")
        .env("LONGSHORE_CHANNEL", "shops/other")
        .run();
    check(
        "another channel's release",
        &outcome,
        65,
        "channel",
        "shops/acme",
    );
}

#[test]
fn a_key_that_is_not_a_key_is_named() {
    let shop = Shop::on_disk(1, 5);
    let outcome = shop
        .longshore(["publish", "--sign", "longshore.toml"])
        .expect(64);
    assert!(
        outcome
            .stderr
            .contains("longshore.toml cannot be used as a key"),
        "{outcome:#?}"
    );
    assert!(outcome.stderr.contains("[reason: key]"), "{outcome:#?}");
}

#[test]
fn the_termination_message_has_reason_and_hint() {
    // /dev/termination-log exists in a pod only; what is written there is tested in crates/runtime,
    // with the path as a parameter.
    let shop = Shop::on_disk(1, 5);
    let outcome = shop
        .init("pod")
        .env("LONGSHORE_LOG_FORMAT", "text")
        .run()
        .expect(64);
    let last = outcome.stderr.lines().last().unwrap();
    assert!(
        last.starts_with("longshore-init: ") && last.contains("[reason: channel-missing] hint: "),
        "{last}"
    );
}

#[test]
fn what_must_not_be_packed_is_named_with_its_module() {
    let shop = Shop::on_disk(2, 5);
    std::os::unix::fs::symlink("/etc/passwd", shop.module(1).join("escape")).unwrap();
    let outcome = shop.publisher().run().expect(65);
    assert!(
        outcome.stderr.contains("vendor/module1") && outcome.stderr.contains("escape"),
        "{outcome:#?}"
    );
    assert!(
        outcome.stderr.contains("[reason: link-escape]"),
        "{outcome:#?}"
    );
    assert_eq!(
        fs::read_dir(shop.path("store")).unwrap().count(),
        0,
        "nothing was uploaded"
    );
}

#[test]
fn two_modules_that_own_one_file_are_refused_unless_one_overrides_the_other() {
    let shop = Shop::on_disk(2, 5);
    for (module, text) in [(0, "core"), (1, "theme")] {
        fs::write(shop.module(module).join("both.php"), text).unwrap();
    }
    let toml = fs::read_to_string(shop.path("longshore.toml"))
        .unwrap()
        .replace("app/code/module1", "");
    fs::write(shop.path("longshore.toml"), &toml).unwrap();
    let refused = shop.publisher().run().expect(65);
    assert!(
        refused
            .stderr
            .contains("both.php is in module vendor/module0 and in module vendor/module1"),
        "{refused:#?}"
    );
    fs::write(
        shop.path("longshore.toml"),
        toml + "overrides = [\"vendor/module0\"]\n",
    )
    .unwrap();
    let published = shop.publisher().run();
    // The generator gives both modules files of the same names, too: every one of them is
    // overridden or shared.
    assert_eq!(json(&published.expect(0))["outcome"], "published");
    shop.init("pod").run().expect(0);
    assert_eq!(
        fs::read_to_string(shop.path("pod/current/both.php")).unwrap(),
        "theme"
    );
}
