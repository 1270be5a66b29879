//! Publishers and pods decide alike: whatever a description says, publish refuses it exactly when
//! pods would, and for the same reason.
//!
//! The pod's half knows nothing of the publisher's decision: here its manifest is made by a dozen
//! lines of their own.

#![allow(
    clippy::disallowed_methods,
    reason = "a test prepares what is on the disk"
)]

use super::*;
use crate::spec::ModuleSpec;
use deploy::{
    Places,
    pull::{self, MEMORY, PullError, Settings},
};
use jiff::Timestamp;
use proptest::prelude::*;
use release::{Algorithm, Reason, RelativePath, SecretKey, TrustRoot, Verified, Writable};
use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::{MetadataExt as _, symlink},
    time::Duration,
};
use store::{Condition, Location, ObjectStore, Options};

const NOW: i64 = 1_800_000_000;

#[derive(Debug, Clone)]
enum Made {
    Directory,
    File,
    Link(String),
}

/// A module's target and entries.
type Brought = (&'static str, Vec<(String, Made)>);

/// Modules with their targets and entries, whether the second overrides the first; shared and
/// writable directories.
#[derive(Debug, Clone)]
struct Description {
    modules: Vec<Brought>,
    overrides: bool,
    shared: BTreeSet<&'static str>,
    writable: BTreeMap<&'static str, bool>,
}

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
        &Progress::new(true),
    )
    .unwrap()
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

fn descriptions() -> impl Strategy<Value = Description> {
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
    fn spec(&self, scratch: &Path) -> Spec {
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

/// What an honest publisher that checks nothing would say of the packed `sources`.
fn unchecked(spec: &Spec, sources: &[Source], store: &Path) -> Manifest {
    let full = |module: &ModuleSpec, path: &RelativePath| {
        module
            .target
            .as_ref()
            .map_or(path.clone(), |target| target.join(path).unwrap())
    };
    let owned = |number: usize| -> BTreeMap<RelativePath, &tarball::Entry> {
        let entries = sources[number]
            .entries()
            .iter()
            .filter(|entry| entry.kind != Kind::Directory);
        entries
            .map(|entry| (full(&spec.modules[number], &entry.path), entry))
            .collect()
    };
    let (mut modules, mut files, mut bytes) = (Vec::new(), 0, 0);
    for (number, (module, source)) in spec.modules.iter().zip(sources).enumerate() {
        let beaten = number == 0
            && spec
                .modules
                .get(1)
                .is_some_and(|second| !second.overrides.is_empty());
        let winners = if beaten { owned(1) } else { BTreeMap::new() };
        let lost: BTreeSet<_> = owned(number)
            .into_iter()
            .filter(|(path, _)| winners.contains_key(path))
            .map(|(_, entry)| entry.path.clone())
            .collect();
        let mut tarball = Vec::new();
        let packed = tarball::pack(
            source,
            &mut tarball,
            PackOptions {
                threads: NonZeroUsize::MIN,
                level: 1,
                progress: None,
            },
        )
        .unwrap();
        let blob = store.join(key::blob(&packed.sha256));
        fs::create_dir_all(blob.parent().unwrap()).unwrap();
        fs::write(blob, tarball).unwrap();
        for entry in source
            .entries()
            .iter()
            .filter(|entry| !lost.contains(&entry.path))
        {
            if let Kind::File { size, .. } = entry.kind {
                (files, bytes) = (files + 1, bytes + size);
            }
        }
        modules.push(describe(
            module,
            packed,
            &Share {
                replaced: lost,
                ..Share::default()
            },
        ));
    }
    let Spec {
        shared, writable, ..
    } = spec.clone();
    Manifest {
        schema: 1,
        modules,
        files,
        bytes,
        shared,
        writable,
        php: None,
        migration: spec.migration,
        case_sensitive: false,
    }
}

struct Pod {
    key: SecretKey,
    trust: Verified<TrustRoot>,
    runtime: tokio::runtime::Runtime,
}

impl Pod {
    fn new() -> Self {
        let key = SecretKey::generate(Algorithm::Ed25519).unwrap();
        let root = TrustRoot::new(
            1,
            Timestamp::from_second(NOW + 1_000_000).unwrap(),
            [key.public().clone()].into(),
            1,
        )
        .unwrap();
        let mut envelope = root.to_envelope();
        envelope.sign(&key).unwrap();
        let trust = TrustRoot::from_trusted(&envelope.to_json()).unwrap();
        Self {
            key,
            trust,
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap(),
        }
    }

    fn start(&self, scratch: &Path, manifest: &Manifest, places: Places) -> Result<(), PullError> {
        let bytes = manifest.to_json();
        let release = Release {
            channel: "shops/acme".parse().unwrap(),
            sequence: 1.try_into().unwrap(),
            created: Timestamp::from_second(NOW - 60).unwrap(),
            expires: None,
            root_version: 1,
            migration: manifest.migration,
            manifest: Sha256::of(&bytes),
            manifest_size: bytes.len() as u64,
        };
        let mut envelope = release.to_envelope().unwrap();
        envelope.sign(&self.key).unwrap();
        let root = scratch.join(if places == Places::default() {
            "root"
        } else {
            "root-with-places"
        });
        self.runtime.block_on(async {
            let location = Location::Directory(scratch.join("store"));
            let store: Arc<dyn ObjectStore> =
                store::open(&location, &Options::default()).await.unwrap();
            store
                .put(
                    &key::blob(&release.manifest),
                    bytes.into(),
                    Condition::Always,
                )
                .await
                .unwrap();
            store
                .put(
                    &key::channel_head(&release.channel),
                    envelope.to_json().into(),
                    Condition::Always,
                )
                .await
                .unwrap();
            let settings = Settings {
                channel: release.channel.clone(),
                root,
                trust: self.trust.clone(),
                source: pull::Source::Channel,
                floor: None,
                trust_floor: 0,
                places,
                cache: None,
                memory: MEMORY,
                deadline: Duration::from_mins(1),
                now: Timestamp::from_second(NOW).unwrap(),
            };
            pull::pull(&settings, &store, &|_| (), std::future::pending())
                .await
                .map(drop)
        })
    }
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

#[test]
fn what_new_pods_once_could_not_take() {
    use Reason::{Config, Duplicate, LinkEscape, PathUnsafe};
    let chain: &'static [&'static str] = Box::leak(
        (0..41)
            .map(|at| &*format!("l{at} -> l{}", at + 1).leak())
            .collect(),
    );
    let rows: &[Row] = &[
        (
            &[("", &["app/etc/local.xml"])],
            &["app/etc/local.xml"],
            &[],
            &[],
            Some(Duplicate),
        ),
        (
            &[("", &["real/", "media -> real"])],
            &["media"],
            &[],
            &[],
            Some(Duplicate),
        ),
        (
            &[("", &["public/index.php", "pub -> public"])],
            &["pub/media"],
            &[],
            &[],
            Some(Duplicate),
        ),
        (
            &[("", &["tmp/", "var -> tmp"])],
            &[],
            &["var/cache"],
            &[],
            Some(Duplicate),
        ),
        (
            &[("", &["var/session"])],
            &[],
            &[],
            &["var/session"],
            Some(Duplicate),
        ),
        (
            &[("", &["var/session/.htaccess"])],
            &[],
            &[],
            &["var/session"],
            Some(Duplicate),
        ),
        (&[("", &["var/session/"])], &[], &[], &["var/session"], None),
        (
            &[("", &["media/.htaccess", ".media.shipped/x"])],
            &["media"],
            &[],
            &[],
            Some(Duplicate),
        ),
        (
            &[("", &["media/.htaccess"])],
            &["media", ".media.shipped"],
            &[],
            &[],
            Some(Config),
        ),
        (&[("", &["media/.htaccess"])], &["media"], &[], &[], None),
        (
            &[("", &["x -> y"]), ("", &["y -> x"])],
            &[],
            &[],
            &[],
            Some(LinkEscape),
        ),
        (
            &[
                ("", &["sub/x -> p/q/../../../y"]),
                ("", &["sub/p/q -> ../.."]),
            ],
            &[],
            &[],
            &[],
            Some(LinkEscape),
        ),
        (
            &[("", &["up -> media/../secret"])],
            &["media"],
            &[],
            &[],
            Some(LinkEscape),
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
            Some(PathUnsafe),
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
            Some(Duplicate),
        ),
        (
            &[("", &["vendor"]), ("vendor/acme", &[])],
            &[],
            &[],
            &[],
            Some(Duplicate),
        ),
        // One link more than Linux follows, half of them in each module.
        (
            Box::leak(Box::new([("", &chain[..20]), ("", &chain[20..])])),
            &[],
            &[],
            &[],
            Some(LinkEscape),
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
    for (modules, shared, writable, kept, expected) in rows {
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
