#![allow(
    clippy::disallowed_methods,
    reason = "a test prepares what is on the disk"
)]

mod cached;
mod damage;
mod first;
mod follow;
mod policy;
mod refusals;
mod updates;
mod warm;

use super::*;
use crate::{View, cache, places::Places};
use jiff::Timestamp;
use release::{
    Algorithm, Manifest, Migration, Module, Release, SecretKey, Sequence, Sha256, TrustRoot,
    Verified, Writable, key,
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use store::{Condition, Location, ObjectStore, Options};
use tempfile::TempDir;

// A shop's publisher, its store and one pod.
struct Lab {
    directory: TempDir,
    store: Arc<dyn ObjectStore>,
    key: SecretKey,
    trust: Verified<TrustRoot>,
}

// A module: its target, and its files by path.
type Files = BTreeMap<String, Vec<u8>>;

fn files<const N: usize>(files: [(&str, &str); N]) -> Files {
    files
        .into_iter()
        .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
        .collect()
}

// Enough files for several chunks.
fn many(count: usize, seed: &str) -> Files {
    let line = |number: usize| {
        format!(
            "<?php // {seed} {number} {}\n",
            Sha256::digest(&number.to_be_bytes())
        )
    };
    (0..count)
        .map(|number| {
            (
                format!("lib/{}/{number}.php", number % 17),
                line(number).repeat(200).into_bytes(),
            )
        })
        .collect()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

const NOW: i64 = 1_800_000_000;

impl Lab {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("store")).unwrap();
        let location = Location::Directory(directory.path().join("store"));
        let store = store::open(&location, &Options::default()).await.unwrap();
        let key = SecretKey::generate(Algorithm::Ed25519).unwrap();
        let trust = TrustRoot::from_trusted(&root(1, &key, &[&key])).unwrap();
        Self {
            directory,
            store,
            key,
            trust,
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            channel: "shops/acme".parse().unwrap(),
            root: self.directory.path().join("root"),
            trust: self.trust.clone(),
            source: Source::Channel,
            floor: None,
            trust_floor: 0,
            places: Places::default(),
            cache: None,
            memory: MEMORY,
            deadline: Duration::from_mins(1),
            now: at(NOW),
        }
    }

    async fn pull(&self) -> Result<Pulled, PullError> {
        self.pull_with(|_| ()).await
    }

    async fn pull_with(&self, change: impl FnOnce(&mut Settings)) -> Result<Pulled, PullError> {
        let mut settings = self.settings();
        change(&mut settings);
        pull(
            &settings,
            &self.store,
            &log_progress,
            std::future::pending(),
        )
        .await
    }

    async fn module(&self, name: &str, target: &str, files: &Files) -> (Module, u64, u64) {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let source = self
            .directory
            .path()
            .join(format!("source{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir(&source).unwrap();
        for (path, contents) in files {
            let path = source.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match contents.strip_prefix(b"-> ") {
                Some(link) => {
                    std::os::unix::fs::symlink(std::str::from_utf8(link).unwrap(), path).unwrap();
                }
                None => fs::write(path, contents).unwrap(),
            }
        }
        let mut tarball = Vec::new();
        let packed = tarball::pack(
            &tarball::scan(&source, &[]).unwrap(),
            &mut tarball,
            tarball::PackOptions::default(),
        )
        .unwrap();
        self.store
            .put(
                &key::blob(&packed.sha256),
                tarball.into(),
                Condition::Always,
            )
            .await
            .unwrap();
        let module = Module {
            name: name.parse().unwrap(),
            version: "1".parse().unwrap(),
            target: (!target.is_empty()).then(|| target.parse().unwrap()),
            sha256: packed.sha256,
            size: packed.size,
            chunks: packed.chunks,
            replaced: Vec::new(),
        };
        (module, packed.files, packed.bytes)
    }

    async fn manifest(
        &self,
        modules: &[(&str, &str, Files)],
        writable: &[(&str, bool)],
    ) -> Manifest {
        let (mut list, mut files, mut bytes) = (Vec::new(), 0, 0);
        for (name, target, contents) in modules {
            let (module, some_files, some_bytes) = self.module(name, target, contents).await;
            list.push(module);
            (files, bytes) = (files + some_files, bytes + some_bytes);
        }
        let writable = writable
            .iter()
            .map(|(path, keep)| Writable {
                path: path.parse().unwrap(),
                keep: *keep,
            })
            .collect();
        let shared = vec!["media".parse().unwrap()];
        Manifest {
            schema: 1,
            modules: list,
            files,
            bytes,
            shared,
            writable,
            php: None,
            migration: Migration::None,
            case_sensitive: false,
        }
    }

    // Signs and uploads a release, without making it the one in force.
    async fn sign(
        &self,
        manifest: &Manifest,
        sequence: u64,
        change: impl FnOnce(&mut Release),
    ) -> Vec<u8> {
        let bytes = manifest.to_json();
        let digest = Sha256::digest(&bytes);
        let mut release = Release {
            channel: "shops/acme".parse().unwrap(),
            sequence: sequence.try_into().unwrap(),
            created: at(NOW - 60),
            expires: None,
            root_version: 1,
            migration: Migration::None,
            manifest: digest,
            manifest_size: bytes.len() as u64,
        };
        change(&mut release);
        self.store
            .put(&key::blob(&digest), bytes.into(), Condition::Always)
            .await
            .unwrap();
        let mut envelope = release.to_envelope().unwrap();
        envelope.sign(&self.key).unwrap();
        let object = envelope.to_json();
        let channel = "shops/acme".parse().unwrap();
        self.put(&key::release(&channel, release.sequence), &object)
            .await;
        object
    }

    async fn offer(&self, object: &[u8]) {
        self.put(&key::channel_head(&"shops/acme".parse().unwrap()), object)
            .await;
    }

    async fn put(&self, key: &str, bytes: &[u8]) {
        self.store
            .put(key, bytes.to_vec().into(), Condition::Always)
            .await
            .unwrap();
    }

    async fn publish(&self, sequence: u64, modules: &[(&str, &str, Files)]) -> Manifest {
        let manifest = self.manifest(modules, &[]).await;
        let object = self.sign(&manifest, sequence, |_| ()).await;
        self.offer(&object).await;
        manifest
    }

    fn current(&self) -> PathBuf {
        self.directory.path().join("root/current")
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.current().join(path)).unwrap()
    }

    fn running(&self) -> Option<u64> {
        View::read(&self.directory.path().join("root"))
            .unwrap()
            .running()
            .map(|release| release.sequence.get())
    }

    fn staging(&self) -> usize {
        fs::read_dir(self.directory.path().join("root/staging"))
            .unwrap()
            .count()
    }

    // Every regular file of the active tree with its contents, and every link with its target.
    fn tree(&self) -> Files {
        tree_at(&self.current().canonicalize().unwrap())
    }

    fn blob(&self, digest: &Sha256) -> PathBuf {
        self.directory.path().join("store").join(key::blob(digest))
    }
}

// Every regular file below `top` with its contents, and every link with its target.
fn tree_at(top: &Path) -> Files {
    let (mut found, mut open) = (Files::new(), vec![top.to_owned()]);
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let (kind, path) = entry
                .map(|entry| (entry.file_type().unwrap(), entry.path()))
                .unwrap();
            let name = path.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_symlink() {
                found.insert(
                    name,
                    format!("-> {}", fs::read_link(path).unwrap().display()).into_bytes(),
                );
            } else {
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

fn root(version: u64, key: &SecretKey, signers: &[&SecretKey]) -> Vec<u8> {
    let root = TrustRoot::new(
        version,
        at(NOW + 1_000_000),
        [key.public().clone()].into(),
        1,
    )
    .unwrap();
    let mut envelope = root.to_envelope();
    for signer in signers {
        envelope.sign(signer).unwrap();
    }
    envelope.to_json()
}

fn below(files: &Files, target: &str) -> Files {
    files
        .iter()
        .map(|(path, contents)| (format!("{target}{path}"), contents.clone()))
        .collect()
}

fn overwrite(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}
