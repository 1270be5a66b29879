//! What goes on in a namespace, for who reads of a failure.

use super::{Platform, SYSTEM};
use crate::process::Program;
use std::{fs, io, path::PathBuf};

impl Platform<'_> {
    /// What goes on in a namespace, for who reads of a failure.
    #[must_use]
    pub fn tell(&self, namespace: &str) -> String {
        let all = ["--namespace", namespace];
        let ask = |words: &[&str]| {
            let outcome = self.cluster.kubectl(all.iter().chain(words).copied()).run();
            format!(
                "--- kubectl {}\n{}{}",
                words.join(" "),
                outcome.stdout,
                outcome.stderr
            )
        };
        let pods = self
            .cluster
            .kubectl(
                all.iter()
                    .chain(&["get", "pods", "--output", "name"])
                    .copied(),
            )
            .run()
            .stdout;
        let logs = pods.lines().map(|pod| {
            ask(&[
                "logs",
                pod,
                "--all-containers",
                "--prefix",
                "--tail",
                "15",
                "--ignore-errors",
            ])
        });
        let events = ask(&["get", "events", "--sort-by=.lastTimestamp"]);
        let events: Vec<_> = events.lines().rev().take(40).collect();
        let events: Vec<_> = events.into_iter().rev().collect();
        let scheduler = self
            .cluster
            .kubectl([
                "--namespace",
                SYSTEM,
                "logs",
                "deployment/longshore-scheduler",
                "--tail",
                "20",
            ])
            .run()
            .stdout;
        let components = self.cluster.script(["logs", "10"]).run().stdout;
        let rest =
            format!("\n--- scheduler\n{scheduler}\n--- components of the cluster\n{components}");
        [
            ask(&["get", "pods", "--output", "wide"]),
            events.join("\n"),
            logs.collect(),
            rest,
        ]
        .concat()
    }

    /// Copies the logs of a namespace's pods, also of those that are gone, to where the next start
    /// of a cluster leaves them.
    ///
    /// # Errors
    ///
    /// The disk refuses.
    pub fn keep_logs(&self, namespace: &str) -> io::Result<PathBuf> {
        let (logs, kept) = (
            self.cluster.directory().join("logs"),
            self.cluster.directory().join("failed").join(namespace),
        );
        if kept.exists() {
            fs::remove_dir_all(&kept)?;
        }
        fs::create_dir_all(&kept)?;
        for node in fs::read_dir(logs)? {
            let node = node?;
            if !node.file_name().to_string_lossy().ends_with("-pods") {
                continue;
            }
            for pod in fs::read_dir(node.path())? {
                // The kubelet's directories are NAMESPACE_POD_UID.
                let pod = pod?;
                if pod
                    .file_name()
                    .to_string_lossy()
                    .starts_with(&format!("{namespace}_"))
                {
                    let copied = Program::new("cp")
                        .args(["--recursive", "--no-target-directory"])
                        .arg(pod.path())
                        .arg(kept.join(pod.file_name()))
                        .run();
                    if copied.code() != Some(0) {
                        return Err(io::Error::other(copied.stderr));
                    }
                }
            }
        }
        Ok(kept)
    }
}
