//! What comes out of packing: the same bytes whatever the circumstances, the same tree again, and
//! refusals that name the file.

use crate::{
    archive::{expected, module, scratch, snapshot},
    round::{packed, unpack},
};
use proptest::prelude::*;
use release::{Reason, RelativePath, Sha256};
use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    env, fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    process::Command,
};
use tarball::{ChunkTarget, Kind, PackOptions, Totals, Unpacker, pack, scan};

#[test]
fn a_module_comes_out_as_it_went_in() {
    let (source, tree) = (scratch(), scratch());
    module(source.path());
    let (bytes, packed) = packed(source.path(), 2);
    let (totals, entries) = unpack(&bytes, &packed.chunks, tree.path(), 2);
    assert_eq!(snapshot(tree.path()), expected(source.path()));
    assert_eq!((totals.files, totals.bytes), (packed.files, packed.bytes));
    assert_eq!((totals.files, totals.directories, totals.links), (8, 5, 4));
    let listed: BTreeSet<_> = entries
        .iter()
        .map(|entry| entry.path.as_str().to_owned())
        .collect();
    assert_eq!(listed, snapshot(tree.path()).into_keys().collect());
    assert_eq!(packed.sha256, Sha256::digest(&bytes));
    assert_eq!(packed.size, bytes.len() as u64);
    assert!(entries.iter().any(|entry| entry.kind
        == Kind::File {
            size: 10,
            executable: true
        }));
}

#[test]
fn an_empty_module_is_one_chunk_without_entries() {
    let (source, tree) = (scratch(), scratch());
    let (bytes, packed) = packed(source.path(), 1);
    assert_eq!(packed.chunks.len(), 1);
    assert_eq!(
        (packed.chunks[0].entries, packed.chunks[0].unpacked),
        (0, 1024)
    );
    assert_eq!(
        unpack(&bytes, &packed.chunks, tree.path(), 1).0,
        Totals::default()
    );
}

#[test]
fn circumstances_do_not_change_a_byte() {
    let (one, two) = (scratch(), scratch());
    module(one.path());
    // The same names made in another order, with other times, modes that differ if they do not
    // count, and separate files.
    let mut paths: Vec<_> = snapshot(one.path()).into_keys().collect();
    paths.reverse();
    for path in paths {
        let (from, to) = (one.path().join(&path), two.path().join(&path));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        let metadata = from.symlink_metadata().unwrap();
        if metadata.is_symlink() {
            symlink(from.read_link().unwrap(), to).unwrap();
        } else if metadata.is_dir() {
            fs::create_dir_all(&to).unwrap();
            fs::set_permissions(to, fs::Permissions::from_mode(0o700)).unwrap();
        } else {
            fs::write(&to, fs::read(&from).unwrap()).unwrap();
            fs::set_permissions(
                to,
                fs::Permissions::from_mode(if metadata.mode() & 0o100 == 0 {
                    0o604
                } else {
                    0o711
                }),
            )
            .unwrap();
        }
    }
    let reference = packed(one.path(), 1);
    for threads in [1, 2, 7] {
        assert!(
            packed(two.path(), threads) == reference,
            "{threads} threads"
        );
    }
}

fn tree() -> impl Strategy<Value = BTreeMap<String, Option<(Vec<u8>, bool)>>> {
    let name = "[a-cA-C\u{e9}\u{4f60}.-]{1,9}"
        .prop_filter("a name", |name| !matches!(name.as_str(), "." | ".."));
    let path =
        proptest::collection::vec(name, 1..5).prop_map(|names| names.join("/").to_lowercase());
    let file = proptest::option::of((
        proptest::collection::vec(any::<u8>(), 0..1200),
        any::<bool>(),
    ));
    proptest::collection::btree_map(path, file, 0..24)
}

proptest! {
    #![proptest_config(crate::archive::cases(64))]
    #[test]
    fn what_is_packed_comes_out_again(entries in tree(), threads in 1_usize..4) {
        let (source, out) = (scratch(), scratch());
        for (path, file) in &entries {
            let at = source.path().join(path);
            // If an earlier file stands on the way, this entry cannot be made: the tree is then
            // without it.
            match file {
                None => drop(fs::create_dir_all(at)),
                Some((bytes, executable)) => {
                    if fs::create_dir_all(at.parent().unwrap()).is_ok()
                        && fs::write(&at, bytes).is_ok()
                        && *executable
                    {
                        fs::set_permissions(&at, fs::Permissions::from_mode(0o744)).unwrap();
                    }
                }
            }
        }
        let (bytes, result) = packed(source.path(), threads);
        unpack(&bytes, &result.chunks, out.path(), threads);
        prop_assert_eq!(snapshot(out.path()), expected(source.path()));
        prop_assert_eq!(
            packed(out.path(), 1).1,
            result,
            "packing what was unpacked gives the same tarball"
        );
    }
}

#[test]
fn progress_ends_with_everything() {
    let source = scratch();
    module(source.path());
    let seen = Cell::new((0, 0));
    let progress = |files, bytes| seen.set((files, bytes));
    let options = PackOptions {
        progress: Some(&progress),
        ..PackOptions::default()
    };
    let packed = pack(&scan(source.path(), &[]).unwrap(), &mut Vec::new(), options).unwrap();
    assert_eq!(seen.get(), (packed.files, packed.bytes));
    for level in [0, 20] {
        let options = PackOptions {
            level,
            ..PackOptions::default()
        };
        let error = pack(&scan(source.path(), &[]).unwrap(), &mut Vec::new(), options).unwrap_err();
        assert_eq!(error.reason(), Reason::Config);
    }
}

#[test]
fn a_replaced_entry_is_left_to_the_module_that_replaces_it() {
    let (one, two, tree) = (scratch(), scratch(), scratch());
    module(one.path());
    fs::create_dir(two.path().join("app")).unwrap();
    fs::write(two.path().join("app/block"), "other").unwrap();
    let target: RelativePath = "shop".parse().unwrap();
    let unpacker = Unpacker::new(tree.path()).unwrap();
    let replaced = BTreeSet::from(["app/block", "link"].map(|path| path.parse().unwrap()));
    for (source, replaced) in [(&one, &replaced), (&two, &BTreeSet::new())] {
        let (bytes, packed) = packed(source.path(), 1);
        let place = ChunkTarget {
            target: Some(&target),
            replaced,
            last: true,
        };
        let entries = unpacker
            .worker()
            .chunk(&bytes, &packed.chunks[0], &place)
            .unwrap();
        assert!(entries.iter().all(|entry| entry.path.is_within(&target)));
        assert_eq!(
            entries.len() as u64,
            packed.chunks[0].entries - replaced.len() as u64
        );
    }
    unpacker
        .finish(&release::RequiredDirectories::default())
        .unwrap();
    assert_eq!(
        fs::read_to_string(tree.path().join("shop/app/block")).unwrap(),
        "other"
    );
    assert!(tree.path().join("shop/link").symlink_metadata().is_err());
    assert_eq!(
        fs::read_to_string(tree.path().join("shop/index.php")).unwrap(),
        "<?php\n"
    );
}

#[test]
fn modes_do_not_depend_on_the_umask_or_on_setgid() {
    // A process has one umask for all of its threads, so each is tried in a process of its own.
    for mask in ["0077", "0002", "0000", "0222"] {
        let output = Command::new("sh")
            .args([
                "-c",
                "umask $1; exec \"$0\" --exact pack::a_module_comes_out_as_it_went_in",
            ])
            .arg(env::current_exe().unwrap())
            .arg(mask)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "umask {mask}: {said}"
        );
    }
    let (source, tree) = (scratch(), scratch());
    module(source.path());
    fs::set_permissions(tree.path(), fs::Permissions::from_mode(0o2755)).unwrap();
    let (bytes, packed) = packed(source.path(), 1);
    unpack(&bytes, &packed.chunks, tree.path(), 1);
    assert_eq!(snapshot(tree.path()), expected(source.path()));
}
