//! Odd descriptions of releases, and their sources on the disk.

use crate::spec::{ModuleSpec, Spec};
use proptest::prelude::*;
use release::{RelativePath, Writable};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::symlink,
    path::Path,
};

#[derive(Debug, Clone)]
pub(super) enum Made {
    Directory,
    File,
    Link(String),
}

/// A module's target and entries.
type Brought = (&'static str, Vec<(String, Made)>);

/// Modules with their targets and entries, whether the second overrides the first; shared and
/// writable directories.
#[derive(Debug, Clone)]
pub(super) struct Description {
    pub(super) modules: Vec<Brought>,
    pub(super) overrides: bool,
    pub(super) shared: BTreeSet<&'static str>,
    pub(super) writable: BTreeMap<&'static str, bool>,
}

const PATHS: &[&str] = &[
    "a",
    "b",
    "a/b",
    "media",
    "media/x",
    ".media.shipped",
    "var",
    "var/cache",
    "var/export",
    "var/cache/y",
    "lib",
    "lib/a",
];

const ASKED: &[&str] = &[
    "media",
    "var",
    "var/cache",
    "var/export",
    "a",
    "a/b",
    "lib",
    ".media.shipped",
    "lib/.a.shipped",
    "lib/a",
];

const TARGETS: &[&str] = &[
    "",
    "",
    "",
    "a",
    "lib",
    "lib/a",
    "media",
    "media/z",
    "var/cache/z",
    "var",
];

fn made() -> impl Strategy<Value = Made> {
    let target = prop::sample::select(vec![
        "a",
        "b",
        "a/b",
        "b/../a",
        "media/x",
        "media/../b",
        "media/x/../y",
        "var/cache/../y",
        "var/export/../../a",
        "lib/a",
        "x",
        "../lib",
        "../media/x",
    ]);
    let target = target.prop_map(str::to_owned);
    prop_oneof![3 => Just(Made::File), 2 => Just(Made::Directory), 3 => target.prop_map(Made::Link)]
}

pub(super) fn descriptions() -> impl Strategy<Value = Description> {
    let entry = (prop::sample::select(PATHS).prop_map(str::to_owned), made());
    let module = (
        prop::sample::select(TARGETS),
        prop::collection::vec(entry, 0..4),
    );
    let shared = prop::collection::btree_set(prop::sample::select(ASKED), 0..3);
    let writable = prop::collection::btree_map(prop::sample::select(ASKED), any::<bool>(), 0..2);
    (
        prop::collection::vec(module, 1..4),
        any::<bool>(),
        shared,
        writable,
    )
        .prop_map(|(modules, overrides, shared, writable)| Description {
            modules,
            overrides,
            shared,
            writable,
        })
}

fn path(text: &str) -> RelativePath {
    text.parse().unwrap()
}

fn name(module: usize) -> String {
    format!("m{module}")
}

impl Description {
    /// Makes the sources below `scratch`, without what the modules themselves have no room for.
    pub(super) fn spec(&self, scratch: &Path) -> Spec {
        let module = |(number, (target, entries)): (usize, &Brought)| {
            let source = scratch.join(name(number));
            fs::create_dir(&source).unwrap();
            for (at, made) in entries {
                let at = source.join(at);
                if at.symlink_metadata().is_ok()
                    || fs::create_dir_all(at.parent().unwrap()).is_err()
                {
                    continue;
                }
                // Not through a link of the module itself.
                if at.parent().unwrap().canonicalize().ok().as_deref() != at.parent() {
                    continue;
                }
                match made {
                    Made::Directory => fs::create_dir(at).unwrap(),
                    Made::File => fs::write(&at, at.as_os_str().as_encoded_bytes()).unwrap(),
                    Made::Link(target) => symlink(target, at).unwrap(),
                }
            }
            ModuleSpec {
                name: name(number).parse().unwrap(),
                version: "1".parse().unwrap(),
                source,
                target: (!target.is_empty()).then(|| path(target)),
                exclude: Vec::new(),
                overrides: if self.overrides && number == 1 {
                    [name(0).parse().unwrap()].into()
                } else {
                    BTreeSet::new()
                },
            }
        };
        Spec {
            channel: "shops/acme".parse().unwrap(),
            shared: self.shared.iter().map(|it| path(it)).collect(),
            writable: self
                .writable
                .iter()
                .map(|(it, keep)| Writable {
                    path: path(it),
                    keep: *keep,
                })
                .collect(),
            migration: release::Migration::None,
            case_sensitive: false,
            php: None,
            expires_after: None,
            modules: self.modules.iter().enumerate().map(module).collect(),
        }
    }
}
