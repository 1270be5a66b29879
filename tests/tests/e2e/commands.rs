//! Every command of `longshore`: its help teaches, its JSON can be read, and it does what it says.

use e2e::{
    fleet,
    process::{Outcome, Program, binary},
    s3::{Operation, Options, Server},
    shop::{Shop, json, last_event},
    tree,
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

fn longshore<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Outcome {
    Program::ours("longshore").args(arguments).run()
}

/// A command of a shop, with its result as JSON.
#[track_caller]
fn asked(shop: &Shop, arguments: &[&str]) -> Value {
    json(
        &shop
            .longshore(arguments.iter().chain(&["--output", "json"]))
            .expect(0),
    )
}

/// What fails has the reason, and no result on standard output that a script could take for one.
#[track_caller]
fn refused(outcome: Outcome, code: i32, reason: &str) -> Outcome {
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

/// Copies a tree file by file in another order, so that its directories list their entries in
/// another order.
fn copy_backwards(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for (path, entry) in tree::snapshot(from).unwrap().into_iter().rev() {
        let (old, new) = (from.join(&path), to.join(&path));
        fs::create_dir_all(new.parent().unwrap()).unwrap();
        match entry.kind {
            tree::Kind::Directory => fs::create_dir_all(new).unwrap(),
            tree::Kind::Link { target } => std::os::unix::fs::symlink(target, new).unwrap(),
            tree::Kind::File { .. } => drop(fs::copy(old, new).unwrap()),
            tree::Kind::Other => unreachable!("the generator makes no devices"),
        }
    }
}

/// Every file below a packed directory but the release object, with its bytes.
fn blobs(out: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = tree::snapshot(out)
        .unwrap()
        .into_keys()
        .filter(|path| path.starts_with("blobs") && out.join(path).is_file());
    files
        .map(|path| (path.clone(), fs::read(out.join(path)).unwrap()))
        .collect()
}

#[test]
fn the_same_sources_pack_to_the_same_bytes_wherever_and_however() {
    let shop = Shop::on_disk(3, 60);
    for module in 0..3 {
        copy_backwards(
            &shop.module(module),
            &shop.path(format!("again/src/module{module}")),
        );
    }
    fs::copy(
        shop.path("longshore.toml"),
        shop.path("again/longshore.toml"),
    )
    .unwrap();
    let pack = |directory: &str, settings: &str| {
        let script =
            format!("{settings}; exec \"$LONGSHORE\" pack --out out --sequence 7 --level 3");
        let program = Program::new("sh")
            .args(["-c", &script])
            .env("LONGSHORE", binary("longshore"));
        program.directory(shop.path(directory)).run().expect(0);
        shop.path(directory).join("out")
    };
    let one = pack("", "umask 022; export TZ=UTC LC_ALL=C");
    let other = pack(
        "again",
        "umask 077; export TZ=Asia/Kathmandu LC_ALL=tr_TR.UTF-8 HOME=/nonexistent",
    );
    assert_eq!(blobs(&one).len(), 4, "three tarballs and the manifest");
    assert!(blobs(&one) == blobs(&other), "{one:?} and {other:?} differ");
    assert!(
        tree::snapshot(&one)
            .unwrap()
            .values()
            .all(|entry| [0o644, 0o755].contains(&entry.mode)),
        "a store that others read"
    );
    let manifest = |out: &Path| {
        asked(
            &shop,
            &[
                "release",
                "inspect",
                out.join("release.json").to_str().unwrap(),
            ],
        )["manifest"]
            .clone()
    };
    assert_eq!(manifest(&one), manifest(&other));
    pack("", "umask 022");
    assert_eq!(blobs(&one).len(), 4, "packing again adds nothing");
}

#[test]
fn packed_here_signed_there_and_published_elsewhere() {
    let shop = Shop::on_disk(2, 5);
    let packed = asked(&shop, &["pack", "--out", "out", "--sequence", "1"]);
    let publish = ["publish", "--packed", "out"];
    refused(shop.longshore(publish), 65, "signature");
    let pae = shop
        .longshore(["release", "pae", "out/release.json"])
        .expect(0)
        .stdout;
    assert!(
        pae.starts_with("DSSEv1 28 application/vnd.in-toto+json ") && pae.ends_with('}'),
        "{pae}"
    );
    for _ in 0..2 {
        assert_eq!(
            asked(&shop, &["sign", "out/release.json", "--key", "ci.key"])["signatures"],
            1,
            "a key signs once"
        );
    }
    fs::write(shop.path("forged.sig"), b"no signature").unwrap();
    let attach = [
        "release",
        "attach",
        "out/release.json",
        "--signature",
        "forged.sig",
        "--key",
        "ci.pub",
    ];
    refused(shop.longshore(attach), 65, "signature");
    let published = asked(&shop, &publish);
    assert_eq!(
        (&published["outcome"], &published["manifest"]),
        (&"published".into(), &packed["manifest"])
    );
    assert_eq!(asked(&shop, &publish)["outcome"], "unchanged");
    let manifest = format!("out/blobs/sha256/{}", packed["manifest"].as_str().unwrap());
    shop.longshore([
        "verify",
        "--release",
        "out/release.json",
        "--manifest",
        &manifest,
    ])
    .expect(0);
    refused(
        shop.longshore([
            "verify",
            "--release",
            "out/release.json",
            "--manifest",
            "ci.pub",
        ]),
        65,
        "digest",
    );
}

#[test]
fn why_says_what_runs_and_why_nothing_newer_does() {
    let shop = Shop::on_disk(1, 5);
    shop.publish();
    fs::create_dir(shop.path("pod")).unwrap();
    assert_eq!(
        asked(&shop, &["root", "why", "pod"])["running"],
        Value::Null
    );
    shop.init("pod").run().expect(0);
    shop.edit(0, 1, 1.0);
    shop.publisher()
        .args(["--expires-after", "1s"])
        .run()
        .expect(0);
    let why = asked(&shop, &["root", "why", "pod"]);
    assert_eq!(
        (
            &why["running"]["sequence"],
            &why["newer"]["sequence"],
            &why["newer"]["refused"]
        ),
        (&1.into(), &2.into(), &Value::Null)
    );
    assert!(
        why["verdict"]
            .as_str()
            .unwrap()
            .contains("the next pull activates it"),
        "{why}"
    );
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let why = asked(&shop, &["root", "why", "pod"]);
    assert_eq!(
        (&why["newer"]["refused"], why["newer"]["hint"].is_string()),
        (&"expired".into(), true)
    );
    assert_eq!(
        asked(&shop, &["root", "why", "pod", "--floor", "3"])["newer"]["refused"],
        "rollback"
    );
}

#[test]
fn diff_names_the_changed_files_and_what_a_pod_downloads() {
    let server = Server::start(Options::default()).unwrap();
    let shop = Shop::on(&server, 3, 400);
    shop.publish();
    shop.init("pod").run().expect(0);
    let mut expected: BTreeSet<(String, String)> = shop
        .edit(1, 3, 0.01)
        .iter()
        .map(|path| ("changed".into(), place(1, path)))
        .collect();
    fs::write(shop.module(1).join("new.php"), "<?php // new").unwrap();
    let gone = tree::snapshot(&shop.module(2))
        .unwrap()
        .into_iter()
        .find(|(_, entry)| matches!(entry.kind, tree::Kind::File { .. }))
        .unwrap()
        .0;
    fs::remove_file(shop.module(2).join(&gone)).unwrap();
    expected.extend([
        ("added".into(), place(1, "new.php")),
        ("removed".into(), place(2, gone)),
    ]);
    shop.publish();

    let diff = asked(&shop, &["diff", "1", "2"]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let files = diff["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| (text(&file["change"]), text(&file["path"])));
    assert_eq!(files.collect::<BTreeSet<_>>(), expected);
    let modules: Vec<_> = diff["modules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|module| text(&module["module"]))
        .collect();
    assert_eq!(modules, ["vendor/module1", "vendor/module2"]);
    assert_eq!(
        asked(&shop, &["diff", "1", "2", "--modules-only"])["files"],
        Value::Array(Vec::new())
    );

    // A pod reads the release object and the manifest besides.
    let manifest = text(&asked(&shop, &["release", "show"])["manifest"]);
    let besides = [
        "channels/shops/acme/release.json".to_owned(),
        format!("blobs/sha256/{manifest}"),
    ];
    let besides: usize = besides
        .iter()
        .map(|key| server.get(&format!("prod/{key}")).unwrap().len())
        .sum();
    for (pod, field) in [("pod", "download"), ("fresh", "downloadFresh")] {
        server.reset_stats();
        let pulled = last_event(&shop.init(pod).run().expect(0));
        let expected = diff[field].as_u64().unwrap() + besides as u64;
        assert_eq!(
            pulled["downloaded_bytes"], expected,
            "{pod}: {diff} {pulled}"
        );
        // On the wire are headers, too: some hundred bytes for each of a handful of answers.
        let sent = server.stats().bytes_sent;
        assert!(
            (expected..expected + 16_384).contains(&sent),
            "{pod}: {sent} bytes were sent, expected {expected} and headers"
        );
    }
}

/// Where a file of a module lands in the release.
fn place(module: usize, path: impl AsRef<Path>) -> String {
    format!("app/code/module{module}/{}", path.as_ref().display())
}

#[test]
fn gc_deletes_what_no_kept_release_needs_and_nothing_else() {
    let server = Server::start(Options::default()).unwrap();
    let shop = Shop::on(&server, 2, 10);
    for round in 0..4 {
        shop.edit(0, round, 1.0);
        shop.publish();
    }
    let all = server.keys();
    assert_eq!(
        asked(&shop, &["gc", "--keep", "2"])["unneeded"],
        Value::Array(Vec::new()),
        "all are younger than seven days"
    );
    // S3 dates objects by the second.
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let arguments = ["gc", "--keep", "2", "--younger-than", "1s"];
    let found = asked(&shop, &arguments);
    assert_eq!(
        (
            &found["deleted"],
            found["unneeded"].as_array().unwrap().len()
        ),
        (&false.into(), 4),
        "two tarballs, two manifests: {found}"
    );
    assert_eq!(
        server.keys(),
        all,
        "without --delete it only says what would go"
    );
    assert_eq!(server.stats().of(Operation::DeleteObject), 0);
    let deleted = asked(&shop, &[&arguments[..], &["--delete"]].concat());
    assert_eq!(deleted["unneeded"], found["unneeded"]);
    let gone: BTreeSet<_> = found["unneeded"]
        .as_array()
        .unwrap()
        .iter()
        .map(|blob| format!("prod/{}", blob["key"].as_str().unwrap()))
        .collect();
    assert_eq!(
        server.keys(),
        all.into_iter()
            .filter(|key| !gone.contains(key))
            .collect::<Vec<_>>()
    );

    assert_eq!(
        asked(&shop, &arguments)["unneeded"],
        Value::Array(Vec::new())
    );
    for kept in ["3", "4"] {
        shop.longshore(["verify", kept, "--deep"]).expect(0);
        shop.longshore(["pull", "--sequence", kept, kept]).expect(0);
    }
    refused(shop.longshore(["verify", "1"]), 69, "object-missing");
}

#[test]
fn an_exported_release_is_a_store_of_its_own() {
    let server = Server::start(Options::default()).unwrap();
    let shop = Shop::on(&server, 2, 10);
    shop.publish();
    shop.init("pod").run().expect(0);
    let exported = asked(&shop, &["release", "export", "--out", "copy"]);
    assert_eq!(
        (&exported["sequence"], &exported["blobs"]),
        (&1.into(), &3.into())
    );
    drop(server);
    let copy = format!("file://{}", shop.path("copy").display());
    let pulled = asked(&shop, &["pull", "--store", &copy, "laptop"]);
    assert_eq!(
        (&pulled["outcome"], &pulled["files"]),
        (&"fresh".into(), &20.into())
    );
    assert_eq!(shop.current("laptop"), shop.current("pod"));
    assert_eq!(
        asked(&shop, &["pull", "--store", &copy, "laptop"])["outcome"],
        "already-active"
    );
    shop.longshore(["verify", "--store", &copy, "--deep"])
        .expect(0);
}
