//! A shop in a scratch directory: keys, a trust root, modules and their description, a store, and
//! pods that pull.
//!
//! Everything is done with the real binaries, the way CI and a pod do it.

#![allow(
    clippy::disallowed_methods,
    reason = "the harness makes its trees itself, and has no failpoints"
)]

use crate::{
    peers::Peer,
    process::{Outcome, Program},
    s3::Server,
    tree::{self, Entry, Shape},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// The channel of every test shop.
pub const CHANNEL: &str = "shops/acme";
/// Where a scratch directory is made: tmpfs, if there is one, as a disk that creates files
/// slowly would hide what is tested.
const FAST: &str = "/dev/shm";
/// What must be free there, in bytes: containers often have 64 MiB, and the demo needs 1.5 GiB at
/// its peak.
const FAST_SPACE: u64 = 2 << 30;

/// A shop, and how its store is reached.
#[derive(Debug)]
pub struct Shop {
    scratch: TempDir,
    store: String,
    environment: Vec<(String, String)>,
}

impl Shop {
    /// A shop that has no sources and no keys yet, whose store is `store` under these variables.
    ///
    /// # Panics
    ///
    /// The disk refuses.
    #[must_use]
    pub fn empty(store: String, environment: Vec<(String, String)>) -> Self {
        Self {
            scratch: scratch(),
            store,
            environment,
        }
    }

    /// A shop with `modules` modules of `files` files each, whose store is `store` under these
    /// variables.
    ///
    /// # Panics
    ///
    /// The disk refuses, or `longshore` does.
    #[must_use]
    #[track_caller]
    pub fn new(
        store: String,
        environment: Vec<(String, String)>,
        modules: usize,
        files: usize,
    ) -> Self {
        let shop = Self::empty(store, environment);
        fs::create_dir_all(shop.path("store")).expect("a scratch directory is writable");
        for number in 0..modules {
            let shape = Shape {
                seed: number as u64,
                files,
            };
            tree::generate(&shop.module(number), shape).expect("a scratch directory is writable");
        }
        shop.describe(modules, "");
        shop.longshore(["key", "generate", "ci"]).expect(0);
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
        shop
    }

    /// A shop on our own S3 server.
    #[must_use]
    #[track_caller]
    pub fn on(server: &Server, modules: usize, files: usize) -> Self {
        Self::new(
            server.location("prod"),
            server.environment(),
            modules,
            files,
        )
    }

    /// A shop on another S3 implementation.
    #[must_use]
    #[track_caller]
    pub fn on_peer(peer: &Peer, modules: usize, files: usize) -> Self {
        Self::new(peer.location("prod"), peer.environment(), modules, files)
    }

    /// A shop whose store is a directory.
    #[must_use]
    #[track_caller]
    pub fn on_disk(modules: usize, files: usize) -> Self {
        let mut shop = Self::new(String::new(), Vec::new(), modules, files);
        shop.store = format!("file://{}", shop.path("store").display());
        shop
    }

    /// The store's location.
    #[must_use]
    pub fn store(&self) -> &str {
        &self.store
    }

    /// The variables with which the store is reached.
    #[must_use]
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// A path below the scratch directory.
    #[must_use]
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// The sources of one module.
    #[must_use]
    pub fn module(&self, number: usize) -> PathBuf {
        self.path(format!("src/module{number}"))
    }

    /// Writes `longshore.toml` for so many modules; module 0 lands at the top, the others below
    /// `app/code`. `more` stands before the modules.
    ///
    /// # Panics
    ///
    /// The disk refuses.
    pub fn describe(&self, modules: usize, more: &str) {
        let mut text = format!(
            "channel = \"{CHANNEL}\"\nshared = [\"media\"]\nwritable = [\"var/cache\"]\n{more}\n"
        );
        for number in 0..modules {
            let target = if number == 0 {
                String::new()
            } else {
                format!("app/code/module{number}")
            };
            text += "[[module]]\n";
            text += &[
                ("name", format!("vendor/module{number}")),
                ("version", format!("1.{number}")),
                ("source", format!("src/module{number}")),
                ("target", target),
            ]
            .map(|(key, value)| format!("{key} = \"{value}\"\n"))
            .concat();
        }
        fs::write(self.path("longshore.toml"), text).expect("a scratch directory is writable");
    }

    /// `longshore` with these arguments, in the shop's directory, not started yet.
    #[must_use]
    pub fn longshore_program<A: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Program {
        let variables = [
            ("LONGSHORE_STORE", self.store.as_str()),
            ("LONGSHORE_TRUST", "1.root.json"),
            ("LONGSHORE_CHANNEL", CHANNEL),
        ];
        let variables = variables.into_iter().filter(|(_, value)| !value.is_empty());
        let program = Program::ours("longshore")
            .args(arguments)
            .directory(self.scratch.path());
        program
            .envs(variables)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
    }

    /// Runs `longshore` with these arguments in the shop's directory.
    #[track_caller]
    pub fn longshore<A: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Outcome {
        self.longshore_program(arguments).run()
    }

    /// `longshore publish`, not started yet.
    #[must_use]
    pub fn publisher(&self) -> Program {
        self.longshore_program([
            "publish", "--sign", "ci.key", "--output", "json", "--level", "1",
        ])
    }

    /// Publishes and gives the summary.
    ///
    /// # Panics
    ///
    /// It fails.
    #[allow(
        clippy::must_use_candidate,
        reason = "often called for what it does alone"
    )]
    #[track_caller]
    pub fn publish(&self) -> Value {
        json(&self.publisher().run().expect(0))
    }

    /// Changes about `share` (0 to 1) of one module's files.
    ///
    /// # Panics
    ///
    /// The disk refuses.
    #[allow(
        clippy::must_use_candidate,
        reason = "often called for what it does alone"
    )]
    pub fn edit(&self, module: usize, seed: u64, share: f64) -> Vec<PathBuf> {
        tree::edit(&self.module(module), seed, share).expect("a scratch directory is writable")
    }

    /// The variables of the pod `pod`.
    #[must_use]
    pub fn pod_environment(&self, pod: &str) -> Vec<(String, OsString)> {
        let own: [(&str, OsString); 5] = [
            ("LONGSHORE_STORE", self.store.clone().into()),
            ("LONGSHORE_CHANNEL", CHANNEL.into()),
            ("LONGSHORE_ROOT", self.path(pod).into()),
            ("LONGSHORE_TRUST", self.path("1.root.json").into()),
            ("LONGSHORE_LOG_FORMAT", "json".into()),
        ];
        let store = self
            .environment
            .iter()
            .map(|(name, value)| (name.clone(), value.into()));
        own.into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .chain(store)
            .collect()
    }

    /// `longshore-init` for the pod `pod`, not started yet.
    #[must_use]
    pub fn init(&self, pod: &str) -> Program {
        Program::ours("longshore-init").envs(self.pod_environment(pod))
    }

    /// What the pod's `current` holds.
    ///
    /// # Panics
    ///
    /// There is no `current`.
    #[must_use]
    #[track_caller]
    pub fn current(&self, pod: &str) -> BTreeMap<PathBuf, Entry> {
        let tree = fs::canonicalize(self.path(pod).join("current")).expect("the pod has a release");
        tree::snapshot(&tree).expect("a release can be read")
    }

    /// The pod's `state.json`.
    ///
    /// # Panics
    ///
    /// It is missing or not JSON.
    #[must_use]
    #[track_caller]
    pub fn state(&self, pod: &str) -> Value {
        let bytes = fs::read(self.path(pod).join("state.json")).expect("the pod has a state");
        serde_json::from_slice(&bytes).expect("the state is JSON")
    }
}

/// A scratch directory on tmpfs, if there is one.
///
/// # Panics
///
/// The disk refuses.
#[must_use]
pub fn scratch() -> TempDir {
    let space = rustix::fs::statvfs(FAST).map_or(0, |disk| disk.f_bavail * disk.f_frsize);
    let made = tempfile::Builder::new()
        .prefix("longshore-")
        .tempdir_in(if space >= FAST_SPACE {
            Path::new(FAST).into()
        } else {
            env::temp_dir()
        });
    made.expect("a scratch directory can be made")
}

/// What a program wrote to standard output, which is JSON.
///
/// # Panics
///
/// It is not.
#[must_use]
#[track_caller]
pub fn json(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout)
        .unwrap_or_else(|error| panic!("not JSON ({error}): {outcome:#?}"))
}

/// The last line on standard error as JSON: the figures of an init that went well, or its error.
///
/// # Panics
///
/// It is not JSON.
#[must_use]
#[track_caller]
pub fn last_event(outcome: &Outcome) -> Value {
    let line = outcome.stderr.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|error| panic!("not JSON ({error}): {outcome:#?}"))
}
