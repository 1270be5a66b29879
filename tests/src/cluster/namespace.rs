//! A namespace of one test, which tells what went on in it when the test fails.

use super::{Cluster, eventually};
use serde_json::Value;
use std::{
    io::{self, Write as _},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    thread,
    time::Duration,
};

/// How many lines of each log a failure shows.
const LINES: &str = "20";
/// The API server may be what failed.
const PATIENCE: &str = "--request-timeout=10s";

/// What Pod Security admits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What tenants get.
    Restricted,
    /// Also mounts that reach other containers.
    Privileged,
}

/// A namespace; deleted when this is dropped.
#[derive(Debug)]
pub struct Namespace<'a> {
    cluster: &'a Cluster,
    name: String,
}

impl<'a> Namespace<'a> {
    #[track_caller]
    pub(super) fn create(cluster: &'a Cluster, name: &str, level: Level) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let name = format!(
            "{name}-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Relaxed)
        );
        cluster.ask(&["create", "namespace", &name]);
        let level = match level {
            Level::Restricted => "restricted",
            Level::Privileged => "privileged",
        };
        cluster.ask(&[
            "label",
            "namespace",
            &name,
            &format!("pod-security.kubernetes.io/enforce={level}"),
        ]);
        let namespace = Self { cluster, name };
        // A pod that comes before its service account is refused.
        eventually(
            "the service account of a new namespace",
            Duration::from_secs(30),
            || {
                let account = [
                    "get",
                    "serviceaccount",
                    "default",
                    "--namespace",
                    &namespace.name,
                ];
                (cluster.kubectl(account).run().code() == Some(0)).then_some(())
            },
        );
        namespace
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Creates or changes the objects of a YAML text; kubectl's complaint where the API server
    /// refuses.
    ///
    /// # Errors
    ///
    /// What kubectl wrote to standard error.
    pub fn try_apply(&self, yaml: &str) -> Result<(), String> {
        let outcome = self
            .kubectl(&["apply", "--filename", "-"])
            .input(yaml)
            .run();
        if outcome.code() == Some(0) {
            Ok(())
        } else {
            Err(outcome.stderr)
        }
    }

    /// Creates or changes the objects of a YAML text.
    ///
    /// # Panics
    ///
    /// The API server refuses.
    #[track_caller]
    pub fn apply(&self, yaml: &str) {
        self.try_apply(yaml)
            .unwrap_or_else(|complaint| panic!("{complaint}\n{yaml}"));
    }

    /// Waits until an object has a condition, as `wait --for=CONDITION OBJECT` does.
    ///
    /// # Panics
    ///
    /// It does not have it `within` this time.
    #[track_caller]
    pub fn wait(&self, condition: &str, object: &str, within: Duration) {
        let (condition, timeout) = (
            format!("--for={condition}"),
            format!("--timeout={}s", within.as_secs()),
        );
        self.kubectl(&["wait", &condition, object, &timeout])
            .deadline(within + Duration::from_secs(15))
            .run()
            .expect(0);
    }

    /// What kubectl prints.
    ///
    /// # Panics
    ///
    /// It fails.
    #[track_caller]
    #[allow(clippy::must_use_candidate, reason = "often called for its effect")]
    pub fn ask(&self, arguments: &[&str]) -> String {
        self.kubectl(arguments).run().expect(0).stdout
    }

    /// Objects as the API has them: `get ARGUMENTS -o json`.
    ///
    /// # Panics
    ///
    /// kubectl fails.
    #[must_use]
    #[track_caller]
    pub fn get(&self, arguments: &[&str]) -> Value {
        let text = self.ask(&[&["get", "--output", "json"], arguments].concat());
        serde_json::from_str(&text).expect("kubectl writes JSON")
    }

    /// The address of a pod.
    ///
    /// # Panics
    ///
    /// It has none yet.
    #[must_use]
    #[track_caller]
    pub fn address(&self, pod: &str) -> String {
        let pod = self.get(&["pod", pod]);
        pod["status"]["podIP"]
            .as_str()
            .unwrap_or_else(|| panic!("no address yet: {pod:#}"))
            .to_owned()
    }

    /// kubectl in this namespace, not started yet.
    #[must_use]
    pub fn kubectl(&self, arguments: &[&str]) -> crate::process::Program {
        self.cluster.kubectl(
            ["--namespace", &self.name]
                .into_iter()
                .chain(arguments.iter().copied()),
        )
    }

    /// Pods, events and the last lines of all logs.
    fn tell(&self) -> String {
        let pods = self
            .kubectl(&["get", "pods", "--output", "name", PATIENCE])
            .run()
            .stdout;
        let mut questions = vec![
            vec!["get", "pods", "--output", "wide"],
            vec!["get", "events", "--sort-by=.lastTimestamp"],
        ];
        questions.extend(
            pods.lines()
                .map(|pod| vec!["logs", pod, "--all-containers", "--prefix", "--tail", LINES]),
        );
        let answers = questions.iter().map(|question| {
            let outcome = self.kubectl(question).arg(PATIENCE).run();
            format!(
                "--- kubectl {}\n{}{}",
                question.join(" "),
                outcome.stdout,
                outcome.stderr
            )
        });
        let answers: String = answers.collect();
        let components = self.cluster.script(["logs", LINES]).run().stdout;
        format!("--- what happened in {}\n{answers}{components}", self.name)
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            // Nothing is left to tell of a closed standard error.
            io::stderr()
                .write_all(self.tell().as_bytes())
                .unwrap_or_default();
        }
        drop(
            self.kubectl(&["delete", "namespace", &self.name, "--wait=false", PATIENCE])
                .run(),
        );
    }
}
