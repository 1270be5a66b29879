//! The whole platform on the test cluster, as `make cluster` shows it and `make test-cluster` tests
//! it: MinIO as the store, the scheduler in the cluster from its image and with its rights, one
//! class, and tenants whose releases `longshore publish` makes.
//!
//! ```text
//!  $CLUSTER_DIR/platform/   keys, trust root, and the sources of each tenant: what CI has
//!  $CLUSTER_DIR/shared/     stands in for a file server: a directory that all nodes see
//!  namespace minio          the store, at one address of the service network, as pods have no DNS
//!  namespace longshore-system, shop-<name>   what is installed, and what the scheduler makes
//! ```

#![allow(
    clippy::disallowed_methods,
    reason = "the harness makes its files itself, and has no failpoints"
)]

pub mod boot;
mod class;
pub mod console;
pub mod edge;
mod evidence;
mod minio;
pub mod picture;
pub mod server;
pub mod stack;
mod tenant;
pub mod told;

pub use self::{
    class::Class,
    minio::{Minio, Use},
    tenant::{Pod, Tenant},
};

use crate::{
    chart,
    cluster::{Cluster, built, eventually},
    process::{Outcome, Program},
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

/// How long a part of the platform may take to be there.
const START: Duration = Duration::from_mins(3);
/// Where the scheduler and what is its own are.
pub const SYSTEM: &str = "longshore-system";
/// Where builds are.
pub const BUILDS: &str = "longshore-builds";
/// The bucket of releases, and that of backups.
pub const RELEASES: &str = "releases";
/// To which the pods may add, and from which they can neither read nor delete.
pub const BACKUPS: &str = "backups";

/// What was installed once in this run stays.
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// The platform that is installed in a cluster.
#[derive(Debug)]
pub struct Platform<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// The store.
    pub store: Minio<'a>,
    directory: PathBuf,
    shared: PathBuf,
}

impl<'a> Platform<'a> {
    /// Installs it, and returns when the scheduler is ready. What is there already stays.
    ///
    /// # Panics
    ///
    /// Something is not built (`make images`), or does not start in time.
    #[must_use]
    #[track_caller]
    pub fn install(cluster: &'a Cluster) -> Self {
        let directory = cluster.directory().join("platform");
        let shared = cluster.directory().join("shared");
        if !INSTALLED.load(Relaxed) && !Minio::attach(cluster, &directory).answers() {
            // Of a cluster that was here before, whose store and shops are gone.
            for left in [&directory, &shared] {
                fs::remove_dir_all(left)
                    .or_else(|error| if left.exists() { Err(error) } else { Ok(()) })
                    .expect("the cluster's directory is writable");
            }
        }
        fs::create_dir_all(&directory).expect("the cluster's directory is writable");
        fs::create_dir_all(&shared).expect("the cluster's directory is writable");
        if INSTALLED.load(Relaxed) {
            return Self::attach(cluster);
        }
        let store = Minio::start(cluster, &directory);
        let platform = Self {
            cluster,
            store,
            directory,
            shared,
        };
        if !platform.path("1.root.json").is_file() {
            platform.longshore(["key", "generate", "ci"]).expect(0);
            platform
                .longshore([
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
        }
        chart::install(cluster, &platform.values());
        platform.rolled_out(SYSTEM, "deployment/longshore-scheduler");
        INSTALLED.store(true, Relaxed);
        platform
    }

    /// The one that is installed, as it is.
    #[must_use]
    pub fn attach(cluster: &'a Cluster) -> Self {
        let directory = cluster.directory().join("platform");
        Self {
            cluster,
            store: Minio::attach(cluster, &directory),
            directory,
            shared: cluster.directory().join("shared"),
        }
    }

    /// What the chart is told on this cluster.
    ///
    /// # Panics
    ///
    /// The scheduler's image is not built.
    #[must_use]
    #[track_caller]
    pub fn values(&self) -> Value {
        let image = built(self.cluster, "longshore-scheduler");
        let (repository, digest) = image.by_digest();
        json!({
            "scheduler": {
                "image": { "repository": repository, "digest": digest },
                // Ten minutes, in which a Shop that was deleted by mistake may come back, are
                // longer than tests wait.
                "arguments": ["--delete-after=5", "--delete-at-most=20"],
            },
            // The image of pods that keep room is in no registry here.
            "headroom": { "enabled": false },
        })
    }

    /// A path in CI's directory.
    #[must_use]
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.join(name)
    }

    /// Whether its store answers: from then on its directory stays.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        self.store.answers()
    }

    /// The directory that stands in for a file server.
    #[must_use]
    pub fn shared(&self) -> &Path {
        &self.shared
    }

    /// `longshore` as CI runs it, with the right to publish, not started yet.
    pub fn ci<'b>(&self, arguments: impl IntoIterator<Item = &'b str>) -> Program {
        Program::ours("longshore")
            .args(arguments)
            .directory(&self.directory)
            .envs(self.store.ci())
            .deadline(START)
    }

    /// Runs `longshore` as CI does.
    #[track_caller]
    pub fn longshore<'b>(&self, arguments: impl IntoIterator<Item = &'b str>) -> Outcome {
        self.ci(arguments).run()
    }

    /// `longshore` as an operator runs it, not started yet.
    #[must_use]
    pub fn operator<'b>(&self, arguments: impl IntoIterator<Item = &'b str>) -> Program {
        let binary = crate::process::binary("longshore");
        self.cluster
            .program(&binary.display().to_string())
            .args(arguments)
            .deadline(START)
    }

    /// Creates or changes objects.
    ///
    /// # Panics
    ///
    /// The API server refuses.
    #[track_caller]
    pub fn apply(&self, text: &str) {
        let arguments = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "--filename",
            "-",
        ];
        self.cluster.kubectl(arguments).input(text).run().expect(0);
    }

    /// Waits until a Deployment has all of its pods, of its newest template.
    ///
    /// # Panics
    ///
    /// It does not in time; what its pods say is told.
    #[track_caller]
    pub fn rolled_out(&self, namespace: &str, what: &str) {
        let timeout = format!("--timeout={}s", START.as_secs());
        let words = [
            "--namespace",
            namespace,
            "rollout",
            "status",
            what,
            &timeout,
        ];
        let outcome = self
            .cluster
            .kubectl(words)
            .deadline(START + Duration::from_secs(10))
            .run();
        assert!(
            outcome.code() == Some(0),
            "{outcome:#?}\n{}",
            self.tell(namespace)
        );
    }

    /// A class, which exists when this returns, and whose images are on the nodes. Gives it.
    ///
    /// # Panics
    ///
    /// An image is not built, or the API server refuses the class.
    #[track_caller]
    #[allow(clippy::must_use_candidate, reason = "often called for its effect")]
    pub fn class(&self, class: &Class) -> Value {
        let trust = fs::read_to_string(self.path("1.root.json")).expect("the trust root was made");
        let (longshore, shop) = (
            built(self.cluster, class.longshore),
            built(self.cluster, class.shop),
        );
        let object = class.object(&trust, &longshore, &shop, &self.shared);
        self.apply(&object.to_string());
        object
    }

    /// Puts into the namespace of builds what they sign with, and what the store knows them by.
    ///
    /// # Panics
    ///
    /// The API server refuses.
    #[track_caller]
    pub fn builders(&self) {
        let key = fs::read_to_string(self.path("ci.key")).expect("the key was made");
        let (name, secret) = minio::CI;
        let data = json!({ "ci.key": key, "access-key-id": name, "secret-access-key": secret });
        let metadata = json!({ "name": class::BUILD_SECRET, "namespace": BUILDS });
        self.apply(
            &json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data,
            })
            .to_string(),
        );
    }

    /// A tenant of a class, without sources.
    #[must_use]
    pub fn tenant<'b>(&'b self, name: &str) -> Tenant<'b> {
        Tenant::new(self, name)
    }

    /// The status of a Rollout, once `is_so` is true of it.
    ///
    /// # Panics
    ///
    /// It does not become so `within` this time.
    #[track_caller]
    #[allow(clippy::must_use_candidate, reason = "often called to wait")]
    pub fn rollout(&self, name: &str, within: Duration, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let begin = std::time::Instant::now();
        while begin.elapsed() < within {
            last = self.cluster.get(&["rollout", name])["status"].clone();
            if is_so(&last) {
                return last;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        panic!("rollout {name} is not so within {within:?}: {last:#}");
    }

    /// Waits until the store is as it should be again, after a test that stopped it.
    #[track_caller]
    pub fn store_is_back(&self) {
        self.store.resume();
        eventually("the store", START, || self.store.answers().then_some(()));
    }
}

/// The processes of a program in a pod, by the pod's uid, which its cgroup's name has.
#[must_use]
pub fn processes_of(uid: &str, program: &str) -> Vec<i32> {
    let processes = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let read = |process: i32, file: &str| {
        fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default()
    };
    processes
        .filter(|process| read(*process, "cgroup").contains(uid))
        .filter(|process| read(*process, "comm").trim() == program)
        .collect()
}
