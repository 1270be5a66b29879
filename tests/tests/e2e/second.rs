//! A second implementation of the formats, in Python and made from docs/formats alone, reads what
//! we write and writes what we read.

use e2e::{
    process::{Outcome, Program},
    shop::{Shop, last_event},
};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt, symlink},
    path::Path,
};

fn formats<'a>(shop: &Shop, arguments: impl IntoIterator<Item = &'a str>) -> Outcome {
    let program = Program::new("/usr/bin/python3").args([
        "-B",
        concat!(env!("CARGO_MANIFEST_DIR"), "/second/formats.py"),
    ]);
    program.args(arguments).directory(shop.path("")).run()
}

/// Everything a tree says to those who read it: kind, mode, time and contents by path.
fn tree(top: &Path) -> BTreeMap<String, (u32, i64, Vec<u8>)> {
    let (mut found, mut open) = (BTreeMap::new(), vec![top.to_owned()]);
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let stat = path.symlink_metadata().unwrap();
            let name = path.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
            let (mode, time, contents) = if stat.is_symlink() {
                (
                    0,
                    0,
                    fs::read_link(&path)
                        .unwrap()
                        .into_os_string()
                        .into_encoded_bytes(),
                )
            } else if stat.is_dir() {
                open.push(path);
                (1, 0, Vec::new())
            } else {
                (
                    stat.permissions().mode(),
                    stat.mtime(),
                    fs::read(&path).unwrap(),
                )
            };
            found.insert(name, (mode, time, contents));
        }
    }
    found
}

/// Modules with all that the formats can hold.
fn sources(shop: &Shop) {
    let write = |path: &str, contents: &[u8]| {
        fs::create_dir_all(shop.path(path).parent().unwrap()).unwrap();
        fs::write(shop.path(path), contents).unwrap();
    };
    write("core/index.php", b"<?php 1;");
    write("core/bin/run", b"#!/bin/sh\n");
    fs::set_permissions(shop.path("core/bin/run"), PermissionsExt::from_mode(0o755)).unwrap();
    write("core/empty", b"");
    write(
        "core/caf\u{e9}/stra\u{df}e.phtml",
        b"ustar has no room for it",
    );
    write(
        &format!("core/{}/{}", "d".repeat(90), "f".repeat(120)),
        b"nor for this",
    );
    write(
        &format!("core/{}/{}", "p".repeat(80), "n".repeat(60)),
        b"but for this, with a prefix",
    );
    write(
        "core/big.bin",
        &(0..2_600_000_u32)
            .flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes())
            .collect::<Vec<u8>>(),
    );
    for number in 0..700 {
        write(
            &format!("core/lib/{}/{number}.php", number % 13),
            format!("<?php // {number}\n")
                .repeat(60 + number)
                .as_bytes(),
        );
    }
    for (at, to) in [
        ("core/link", "index.php"),
        ("core/up", "caf\u{e9}/../bin/run"),
        ("core/long", &format!("{}x", "lib/../".repeat(30))),
    ] {
        symlink(to, shop.path(at)).unwrap();
    }
    write("theme/skin.css", b"a{}");
    fs::create_dir_all(shop.path("theme/hollow")).unwrap();
    fs::create_dir_all(shop.path("nothing")).unwrap();
}

#[test]
fn golden_files_are_read_and_written_again() {
    let shop = Shop::on_disk(1, 1);
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/v1");
    formats(&shop, ["golden", golden]).expect(0);
}

#[test]
fn each_takes_what_the_other_publishes() {
    let shop = Shop::on_disk(1, 1);
    sources(&shop);
    let description = "channel = \"shops/acme\"\n[[module]]\nname = \"core\"\nversion = \
                       \"1\"\nsource = \"core\"\n[[module]]\nname = \"theme\"\nversion = \
                       \"1\"\nsource = \"theme\"\ntarget = \"skin/acme\"\n[[module]]\nname = \
                       \"nothing\"\nversion = \"1\"\nsource = \"nothing\"\ntarget = \
                       \"vendor/acme\"\n[[module]]\nname = \"over\"\nversion = \"1\"\nsource = \
                       \"theme\"\ntarget = \"skin/acme\"\noverrides = [\"theme\"]\n";
    fs::write(shop.path("longshore.toml"), description).unwrap();
    shop.publish();
    let store = shop.store().strip_prefix("file://").unwrap().to_owned();
    formats(
        &shop,
        ["pull", &store, "shops/acme", "1.root.json", "second"],
    )
    .expect(0);
    shop.init("pod").run().expect(0);
    let ours = tree(&fs::canonicalize(shop.path("pod/current")).unwrap());
    assert!(
        ours.len() > 700 && ours == tree(&shop.path("second")),
        "a tree of theirs is not ours"
    );

    let spec = r#"{"modules": [{"name": "theme", "version": "1", "source": "theme", "target": "skin/acme"}, {"name": "core", "version": "2", "source": "core"},
                   {"name": "nothing", "version": "1", "source": "nothing", "target": "vendor/acme"}]}"#;
    fs::write(shop.path("spec.json"), spec).unwrap();
    formats(
        &shop,
        [
            "publish",
            &store,
            "shops/acme",
            "1.root.json",
            "ci.key",
            "spec.json",
        ],
    )
    .expect(0);
    shop.longshore(["verify", "--deep"]).expect(0);
    assert_eq!(last_event(&shop.init("pod").run().expect(0))["sequence"], 2);
    assert_eq!(
        tree(&fs::canonicalize(shop.path("pod/current")).unwrap()),
        ours,
        "the same sources, packed by another program"
    );
}

fn module(name: &str, source: &str, target: &str) -> String {
    format!(
        "{{\"name\": \"{name}\", \"version\": \"1\", \"source\": \"{source}\", \"target\": \
         \"{target}\"}}"
    )
}

/// Sources with links that must not be in a release.
fn links(shop: &Shop) {
    for (path, to) in [
        ("x/a", "b"),
        ("y/b", "a"),
        ("pub/pub", "public"),
        ("thr/static", "real"),
    ] {
        fs::create_dir_all(shop.path(path).parent().unwrap()).unwrap();
        symlink(to, shop.path(path)).unwrap();
    }
    fs::create_dir_all(shop.path("up")).unwrap();
    symlink("media/../../etc", shop.path("up/x")).unwrap();
    let chain = shop.path("chain");
    fs::create_dir_all(&chain).unwrap();
    for number in 0..41 {
        symlink(format!("l{}", number + 1), chain.join(format!("l{number}"))).unwrap();
    }
}

/// Modules, what else stands in the description, and why both refuse it.
type Refused = (&'static str, String, &'static str, &'static str);

fn rows() -> [Refused; 8] {
    [
        (
            "loops together",
            [module("x", "x", ""), module("y", "y", "")].join(","),
            "",
            "link-escape",
        ),
        (
            "a file in two modules",
            [module("x", "theme", ""), module("y", "theme", "")].join(","),
            "",
            "duplicate",
        ),
        (
            "through a link",
            [module("x", "thr", ""), module("y", "theme", "static")].join(","),
            "",
            "path-unsafe",
        ),
        (
            "a link in the way",
            module("x", "pub", ""),
            ", \"shared\": [\"pub/media\"]",
            "duplicate",
        ),
        (
            "a file in the way",
            module("x", "theme", ""),
            ", \"shared\": [\"skin.css\"]",
            "duplicate",
        ),
        (
            "up from shared",
            module("x", "up", ""),
            ", \"shared\": [\"media\"]",
            "link-escape",
        ),
        ("41 links", module("x", "chain", ""), "", "link-escape"),
        (
            "into a kept directory",
            module("x", "theme", "var"),
            ", \"writable\": [{\"path\": \"var\", \"keep\": true}]",
            "duplicate",
        ),
    ]
}

/// Changes one byte of each tarball.
fn damage(blobs: &Path) {
    for entry in fs::read_dir(blobs).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        if bytes.starts_with(b"\x28\xb5\x2f\xfd") {
            *bytes.last_mut().unwrap() ^= 1;
            fs::remove_file(&path).unwrap();
            fs::write(&path, bytes).unwrap();
        }
    }
}

#[test]
fn both_refuse_for_the_same_reason() {
    let shop = Shop::on_disk(1, 1);
    sources(&shop);
    let store = shop.store().strip_prefix("file://").unwrap().to_owned();
    let publish = |modules: &str, more: &str| {
        fs::write(
            shop.path("spec.json"),
            format!("{{\"modules\": [{modules}]{more}}}"),
        )
        .unwrap();
        formats(
            &shop,
            [
                "publish",
                &store,
                "shops/acme",
                "1.root.json",
                "ci.key",
                "spec.json",
            ],
        )
        .expect(0);
    };
    links(&shop);
    for (case, modules, more, reason) in rows() {
        publish(&modules, more);
        fs::remove_dir_all(shop.path("second")).ok();
        let theirs = formats(
            &shop,
            ["pull", &store, "shops/acme", "1.root.json", "second"],
        )
        .expect(65);
        assert!(
            theirs.stderr.contains(&format!("reason: {reason}")),
            "{case}: {theirs:#?}"
        );
        let pod = shop.init("pod").run().expect(65);
        assert!(
            pod.stderr.contains(&format!("\"reason\":\"{reason}\"")),
            "{case}: {pod:#?}"
        );
        let verify = shop.longshore(["verify", "--deep"]).expect(65);
        assert!(
            verify.stderr.contains(&format!("[reason: {reason}]")),
            "{case}: {verify:#?}"
        );
    }
    publish(&module("x", "theme", ""), "");
    damage(&Path::new(&store).join("blobs/sha256"));
    fs::remove_dir_all(shop.path("second")).ok();
    let theirs = formats(
        &shop,
        ["pull", &store, "shops/acme", "1.root.json", "second"],
    )
    .expect(65);
    assert!(theirs.stderr.contains("reason: digest"), "{theirs:#?}");
    assert!(
        shop.init("pod")
            .run()
            .expect(65)
            .stderr
            .contains("\"reason\":\"digest\"")
    );
}
