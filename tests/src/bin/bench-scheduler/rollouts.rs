//! Rollouts of a fleet: one that stops by itself, and one that goes through.

use super::{BAD, BROKEN, Bench};
use e2e::{
    cluster::eventually,
    figures::{count, time},
    fleet::{
        large::{self, LONG},
        release,
    },
};
use serde_json::{Value, json};
use std::time::Instant;

impl Bench {
    pub(super) fn rollout(&self, name: &str, sequence: u64) -> Instant {
        let rollout = json!({
            "apiVersion": "longshore.dev/v1alpha1", "kind": "Rollout", "metadata": { "name": name },
            "spec": {
                "release": format!("shops-acme-{sequence}"), "atOnce": 100,
                "waves": [{ "percent": 20, "soak": "5s" }, { "percent": 100, "soak": "5s" }],
            },
        });
        large::apply(&self.cluster, &release(sequence, "none"));
        large::apply(&self.cluster, &rollout.to_string());
        Instant::now()
    }

    /// Waits until a rollout is in this phase, and gives its status.
    pub(super) fn reaches(&self, name: &str, phase: &str) -> Value {
        eventually(&format!("rollout {name} {phase}"), LONG, || {
            let status = self.cluster.get(&["rollout", name])["status"].clone();
            (status["phase"] == phase).then_some(status)
        })
    }

    /// A release with which one shop in fifty does not work: it stops by itself, and who had it
    /// goes back.
    pub(super) fn broken(&mut self, shops: usize) {
        let begin = self.rollout("broken", BROKEN);
        let status = self.reaches("broken", "Stopped");
        let counts = &status["counts"];
        // Whom an earlier wave moved, and watched, keeps it; of the wave that failed, and of those
        // that do not work with it, nobody does.
        let kept = self.cluster.ask(&[
            "get",
            "shops",
            "--output",
            r#"jsonpath={range .items[*]}{.metadata.name}{" "}{.status.release.sequence}{"\n"}{end}"#,
        ]);
        let kept: Vec<_> = kept
            .lines()
            .filter_map(|line| line.strip_suffix(&format!(" {BROKEN}")))
            .collect();
        assert!(
            !kept
                .iter()
                .any(|shop| rejects(&format!("shop-{shop}"), BROKEN)),
            "shops are left with a release that fails: {counts}"
        );
        assert_eq!(Some(kept.len() as u64), counts["done"].as_u64(), "{counts}");
        let figure = format!(
            "stopped and back after {}: {} of {} shops failed, of {} that do not work with it",
            time(begin.elapsed()),
            counts["failed"],
            count(shops as u64),
            shops.div_ceil(BAD)
        );
        self.tell(
            "a rollout of a release with which 2 % of the shops do not work",
            figure,
        );
    }
}

/// Whether the shop of this namespace does not work with this release.
pub(super) fn rejects(namespace: &str, sequence: u64) -> bool {
    let index: Option<usize> = namespace
        .strip_prefix("shop-s")
        .and_then(|index| index.parse().ok());
    sequence == BROKEN && index.is_some_and(|index| index % BAD == 0)
}
