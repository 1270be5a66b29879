//! Publishers and pods decide alike: whatever a description says, publish refuses it exactly when
//! pods would, and for the same reason.
//!
//! The pod's half knows nothing of the publisher's decision: here its manifest is made by a dozen
//! lines of their own.

#![allow(
    clippy::disallowed_methods,
    reason = "a test prepares what is on the disk"
)]

mod description;
mod pod;

use super::*;
use crate::Output;
use deploy::Places;
use description::{Description, Made, descriptions};
use pod::{Pod, unchecked};
use proptest::prelude::*;
use release::Reason;
use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt as _};

/// Packs without a cache, for other tests.
pub(crate) fn packed(spec: &Spec, directory: &Path) -> Package {
    pack(
        spec,
        directory,
        &Packing {
            level: 1,
            cache: None,
            keys: Vec::new(),
        },
        &Progress::new(Output::Json),
    )
    .unwrap()
}

/// Everything in a directory, with its times: whoever only touches it leaves a trace.
fn seen(directory: &Path) -> BTreeMap<PathBuf, (u32, i64, i64, i64)> {
    let mut seen = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
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

fn agree(description: &Description, pod: &Pod) -> Result<Option<Reason>, TestCaseError> {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().canonicalize().unwrap().join(name);
    let storage = at("storage");
    for directory in [
        "store",
        "storage/media/x",
        "storage/media/z",
        "storage/var/cache/z",
        "storage/lib/a",
        "storage/a/b",
    ] {
        fs::create_dir_all(at(directory)).unwrap();
    }
    fs::write(storage.join("media/photo.jpg"), "precious").unwrap();
    let spec = description.spec(&at(""));
    // What a module by itself must not hold is not ours to compare.
    let Ok(sources) = spec.modules.iter().map(scan).collect::<Result<Vec<_>, _>>() else {
        return Ok(None);
    };
    let published = content(&spec)
        .map(drop)
        .map_err(|error| (error.reason(), error.to_string()));
    let before = seen(&storage);
    let manifest = unchecked(&spec, &sources, &at("store"));
    let places = Places {
        storage: Some(storage.clone()),
        writable: Some(at("writable")),
        configuration: None,
    };
    for places in [Places::default(), places] {
        let started = pod.start(&at(""), &manifest, places).map_err(|error| {
            let reason = if error.reason() == Reason::Manifest {
                Reason::Config
            } else {
                error.reason()
            };
            (
                reason,
                format!(
                    "{error}: {}",
                    std::error::Error::source(&error)
                        .map(ToString::to_string)
                        .unwrap_or_default()
                ),
            )
        });
        let reason = |verdict: &Result<(), (Reason, String)>| {
            verdict.as_ref().err().map(|(reason, _)| *reason)
        };
        prop_assert_eq!(
            reason(&published),
            reason(&started),
            "publish: {:?}\na pod: {:?}",
            published,
            started
        );
    }
    prop_assert_eq!(
        before,
        seen(&storage),
        "the shop's own directories were touched"
    );
    Ok(published.err().map(|(reason, _)| reason))
}

#[test]
fn publish_refuses_exactly_what_a_pod_would() {
    let pod = Pod::new();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(120)
    });
    let reasons = std::cell::RefCell::new(BTreeMap::new());
    let done = runner.run(&descriptions(), |description| {
        let reason = agree(&description, &pod)?;
        *reasons.borrow_mut().entry(reason).or_insert(0) += 1;
        Ok(())
    });
    done.unwrap();
    // The descriptions are odd enough, and not all of them are refused.
    let reasons = reasons.into_inner();
    for reason in [None, Some(Reason::Duplicate), Some(Reason::Config)] {
        assert!(
            reasons.contains_key(&reason),
            "{reason:?} is not among {reasons:?}"
        );
    }
}

/// Modules with their entries, where `/` ends a directory's path and `->` leads to a link's target;
/// shared, writable and kept directories.
type Row = (
    &'static [(&'static str, &'static [&'static str])],
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
    Option<Reason>,
);

const ROWS: &[Row] = &[
    (
        &[("", &["app/etc/local.xml"])],
        &["app/etc/local.xml"],
        &[],
        &[],
        Some(Reason::Duplicate),
    ),
    (
        &[("", &["real/", "media -> real"])],
        &["media"],
        &[],
        &[],
        Some(Reason::Duplicate),
    ),
    (
        &[("", &["public/index.php", "pub -> public"])],
        &["pub/media"],
        &[],
        &[],
        Some(Reason::Duplicate),
    ),
    (
        &[("", &["tmp/", "var -> tmp"])],
        &[],
        &["var/cache"],
        &[],
        Some(Reason::Duplicate),
    ),
    (
        &[("", &["var/session"])],
        &[],
        &[],
        &["var/session"],
        Some(Reason::Duplicate),
    ),
    (
        &[("", &["var/session/.htaccess"])],
        &[],
        &[],
        &["var/session"],
        Some(Reason::Duplicate),
    ),
    (&[("", &["var/session/"])], &[], &[], &["var/session"], None),
    (
        &[("", &["media/.htaccess", ".media.shipped/x"])],
        &["media"],
        &[],
        &[],
        Some(Reason::Duplicate),
    ),
    (
        &[("", &["media/.htaccess"])],
        &["media", ".media.shipped"],
        &[],
        &[],
        Some(Reason::Config),
    ),
    (&[("", &["media/.htaccess"])], &["media"], &[], &[], None),
    (
        &[("", &["x -> y"]), ("", &["y -> x"])],
        &[],
        &[],
        &[],
        Some(Reason::LinkEscape),
    ),
    (
        &[
            ("", &["sub/x -> p/q/../../../y"]),
            ("", &["sub/p/q -> ../.."]),
        ],
        &[],
        &[],
        &[],
        Some(Reason::LinkEscape),
    ),
    (
        &[("", &["up -> media/../secret"])],
        &["media"],
        &[],
        &[],
        Some(Reason::LinkEscape),
    ),
    (
        &[("", &["logo -> media/logo.png"])],
        &["media"],
        &[],
        &[],
        None,
    ),
    (
        &[("", &["real/", "static -> real"]), ("static", &["f.js"])],
        &[],
        &[],
        &[],
        Some(Reason::PathUnsafe),
    ),
    (
        &[("", &["index.php"]), ("vendor/acme/theme", &[])],
        &[],
        &[],
        &[],
        None,
    ),
    (
        &[("", &["index.php"]), ("media/z", &[])],
        &["media"],
        &[],
        &[],
        None,
    ),
    (
        &[("", &["index.php"]), ("var/cache/z", &[])],
        &[],
        &["var/cache"],
        &[],
        None,
    ),
    (
        &[("", &["index.php"]), ("var/session/z", &[])],
        &[],
        &[],
        &["var/session"],
        Some(Reason::Duplicate),
    ),
    (
        &[("", &["vendor"]), ("vendor/acme", &[])],
        &[],
        &[],
        &[],
        Some(Reason::Duplicate),
    ),
];

#[test]
fn what_new_pods_once_could_not_take() {
    let chain: &'static [&'static str] = Box::leak(
        (0..41)
            .map(|at| &*format!("l{at} -> l{}", at + 1).leak())
            .collect(),
    );
    let chains: [Row; 2] = [
        // One link more than Linux follows, half of them in each module.
        (
            Box::leak(Box::new([("", &chain[..20]), ("", &chain[20..])])),
            &[],
            &[],
            &[],
            Some(Reason::LinkEscape),
        ),
        (
            Box::leak(Box::new([("", &chain[..20]), ("", &chain[20..40])])),
            &[],
            &[],
            &[],
            None,
        ),
    ];
    let pod = Pod::new();
    for (modules, shared, writable, kept, expected) in ROWS.iter().chain(&chains) {
        let entry = |text: &&str| match (text.split_once(" -> "), text.strip_suffix('/')) {
            (Some((at, target)), _) => (at.to_owned(), Made::Link(target.to_owned())),
            (None, Some(directory)) => (directory.to_owned(), Made::Directory),
            (None, None) => ((*text).to_owned(), Made::File),
        };
        let description = Description {
            modules: modules
                .iter()
                .map(|(target, entries)| (*target, entries.iter().map(entry).collect()))
                .collect(),
            overrides: false,
            shared: shared.iter().copied().collect(),
            writable: writable
                .iter()
                .map(|it| (*it, false))
                .chain(kept.iter().map(|it| (*it, true)))
                .collect(),
        };
        assert_eq!(
            agree(&description, &pod).unwrap(),
            *expected,
            "{description:?}"
        );
    }
}
