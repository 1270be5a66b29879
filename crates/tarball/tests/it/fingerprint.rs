//! A fingerprint changes with whatever changes the tarball, and with nothing else; and what was
//! packed is what was fingerprinted.

use crate::archive::{module, scratch};
use release::{Reason, Sha256};
use std::{
    fs,
    num::NonZeroUsize,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};
use tarball::{DEFAULT_LEVEL, PackOptions, pack, scan};

const LEVEL: i32 = 3;

/// What is done, doing it, what is excluded then, and whether the tarball changes.
type Step<'a> = (&'a str, &'a dyn Fn(), &'a [&'a str], bool);

fn threads(threads: usize) -> NonZeroUsize {
    NonZeroUsize::new(threads).unwrap()
}

fn fingerprint(directory: &Path, exclude: &[&str]) -> Sha256 {
    let exclude: Vec<_> = exclude.iter().map(|&pattern| pattern.to_owned()).collect();
    scan(directory, &exclude)
        .unwrap()
        .fingerprint(threads(2), LEVEL)
        .unwrap()
}

fn tarball(directory: &Path, exclude: &[&str]) -> Sha256 {
    let exclude: Vec<_> = exclude.iter().map(|&pattern| pattern.to_owned()).collect();
    let options = PackOptions {
        level: LEVEL,
        ..PackOptions::default()
    };
    pack(
        &scan(directory, &exclude).unwrap(),
        &mut Vec::new(),
        options,
    )
    .unwrap()
    .sha256
}

#[test]
fn a_fingerprint_changes_exactly_when_the_tarball_does() {
    let source = scratch();
    let at = |name: &str| source.path().join(name);
    module(source.path());
    fs::write(at("one"), "same size").unwrap();
    let mode = |mode| fs::set_permissions(at("one"), fs::Permissions::from_mode(mode)).unwrap();
    let write = |name, text: &str| fs::write(at(name), text).unwrap();
    let steps: [Step<'_>; 13] = [
        ("nothing", &|| (), &[], false),
        ("written again", &|| write("one", "same size"), &[], false),
        ("a mode that does not count", &|| mode(0o604), &[], false),
        (
            "other contents of the same size",
            &|| write("one", "same seize"[..9].as_ref()),
            &[],
            true,
        ),
        ("executable", &|| mode(0o755), &[], true),
        (
            "renamed",
            &|| fs::rename(at("one"), at("two")).unwrap(),
            &[],
            true,
        ),
        ("a link", &|| symlink("two", at("one")).unwrap(), &[], true),
        (
            "the link elsewhere",
            &|| {
                fs::remove_file(at("one"))
                    .and_then(|()| symlink("./two", at("one")))
                    .unwrap();
            },
            &[],
            true,
        ),
        (
            "a directory",
            &|| fs::create_dir(at("empty-one")).unwrap(),
            &[],
            true,
        ),
        ("excluded", &|| (), &["two", "one"], true),
        ("excluded in other words", &|| (), &["{one,two}"], false),
        (
            "removed instead",
            &|| {
                fs::remove_file(at("one"))
                    .and_then(|()| fs::remove_file(at("two")))
                    .unwrap();
            },
            &[],
            false,
        ),
        (
            "a file in place of the directory",
            &|| {
                fs::remove_dir(at("empty-one"))
                    .and_then(|()| fs::write(at("empty-one"), ""))
                    .unwrap();
            },
            &[],
            true,
        ),
    ];
    let mut before = (fingerprint(source.path(), &[]), tarball(source.path(), &[]));
    for (what, step, exclude, changes) in steps {
        step();
        let after = (
            fingerprint(source.path(), exclude),
            tarball(source.path(), exclude),
        );
        assert_eq!(
            (before.0 != after.0, before.1 != after.1),
            (changes, changes),
            "{what}"
        );
        before = after;
    }
}

#[test]
fn circumstances_do_not_change_a_fingerprint_and_the_level_does() {
    let (one, two) = (scratch(), scratch());
    module(one.path());
    module(two.path());
    // More entries than one thread takes at a time.
    for number in 0..300 {
        fs::write(one.path().join(format!("{number}")), number.to_string()).unwrap();
        fs::write(
            two.path().join(format!("{}", 299 - number)),
            (299 - number).to_string(),
        )
        .unwrap();
    }
    let reference = fingerprint(one.path(), &[]);
    for count in [1, 2, 7] {
        assert_eq!(
            scan(two.path(), &[])
                .unwrap()
                .fingerprint(threads(count), LEVEL)
                .unwrap(),
            reference,
            "{count} threads"
        );
    }
    assert_ne!(
        scan(two.path(), &[])
            .unwrap()
            .fingerprint(threads(1), LEVEL + 1)
            .unwrap(),
        reference
    );
    let empty = scratch();
    assert_eq!(
        fingerprint(empty.path(), &[]),
        fingerprint(empty.path(), &["nothing"])
    );
}

#[test]
fn what_changes_after_the_fingerprint_is_never_packed_under_it() {
    let source = scratch();
    // Both ways of reading: in memory, and a large file in pieces.
    for size in [16, 9 << 20] {
        for round in 0..30_u8 {
            let write = |byte: u8| fs::write(source.path().join("file"), vec![byte; size]).unwrap();
            write(round);
            let mut scanned = scan(source.path(), &[]).unwrap();
            scanned.fingerprint(threads(2), LEVEL).unwrap();
            // Often within one tick of the clock that stamps files, so that only the contents tell.
            write(round + 1);
            let error = pack(
                &scanned,
                &mut Vec::new(),
                PackOptions {
                    level: 1,
                    ..PackOptions::default()
                },
            )
            .unwrap_err();
            assert_eq!(error.reason(), Reason::Conflict, "{error}");
        }
    }
}

#[test]
fn a_fingerprint_of_what_cannot_be_read_names_the_file() {
    let source = scratch();
    module(source.path());
    fs::write(source.path().join("gone"), "").unwrap();
    let mut scanned = scan(source.path(), &[]).unwrap();
    fs::remove_file(source.path().join("gone")).unwrap();
    let error = scanned.fingerprint(threads(2), LEVEL).unwrap_err();
    assert!(
        error.to_string().contains("gone changed") && error.reason() == Reason::Conflict,
        "{error}"
    );
}

#[test]
fn other_bytes_need_another_fingerprint() {
    let source = scratch();
    fs::create_dir(source.path().join("app")).unwrap();
    fs::write(source.path().join("app/Mage.php"), "<?php\n".repeat(9)).unwrap();
    symlink("app/Mage.php", source.path().join("mage")).unwrap();
    let mut scanned = scan(source.path(), &[]).unwrap();
    let fingerprint = scanned
        .fingerprint(threads(1), DEFAULT_LEVEL)
        .unwrap()
        .to_string();
    let packed = pack(&scanned, &mut Vec::new(), PackOptions::default())
        .unwrap()
        .sha256
        .to_string();
    // If the second changes, the first must too: raise PACKER in pack/fingerprint.rs, unless
    // zstd's new version did it.
    let expected = (
        "349f0d8d52453246c9feeb8759e6272b419087df23d88adc69876e8cd6db6163",
        "c49ed304e955cea1adbbf118c4257a3da5a43742187c2dfaf41d6ead0673d3e6",
    );
    assert_eq!((fingerprint.as_str(), packed.as_str()), expected);
}
