//! Every command of `longshore`: its help teaches, its JSON can be read, and it does what it says.

use e2e::{
    fleet,
    process::{Outcome, Program, binary},
    shop::{Shop, json},
};
use serde_json::Value;
use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt as _, path::Path};

pub(crate) fn longshore<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Outcome {
    Program::ours("longshore").args(arguments).run()
}

/// A command of a shop, with its result as JSON.
#[track_caller]
pub(crate) fn asked(shop: &Shop, arguments: &[&str]) -> Value {
    json(
        &shop
            .longshore(arguments.iter().chain(&["--output", "json"]))
            .expect(0),
    )
}

/// What fails has the reason, and no result on standard output that a script could take for one.
#[track_caller]
pub(crate) fn refused(outcome: Outcome, code: i32, reason: &str) -> Outcome {
    let outcome = outcome.expect(code);
    assert!(
        outcome
            .stderr
            .lines()
            .last()
            .unwrap()
            .contains(&format!("[reason: {reason}] hint: ")),
        "{outcome:#?}"
    );
    assert_eq!(outcome.stdout, "");
    outcome
}

/// The commands that `--help` lists below `path`.
fn commands_below(path: &[String]) -> Vec<Vec<String>> {
    let help = longshore(path.iter().map(String::as_str).chain(["--help"]))
        .expect(0)
        .stdout;
    let Some((_, listed)) = help.split_once("Commands:\n") else {
        return Vec::new();
    };
    let names = listed
        .lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .filter(|name| name != "help");
    names.map(|name| [path, &[name]].concat()).collect()
}

#[test]
fn the_help_of_every_command_has_an_example_of_it() {
    let mut seen = BTreeSet::new();
    let mut open = commands_below(&[]);
    while let Some(path) = open.pop() {
        let below = commands_below(&path);
        if below.is_empty() {
            let help = longshore(path.iter().map(String::as_str).chain(["--help"]))
                .expect(0)
                .stdout;
            let (_, examples) = help
                .split_once("Example")
                .unwrap_or_else(|| panic!("{path:?} has no example: {help}"));
            assert!(
                examples.contains(&format!("longshore {}", path.join(" "))),
                "{path:?}: {examples}"
            );
            seen.insert(path.join(" "));
        }
        open.extend(below);
    }
    // CI's, and those of the people of a cluster.
    let some = [
        "key generate",
        "trust rotate",
        "publish",
        "pack",
        "sign",
        "verify",
        "release export",
        "pull",
        "root why",
        "diff",
        "gc",
        "apply",
        "halt",
        "import",
        "plan",
        "render",
        "rollout start",
        "why",
    ];
    assert!(
        some.iter().all(|command| seen.contains(*command)) && seen.len() >= 19,
        "{seen:?}"
    );
    for example in ["key generate", "trust new", "publish", "pull"] {
        assert!(
            longshore(["--help"])
                .expect(0)
                .stdout
                .contains(&format!("  longshore {example} ")),
            "{example}"
        );
    }
}

#[test]
fn the_help_names_the_program_as_it_was_called() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("kubectl-longshore");
    std::os::unix::fs::symlink(binary("longshore"), &plugin).unwrap();
    for (program, name) in [
        (binary("longshore"), "longshore"),
        (plugin, "kubectl-longshore"),
    ] {
        let help = Program::new(program).arg("--help").run().expect(0).stdout;
        assert!(help.contains(&format!("Usage: {name} <COMMAND>")), "{help}");
    }
}

#[test]
fn completions_are_scripts_of_their_shells() {
    for shell in ["bash", "zsh", "fish"] {
        let script = longshore(["completions", shell]).expect(0).stdout;
        assert!(
            ["longshore", "publish", "rollback", "--modules-only"]
                .iter()
                .all(|word| script.contains(word.trim_start_matches('-'))),
            "{shell}"
        );
    }
    let script = longshore(["completions", "bash"]).expect(0).stdout + "\ncomplete -p longshore\n";
    assert!(
        Program::new("bash")
            .input(script)
            .run()
            .expect(0)
            .stdout
            .contains("_longshore")
    );
    refused_usage(&longshore(["completions", "csh"]));
}

fn refused_usage(outcome: &Outcome) {
    assert!(
        outcome.code() == Some(64)
            && outcome.stderr.contains("error: ")
            && outcome.stdout.is_empty(),
        "{outcome:#?}"
    );
}

#[test]
fn a_mistake_in_the_arguments_is_code_64() {
    let shop = Shop::on_disk(1, 3);
    for wrong in [
        &["--chanel"][..],
        &["publsh"],
        &["key", "generate"],
        &["key", "generate", "new", "--algorithm", "rsa"],
        &["release", "show", "0"],
        &["release", "rollback", "--to", "first", "--sign", "ci.key"],
        &["publish", "--sign", "ci.key", "--level", "20"],
        &["publish", "--sign", "ci.key", "--store", "s3:/bucket"],
        &["publish", "--sign", "ci.key", "--expires-after", "0d"],
        &["verify", "--channel", "Shops/acme"],
        &["gc", "--keep", "0"],
        &["diff", "1"],
        &["root", "why"],
        &["pull", "--memory", "much", "pod"],
    ] {
        refused_usage(&shop.longshore(wrong));
    }
    refused(
        shop.longshore(["verify", "--trust", "2.root.json"]),
        64,
        "config",
    );
    refused(
        shop.longshore(["publish", "--sign", "ci.key", "--spec", "other.toml"]),
        64,
        "config",
    );
    refused(shop.longshore(["release", "show"]), 64, "channel-missing");
}

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_key_is_for_its_owner_alone_and_never_overwritten() {
    let shop = Shop::on_disk(1, 1);
    for (name, algorithm) in [("one", "ecdsa-p256"), ("two", "ed25519")] {
        let arguments =
            format!("umask 000; exec \"$LONGSHORE\" key generate {name} --algorithm {algorithm}");
        Program::new("sh")
            .args(["-c", &arguments])
            .env("LONGSHORE", binary("longshore"))
            .directory(shop.path(""))
            .run()
            .expect(0);
        let (secret, public) = (
            shop.path(format!("{name}.key")),
            shop.path(format!("{name}.pub")),
        );
        assert_eq!(mode(&secret), 0o600);
        assert!(
            fs::read_to_string(&public)
                .unwrap()
                .starts_with("-----BEGIN PUBLIC KEY-----\n")
        );
        let before = (fs::read(&secret).unwrap(), fs::read(&public).unwrap());
        refused(shop.longshore(["key", "generate", name]), 64, "config");
        assert_eq!(
            (fs::read(&secret).unwrap(), fs::read(&public).unwrap()),
            before
        );
        fs::remove_file(&secret).unwrap();
        refused(shop.longshore(["key", "generate", name]), 64, "config");
        assert!(
            !secret.exists(),
            "a key without its public half would be of no use"
        );
    }
    let before = fs::read(shop.path("1.root.json")).unwrap();
    refused(
        shop.longshore([
            "trust",
            "new",
            "--key",
            "ci.pub",
            "--sign",
            "ci.key",
            "--out",
            "1.root.json",
        ]),
        64,
        "config",
    );
    assert_eq!(fs::read(shop.path("1.root.json")).unwrap(), before);
}

/// The names of fields in camel case, at any depth.
fn check_names(value: &Value) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            assert!(!name.contains(['_', '-']), "{name} in {fields:?}");
            check_names(value);
        }),
        Value::Array(values) => values.iter().for_each(check_names),
        _ => {}
    }
}

#[test]
fn every_reading_command_speaks_json_and_text() {
    let shop = Shop::on_disk(2, 5);
    shop.publish();
    shop.edit(0, 1, 1.0);
    shop.publish();
    shop.init("pod").run().expect(0);
    shop.longshore(["pack", "--out", "out", "--sequence", "3"])
        .expect(0);
    for (command, field) in [
        (&["release", "show"][..], "sequence"),
        (&["release", "show", "1"], "content"),
        (&["release", "list"], "inForce"),
        (&["release", "inspect", "out/release.json"], "signatures"),
        (&["trust", "show", "1.root.json"], "threshold"),
        (&["verify"], "signedBy"),
        (&["root", "why", "pod"], "running"),
        (&["diff", "1", "2"], "downloadFresh"),
        (&["gc"], "unneededBytes"),
        (&["publish", "--sign", "ci.key", "--dry-run"], "outcome"),
    ] {
        let value = asked(&shop, command);
        assert!(value.get(field).is_some(), "{command:?}: {value}");
        check_names(&value);
        let text = shop.longshore(command).expect(0).stdout;
        assert!(
            text.lines().count() > 1 && !text.starts_with('{'),
            "{command:?}: {text}"
        );
    }
    let list = asked(&shop, &["release", "list", "--most", "1"]);
    assert_eq!(
        (
            &list["inForce"],
            &list["releases"][0]["sequence"],
            &list["releases"][1]
        ),
        (&2.into(), &2.into(), &Value::Null)
    );
}

#[test]
fn a_releases_resource_is_what_the_scheduler_reads() {
    let shop = Shop::on_disk(1, 3);
    shop.publish();
    shop.edit(0, 1, 1.0);
    shop.publish();
    let resource = shop
        .longshore(["release", "resource", "1"])
        .expect(0)
        .stdout;
    let written = |name: &str, text: &str| {
        fs::write(shop.path(name), text).unwrap();
        shop.path(name).display().to_string()
    };
    let class = written("class.yaml", &fleet::example("plain/class.yaml"));
    let registered = written(
        "shop.json",
        &fleet::shop("vinyl", "php-plain", &serde_json::json!({})),
    );
    let render = |resource: &str| {
        let files = [&class, &registered, &written("release.json", resource)];
        Program::ours("longshore")
            .arg("render")
            .args(files)
            .args(["--output", "json"])
            .run()
    };
    // What pods read is what the store has, and under the name that rollouts are told.
    let rendered = render(&resource).expect(0).stdout;
    let objects: Vec<Value> = rendered
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let stored =
        fs::read_to_string(shop.path("store/channels/shops/acme/releases/1.json")).unwrap();
    let release = objects
        .iter()
        .find_map(|object| object["data"]["release.json"].as_str());
    assert_eq!(release, Some(stored.as_str()));
    assert_eq!(
        serde_json::from_str::<Value>(&resource).unwrap()["metadata"]["name"],
        "shops-acme-1"
    );
    let newest = shop
        .longshore(["release", "resource", "--name", "spring"])
        .expect(0)
        .stdout;
    assert!(
        newest.contains(r#""name": "spring""#) && newest.contains(r#""sequence": 2"#),
        "{newest}"
    );
    // And no field beside the envelope can say something else.
    let refused = render(&resource.replace(r#""sequence": 1"#, r#""sequence": 2"#))
        .expect(64)
        .stderr;
    assert!(
        refused.contains("apply what `longshore release resource` prints"),
        "{refused}"
    );
}
