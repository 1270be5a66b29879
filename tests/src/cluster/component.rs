//! One component of the cluster, which a test ends, freezes and starts again.

use super::Cluster;
use crate::process::Outcome;

/// What etcd does with writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// As ever.
    Accepted,
    /// Each is refused, as it is when etcd's disk quota is used up.
    Refused,
}

/// A component, by its name in `cluster status`.
#[derive(Debug, Clone, Copy)]
pub struct Component<'a> {
    cluster: &'a Cluster,
    name: &'a str,
}

impl<'a> Component<'a> {
    pub(super) const fn new(cluster: &'a Cluster, name: &'a str) -> Self {
        Self { cluster, name }
    }

    /// Ends it with SIGTERM, and waits for its end.
    ///
    /// # Panics
    ///
    /// It does not run, or does not end.
    #[track_caller]
    pub fn stop(self) {
        self.call("stop", &[]);
    }

    /// Ends it with SIGKILL.
    ///
    /// # Panics
    ///
    /// It does not run.
    #[track_caller]
    pub fn kill(self) {
        self.call("kill", &[]);
    }

    /// Starts it, with `flags` beside its own, and waits until it answers.
    ///
    /// # Panics
    ///
    /// It runs, or does not start.
    #[track_caller]
    pub fn start(self, flags: &[&str]) {
        self.call("start", flags);
    }

    /// Ends it where it runs, and starts it.
    ///
    /// # Panics
    ///
    /// It does not end, or does not start.
    #[track_caller]
    pub fn restart(self, flags: &[&str]) {
        self.call("restart", flags);
    }

    /// Lets it hold its connections and answer nothing.
    ///
    /// # Panics
    ///
    /// It does not run.
    #[track_caller]
    pub fn freeze(self) {
        self.call("freeze", &[]);
    }

    /// Lets it go on.
    ///
    /// # Panics
    ///
    /// It does not run.
    #[track_caller]
    pub fn thaw(self) {
        self.call("thaw", &[]);
    }

    #[track_caller]
    fn call(self, verb: &str, flags: &[&str]) {
        self.script(&[&[verb, self.name, "--"], flags].concat());
    }

    #[track_caller]
    fn script(self, arguments: &[&str]) -> Outcome {
        self.cluster
            .script(arguments.iter().copied())
            .run()
            .expect(0)
    }
}

impl Cluster {
    /// Lets etcd refuse or accept writes.
    ///
    /// # Panics
    ///
    /// The cluster is not had alone, or etcd does not answer.
    #[track_caller]
    pub fn etcd_writes(&self, writes: Writes) {
        let mode = match writes {
            Writes::Accepted => "read-write",
            Writes::Refused => "read-only",
        };
        self.component("etcd").script(&["etcd", mode]);
    }

    /// Lets etcd forget all versions but the last, so that a watch from an older one is answered
    /// with 410.
    ///
    /// # Panics
    ///
    /// The cluster is not had alone, or etcd does not answer.
    #[track_caller]
    pub fn etcd_compact(&self) {
        self.component("etcd").script(&["etcd", "compact"]);
    }
}
