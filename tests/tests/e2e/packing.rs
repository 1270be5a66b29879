//! `longshore pack`: the same bytes wherever it runs, and a release that is packed, signed and
//! published by three machines.

use crate::commands::{asked, refused};
use e2e::{
    process::{Program, binary},
    shop::Shop,
    tree,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

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
