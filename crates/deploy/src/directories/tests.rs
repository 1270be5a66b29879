#![allow(
    clippy::disallowed_methods,
    reason = "a test prepares what is on the disk"
)]

mod writable;

use super::*;
use crate::configuration::Configuration;
use release::{Migration, Writable};
use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
};

const SHORT: &str = "0123456789abcdef";

fn manifest(shared: &[&str], writable: &[(&str, bool)]) -> Manifest {
    Manifest {
        schema: 1,
        modules: Vec::new(),
        files: 0,
        bytes: 0,
        shared: shared.iter().map(|path| path.parse().unwrap()).collect(),
        writable: writable
            .iter()
            .map(|(path, keep)| Writable {
                path: path.parse().unwrap(),
                keep: *keep,
            })
            .collect(),
        php: None,
        migration: Migration::None,
        case_sensitive: false,
    }
}

// A release root with one tree that has an empty `var`, and the shop's places beside it.
struct Pod {
    directory: tempfile::TempDir,
    places: Places,
}

impl Pod {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("root/releases/0123456789abcdef/var")).unwrap();
        Self {
            directory,
            places: Places::default(),
        }
    }

    // Where the shop writes on a volume of its own.
    fn with_volume() -> Self {
        let mut pod = Self::new();
        pod.places.writable = Some(pod.at("writable"));
        pod.places.storage = Some(pod.at("storage"));
        pod
    }

    fn at(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn tree(&self) -> PathBuf {
        self.at("root/releases").join(SHORT)
    }

    fn ship(&self, path: &str, text: &str) {
        let file = self.tree().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn make(&self, manifest: &Manifest) -> Result<(), DirectoryError> {
        self.make_with(manifest, &Filled::default(), false)
    }

    fn make_with(
        &self,
        manifest: &Manifest,
        filled: &Filled,
        again: bool,
    ) -> Result<(), DirectoryError> {
        let (root, tree) = (self.at("root"), self.tree());
        Making {
            root: &root,
            tree: &tree,
            short: SHORT,
            manifest,
            places: &self.places,
            filled,
            again,
        }
        .make()
    }
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

#[test]
fn each_kind_is_made() {
    let pod = Pod::new();
    pod.make(&manifest(
        &["media", "var/import"],
        &[("var/cache", false), ("var/session", true), ("log", true)],
    ))
    .unwrap();
    let mode = |path: &str| mode(&pod.tree().join(path));
    assert_eq!((mode("media"), mode("var/import")), (0o755, 0o755));
    assert_eq!(
        (mode("var/cache"), mode("var/session"), mode("log")),
        (0o2775, 0o2775, 0o2775)
    );
    for path in ["var/session", "log"] {
        assert_eq!(
            pod.tree().join(path).canonicalize().unwrap(),
            pod.at("root/kept").join(path).canonicalize().unwrap()
        );
    }
}

#[test]
fn a_modules_file_in_the_way_is_a_duplicate() {
    for mut pod in [Pod::new(), Pod::with_volume()] {
        pod.places.storage = None;
        fs::write(pod.tree().join("media"), "").unwrap();
        fs::write(pod.tree().join("var/session"), "").unwrap();
        let cases = [
            manifest(&["media"], &[]),
            manifest(&["media/catalog"], &[]),
            manifest(&[], &[("var/session", true)]),
            manifest(&[], &[("media", false)]),
            manifest(&[], &[("media/catalog", false)]),
        ];
        for case in cases {
            assert!(
                matches!(pod.make(&case), Err(DirectoryError::Occupied(_))),
                "{case:?}"
            );
        }
        assert!(matches!(
            pod.make(&manifest(&[], &[("var", true)])),
            Err(DirectoryError::KeptHasFiles(_))
        ));
    }
}

#[test]
fn storage_is_linked_and_what_a_module_ships_for_it_is_set_aside() {
    let mut pod = Pod::new();
    pod.places.storage = Some(pod.at("storage"));
    pod.ship("media/.htaccess", "deny");
    pod.make(&manifest(&["media", "var/import"], &[])).unwrap();
    let (tree, storage) = (pod.tree(), pod.at("storage"));
    assert_eq!(
        fs::read_link(tree.join("media")).unwrap(),
        storage.join("media")
    );
    assert_eq!(
        fs::read_link(tree.join("var/import")).unwrap(),
        storage.join("var/import")
    );
    assert_eq!(
        fs::read_to_string(tree.join(".media.shipped/.htaccess")).unwrap(),
        "deny"
    );
}

#[test]
fn an_empty_directory_of_a_module_becomes_the_kept_one() {
    let pod = Pod::new();
    pod.make(&manifest(&[], &[("var", true)])).unwrap();
    assert!(pod.tree().join("var").is_symlink());
}

#[test]
fn no_link_is_followed_out_of_the_tree() {
    let pod = Pod::new();
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), pod.tree().join("out")).unwrap();
    assert!(matches!(
        pod.make(&manifest(&["out/media"], &[])),
        Err(DirectoryError::Occupied(_))
    ));
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

// Everything in a directory with its times: whoever only touches it leaves a trace.
fn seen(directory: &Path) -> std::collections::BTreeMap<PathBuf, (u32, i64, i64, i64)> {
    let (mut seen, mut open) = (
        std::collections::BTreeMap::new(),
        vec![directory.to_owned()],
    );
    while let Some(at) = open.pop() {
        let stat = at.symlink_metadata().unwrap();
        if stat.is_dir() {
            open.extend(
                fs::read_dir(&at)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
        seen.insert(
            at,
            (stat.mode(), stat.mtime(), stat.ctime(), stat.ctime_nsec()),
        );
    }
    seen
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..proptest::prelude::ProptestConfig::with_cases(300) })]
    // Whatever the description says: here nothing has checked it, and the tree has links of every
    // kind.
    #[test]
    fn nothing_of_the_shops_own_is_touched(
        shared in proptest::collection::vec(proptest::sample::select(PATHS), 0..4),
        writable in proptest::collection::vec((proptest::sample::select(PATHS), proptest::prelude::any::<bool>()), 0..3),
        targets in proptest::collection::vec(proptest::sample::select(PATHS), 0..3),
        shipped in proptest::collection::vec((proptest::sample::select(PATHS), 0..4_u8), 0..5),
        volume in proptest::prelude::any::<bool>(),
    ) {
        let mut pod = Pod::new();
        let storage = pod.at("storage");
        for path in PATHS {
            fs::create_dir_all(storage.join(path)).unwrap();
        }
        fs::write(storage.join("media/photo.jpg"), "precious").unwrap();
        pod.places.storage = Some(storage.clone());
        pod.places.writable = volume.then(|| pod.at("writable"));
        for (path, kind) in shipped {
            let at = pod.tree().join(path);
            let Some(above) = at.parent().filter(|above| fs::create_dir_all(above).is_ok()) else { continue };
            if at.symlink_metadata().is_ok() || !above.canonicalize().unwrap().starts_with(pod.tree().canonicalize().unwrap()) {
                continue;
            }
            match kind {
                0 => fs::create_dir(at).ok(),
                1 => fs::write(at, "x").ok(),
                2 => symlink(storage.join("media"), at).ok(),
                _ => symlink("../../../storage", at).ok(),
            };
        }
        let mut manifest = manifest(&shared, &writable);
        manifest.modules = targets.iter().map(|target| release::Module {
            name: "m".parse().unwrap(),
            version: "1".parse().unwrap(),
            target: Some(target.parse().unwrap()),
            sha256: release::Sha256::digest(b""),
            size: 0,
            chunks: Vec::new(),
            replaced: Vec::new(),
        }).collect();
        let before = seen(&storage);
        // It may well be refused.
        pod.make(&manifest).ok();
        proptest::prop_assert_eq!(before, seen(&storage));
    }
}

const PATHS: &[&str] = &[
    "media",
    "media/z",
    "media/.z.shipped",
    ".media.shipped",
    "var",
    "var/cache",
    "var/cache/z",
    "a/b/c",
];
