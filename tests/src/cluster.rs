//! The real Kubernetes cluster that `make test-cluster` starts, as tests see it from inside.
//!
//! `tests/cluster/cluster run` makes the cluster and runs the test binary beside its API server, in
//! the same network and mount namespaces. Hence a test reaches pods, services and the API by their
//! addresses, and all of it ends with the run. Tests run at the same time, each in
//! [namespaces](Namespace) of its own; one that disturbs what others stand on asks for the cluster
//! [alone](Cluster::alone).

#![allow(
    clippy::disallowed_methods,
    reason = "where the cluster is and where its programs are cached is what `cluster exec` says"
)]

mod component;
mod image;
mod namespace;

pub use self::{
    component::{Component, Writes},
    image::{Image, built, busybox, of_program},
    namespace::{Level, Namespace},
};

use crate::process::{Outcome, Program};
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use serde_json::Value;
use std::{
    env,
    io::{self, Write as _},
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

/// How long a call of kubectl may take, also while two cores start a dozen pods.
const CALL: Duration = Duration::from_mins(1);
/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(200);
/// The address of the API server, of what runs beside it, and of a test's own servers, for pods.
pub const HOST: &str = "10.250.0.1";

/// Tests that disturb nothing share the cluster; one that does has it alone.
static TURN: RwLock<()> = RwLock::new(());

/// The running cluster, for as long as this lives.
#[derive(Debug)]
pub struct Cluster {
    environment: Vec<(&'static str, String)>,
    turn: Turn,
}

#[derive(Debug)]
enum Turn {
    Shared {
        _guard: RwLockReadGuard<'static, ()>,
    },
    Alone {
        _guard: RwLockWriteGuard<'static, ()>,
    },
}

impl Cluster {
    /// The cluster, together with other tests.
    ///
    /// # Panics
    ///
    /// The test does not run inside one.
    #[must_use]
    #[track_caller]
    pub fn shared() -> Self {
        // A test that failed with the cluster alone has put it right again when it gave it back.
        Self::attach(Turn::Shared {
            _guard: TURN.read(),
        })
    }

    /// The cluster, while no other test uses it. All components run again, and its nodes are Ready,
    /// before another one does.
    ///
    /// # Panics
    ///
    /// The test does not run inside one.
    #[must_use]
    #[track_caller]
    pub fn alone() -> Self {
        Self::attach(Turn::Alone {
            _guard: TURN.write(),
        })
    }

    #[track_caller]
    fn attach(turn: Turn) -> Self {
        let wanted = ["CLUSTER_DIR", "KUBECONFIG", "HOME", "XDG_CACHE_HOME"];
        let environment: Vec<_> = wanted
            .into_iter()
            .filter_map(|name| Some((name, env::var(name).ok()?)))
            .collect();
        let inside = environment.iter().any(|(name, _)| *name == "CLUSTER_DIR")
            && PathBuf::from("/run/cluster/identity").is_file();
        assert!(
            inside,
            "this test runs inside a cluster: `make test-cluster` (as root) starts one for it"
        );
        Self { environment, turn }
    }

    /// Where the cluster keeps its state and logs.
    ///
    /// # Panics
    ///
    /// Never: without one, there would be no cluster.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        let found = self
            .environment
            .iter()
            .find(|(name, _)| *name == "CLUSTER_DIR");
        found
            .map(|(_, path)| PathBuf::from(path))
            .expect("CLUSTER_DIR is set inside a cluster")
    }

    /// The process whose network is that of node `number`.
    ///
    /// # Panics
    ///
    /// There is no such node.
    #[must_use]
    #[track_caller]
    pub fn node_process(&self, number: u8) -> u32 {
        let file = format!("/run/cluster/components/n{number}");
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        text.trim()
            .parse()
            .unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    /// A program with the cluster's environment, such as `kubectl`.
    #[must_use]
    pub fn program(&self, name: &str) -> Program {
        Program::new(name)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .deadline(CALL)
    }

    /// kubectl as cluster-admin, not started yet.
    #[must_use]
    pub fn kubectl<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Program {
        self.program("kubectl").args(arguments)
    }

    /// What kubectl prints.
    ///
    /// # Panics
    ///
    /// It fails.
    #[track_caller]
    #[allow(clippy::must_use_candidate, reason = "often called for its effect")]
    pub fn ask(&self, arguments: &[&str]) -> String {
        let words = arguments.iter().copied();
        self.kubectl(words).run().expect(0).stdout
    }

    /// Objects as the API has them: `get ARGUMENTS -o json`.
    ///
    /// # Panics
    ///
    /// kubectl fails.
    #[must_use]
    #[track_caller]
    pub fn get(&self, arguments: &[&str]) -> Value {
        let text = self
            .kubectl(
                ["get", "--output", "json"]
                    .into_iter()
                    .chain(arguments.iter().copied()),
            )
            .run()
            .expect(0)
            .stdout;
        serde_json::from_str(&text).expect("kubectl writes JSON")
    }

    /// The script that made the cluster.
    #[must_use]
    pub fn script<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Program {
        self.program(concat!(env!("CARGO_MANIFEST_DIR"), "/cluster/cluster"))
            .args(arguments)
    }

    /// Runs a program on node `number`, with its network and its disk.
    #[must_use]
    #[track_caller]
    pub fn on_node(&self, number: u8, program: &[&str]) -> Outcome {
        self.script(
            ["node", &number.to_string()]
                .into_iter()
                .chain(program.iter().copied()),
        )
        .run()
    }

    /// A component of the control plane, or of node N as `nN-kubelet`, `nN-containerd`, `nN-proxy`.
    ///
    /// # Panics
    ///
    /// The cluster is not had alone.
    #[must_use]
    #[track_caller]
    pub fn component<'a>(&'a self, name: &'a str) -> Component<'a> {
        assert!(
            matches!(self.turn, Turn::Alone { .. }),
            "who disturbs {name} asks for Cluster::alone()"
        );
        Component::new(self, name)
    }

    /// A namespace of this test, whose name begins with `name`.
    ///
    /// # Panics
    ///
    /// The API server refuses.
    #[must_use]
    #[track_caller]
    pub fn namespace(&self, name: &str, level: Level) -> Namespace<'_> {
        Namespace::create(self, name, level)
    }

    /// Puts right what a test may have left; says what it could not.
    fn restore(&self) -> Result<(), String> {
        let mended = self.script(["mend"]).deadline(CALL * 2).run();
        if mended.code() != Some(0) {
            return Err(mended.stderr);
        }
        let nodes = self
            .kubectl([
                "wait",
                "--for=condition=Ready",
                "nodes",
                "--all",
                "--timeout=50s",
            ])
            .run();
        if nodes.code() == Some(0) {
            Ok(())
        } else {
            Err(nodes.stderr)
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if matches!(self.turn, Turn::Alone { .. })
            && let Err(problem) = self.restore()
        {
            // A second panic would end the run without a word of the first.
            assert!(
                thread::panicking(),
                "the cluster is not as it was: {problem}"
            );
            writeln!(io::stderr(), "the cluster is not as it was: {problem}").unwrap_or_default();
        }
    }
}

/// Looks until there is something, and gives it.
///
/// # Panics
///
/// There is nothing `within` this time.
#[track_caller]
pub fn eventually<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < within, "not within {within:?}: {what}");
        thread::sleep(POLL);
    }
}
