//! Other programs and ours, in both directions: signatures of openssl, securesystemslib and cosign,
//! tarballs of tar and Python.

mod envelopes;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use e2e::{
    peers::required,
    process::{Outcome, Program, binary},
    shop::{Shop, json, last_event},
    tree::{self, Entry, Kind},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

/// The key pairs of the tests: how openssl makes, uses and checks one of either algorithm.
const ALGORITHMS: [(&str, &str, &str, &str); 2] = [
    (
        "ecdsa-p256",
        "openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ci.key",
        "\"$LONGSHORE\" release pae out/release.json | openssl dgst -sha256 -sign ci.key -out \
         release.sig",
        "openssl dgst -sha256 -verify ci.pub -signature release.sig pae",
    ),
    (
        "ed25519",
        "openssl genpkey -quiet -algorithm ED25519 -out ci.key",
        "\"$LONGSHORE\" release pae out/release.json > pae; openssl pkeyutl -sign -rawin -in pae \
         -inkey ci.key -out release.sig",
        "openssl pkeyutl -verify -rawin -pubin -inkey ci.pub -in pae -sigfile release.sig",
    ),
];

/// A shell script in the shop's directory, in which `$LONGSHORE` is our binary.
fn script(shop: &Shop, text: &str) -> Outcome {
    let bash = Program::new("bash").args(["-euo", "pipefail", "-c", text]);
    bash.env("LONGSHORE", binary("longshore"))
        .env("HOME", shop.path(""))
        .directory(shop.path(""))
        .run()
}

/// Packs sequence 1 into `out`, unsigned, and gives the manifest's path in the shop's directory.
fn pack(shop: &Shop) -> String {
    let packed = json(
        &shop
            .longshore([
                "pack",
                "--out",
                "out",
                "--sequence",
                "1",
                "--output",
                "json",
            ])
            .expect(0),
    );
    format!("out/blobs/sha256/{}", packed["manifest"].as_str().unwrap())
}

/// Publishes what was packed and signed, and lets a pod take it.
#[track_caller]
fn accepted_by_verify_and_by_a_pod(shop: &Shop, manifest: &str) {
    shop.longshore([
        "verify",
        "--release",
        "out/release.json",
        "--manifest",
        manifest,
    ])
    .expect(0);
    shop.longshore(["publish", "--packed", "out"]).expect(0);
    assert_eq!(last_event(&shop.init("pod").run().expect(0))["sequence"], 1);
}

#[test]
fn what_openssl_signs_is_attached_verified_and_pulled() {
    for (algorithm, generate, sign, _) in ALGORITHMS {
        let shop = Shop::on_disk(1, 5);
        for old in ["ci.key", "ci.pub", "1.root.json"] {
            fs::remove_file(shop.path(old)).unwrap();
        }
        script(
            &shop,
            &format!("{generate}; openssl pkey -in ci.key -pubout -out ci.pub"),
        )
        .expect(0);
        shop.longshore([
            "trust",
            "new",
            "--key",
            "ci.pub",
            "--sign",
            "ci.key",
            "--out",
            "1.root.json",
        ])
        .expect(0);
        let manifest = pack(&shop);
        script(&shop, sign).expect(0);
        let attach = [
            "release",
            "attach",
            "out/release.json",
            "--signature",
            "release.sig",
            "--key",
            "ci.pub",
        ];
        shop.longshore(attach).expect(0);
        accepted_by_verify_and_by_a_pod(&shop, &manifest);

        // The same signature under another release is refused where it is attached, before anybody
        // publishes it.
        shop.longshore(["pack", "--out", "out", "--sequence", "2"])
            .expect(0);
        let refused = shop.longshore(attach).expect(65);
        assert!(
            refused.stderr.contains("[reason: signature]"),
            "{algorithm}: {refused:#?}"
        );
    }
}

#[test]
fn openssl_verifies_what_we_sign() {
    for (algorithm, _, _, verify) in ALGORITHMS {
        let shop = Shop::on_disk(1, 5);
        for old in ["ci.key", "ci.pub"] {
            fs::remove_file(shop.path(old)).unwrap();
        }
        shop.longshore(["key", "generate", "ci", "--algorithm", algorithm])
            .expect(0);
        pack(&shop);
        shop.longshore(["sign", "out/release.json", "--key", "ci.key"])
            .expect(0);
        let release: Value =
            serde_json::from_slice(&fs::read(shop.path("out/release.json")).unwrap()).unwrap();
        let signature = BASE64_STANDARD
            .decode(release["signatures"][0]["sig"].as_str().unwrap())
            .unwrap();
        fs::write(shop.path("release.sig"), signature).unwrap();
        let verified = script(
            &shop,
            &format!("\"$LONGSHORE\" release pae out/release.json > pae; {verify}"),
        )
        .expect(0);
        assert!(verified.stdout.contains("Verified"), "{verified:#?}");
        let changed = script(&shop, &format!("sed -i s/shops/chops/ pae; {verify}"));
        assert_ne!(changed.code(), Some(0), "{changed:#?}");
    }
}

/// `interop/dsse.py` with these arguments.
fn securesystemslib(shop: &Shop, arguments: &[&str]) -> Outcome {
    let program = Program::new(required("python")).arg(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/e2e/interop/dsse.py"
    ));
    program.args(arguments).directory(shop.path("")).run()
}

#[test]
fn securesystemslib_and_we_count_each_others_signatures() {
    let shop = Shop::on_disk(1, 5);
    shop.longshore(["key", "generate", "second", "--algorithm", "ed25519"])
        .expect(0);
    fs::remove_file(shop.path("1.root.json")).unwrap();
    let both = [
        "--key",
        "ci.pub",
        "--key",
        "second.pub",
        "--threshold",
        "2",
        "--sign",
        "ci.key",
        "--sign",
        "second.key",
    ];
    shop.longshore(
        ["trust", "new"]
            .into_iter()
            .chain(both)
            .chain(["--out", "1.root.json"]),
    )
    .expect(0);
    let manifest = pack(&shop);
    let verify = ["verify", "out/release.json", "2", "ci.pub", "second.pub"];

    shop.longshore(["sign", "out/release.json", "--key", "ci.key"])
        .expect(0);
    let one = securesystemslib(&shop, &verify).expect(1);
    assert!(one.stderr.contains("Found: 1, Expected 2"), "{one:#?}");
    let refused = shop
        .longshore(["verify", "--release", "out/release.json"])
        .expect(65);
    assert!(
        refused.stderr.contains("[reason: threshold]"),
        "{refused:#?}"
    );

    // Ours and theirs in one envelope, written by them.
    securesystemslib(&shop, &["sign", "out/release.json", "second.key"]).expect(0);
    assert_eq!(securesystemslib(&shop, &verify).expect(0).stdout, "2\n");
    accepted_by_verify_and_by_a_pod(&shop, &manifest);

    // Theirs with P-256, and two of ours for them to count.
    pack(&shop);
    securesystemslib(&shop, &["sign", "out/release.json", "ci.key"]).expect(0);
    shop.longshore(["sign", "out/release.json", "--key", "second.key"])
        .expect(0);
    shop.longshore(["verify", "--release", "out/release.json"])
        .expect(0);
    pack(&shop);
    shop.longshore([
        "sign",
        "out/release.json",
        "--key",
        "ci.key",
        "--key",
        "second.key",
    ])
    .expect(0);
    assert_eq!(securesystemslib(&shop, &verify).expect(0).stdout, "2\n");
}

#[test]
#[ignore = "needs cosign: make interop"]
fn cosign_verifies_our_release_object_over_its_manifest_with_the_public_key_alone() {
    let cosign = required("cosign");
    let shop = Shop::on_disk(1, 5);
    let manifest = pack(&shop);
    shop.longshore(["sign", "out/release.json", "--key", "ci.key"])
        .expect(0);
    shop.longshore(["key", "generate", "other"]).expect(0);
    fs::write(shop.path("manifest.json"), "{}").unwrap();
    let verify = |key: &str, manifest: &str| {
        let options = [
            "--insecure-ignore-tlog",
            "--key",
            key,
            "--signature",
            "out/release.json",
        ];
        let program = Program::new(&cosign)
            .arg("verify-blob-attestation")
            .args(options);
        let program = program.args(["--type", "https://longshore.dev/release/v1", manifest]);
        program
            .env("HOME", shop.path(""))
            .directory(shop.path(""))
            .run()
    };
    let verified = verify("ci.pub", &manifest).expect(0);
    assert!(verified.stderr.contains("Verified OK"), "{verified:#?}");
    for (key, manifest) in [
        ("ci.pub", "manifest.json"),
        ("other.pub", manifest.as_str()),
    ] {
        let refused = verify(key, manifest);
        assert!(
            refused.code().is_some_and(|code| code != 0),
            "{key} {manifest}: {refused:#?}"
        );
    }
}

/// A shop on disk whose module 1 has everything that a tarball can hold, published and pulled; and
/// that module's tarball.
fn pulled() -> (Shop, PathBuf) {
    let shop = Shop::on_disk(2, 120);
    let module = shop.module(1);
    let long = module.join("a".repeat(120)).join("b".repeat(150));
    fs::create_dir_all(&long).unwrap();
    fs::write(long.join("Preț über.php"), "<?php").unwrap();
    fs::write(module.join("empty"), "").unwrap();
    fs::write(module.join("cron.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(module.join("cron.sh"), fs::Permissions::from_mode(0o700)).unwrap();
    symlink("../cron.sh", long.parent().unwrap().join("link")).unwrap();
    let manifest = shop.publish()["manifest"].as_str().unwrap().to_owned();
    shop.init("pod").run().expect(0);
    let blob = |digest: &str| shop.path(format!("store/blobs/sha256/{digest}"));
    let manifest: Value = serde_json::from_slice(&fs::read(blob(&manifest)).unwrap()).unwrap();
    let module = manifest["modules"]
        .as_array()
        .unwrap()
        .iter()
        .find(|module| module["name"] == "vendor/module1")
        .unwrap();
    let tarball = blob(module["sha256"].as_str().unwrap());
    (shop, tarball)
}

/// What the pod has of module 1, and what another program unpacked into `tree`.
fn both(shop: &Shop, tree: &Path) -> (BTreeMap<PathBuf, Entry>, BTreeMap<PathBuf, Entry>) {
    let ours = fs::canonicalize(shop.path("pod/current"))
        .unwrap()
        .join("app/code/module1");
    let (ours, theirs) = (
        tree::snapshot(&ours).unwrap(),
        tree::snapshot(tree).unwrap(),
    );
    assert!(
        ours.len() > 125
            && ours
                .values()
                .any(|entry| matches!(entry.kind, Kind::Link { .. })),
        "{}",
        ours.len()
    );
    (ours, theirs)
}

#[test]
fn gnu_tar_unpacks_a_published_tarball_to_the_tree_of_a_pod() {
    let (shop, tarball) = pulled();
    fs::create_dir(shop.path("tar")).unwrap();
    script(
        &shop,
        &format!("tar --zstd -xpf '{}' -C tar", tarball.display()),
    )
    .expect(0);
    let (ours, theirs) = both(&shop, &shop.path("tar"));
    assert_eq!(theirs, ours);
}

#[test]
fn pythons_tarfile_unpacks_a_published_tarball_to_the_tree_of_a_pod() {
    let (shop, tarball) = pulled();
    script(
        &shop,
        &format!("zstd -q -d '{}' -o plain.tar", tarball.display()),
    )
    .expect(0);
    let unpack = "import tarfile\nwith tarfile.open('plain.tar', 'r:') as tar:\n    \
                  tar.extractall('tar', filter='fully_trusted')";
    Program::new(required("python"))
        .args(["-X", "utf8", "-c", unpack])
        .directory(shop.path(""))
        .run()
        .expect(0);
    let (ours, mut theirs) = both(&shop, &shop.path("tar"));
    // Python does not set the times of links.
    for (path, entry) in theirs
        .iter_mut()
        .filter(|(_, entry)| matches!(entry.kind, Kind::Link { .. }))
    {
        entry.mtime = ours[path].mtime;
    }
    assert_eq!(theirs, ours);
}
