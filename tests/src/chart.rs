//! The Helm chart `manifests/chart`, installed as people install it.

use crate::{
    cluster::Cluster,
    peers::required,
    process::{Outcome, Program},
};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// The name of the release, and the namespace that it is in.
const RELEASE: [&str; 3] = ["longshore", "--namespace", "longshore-system"];
/// How long Helm waits for pods, while a dozen others start on two cores.
const WAIT: Duration = Duration::from_mins(4);

/// The chart of this tree.
#[must_use]
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/chart")
}

/// Values of a cluster beside which the scheduler of the test runs: everything but pods.
#[must_use]
pub fn without_pods() -> Value {
    let digest = format!("sha256:{:064x}", 0);
    json!({
        "scheduler": { "replicas": 0, "image": { "digest": digest } },
        "headroom": { "enabled": false },
    })
}

/// What one key of the only ConfigMap, or of the first one, in a template says with these values.
///
/// # Panics
///
/// Helm refuses, or the template has no such key.
#[must_use]
#[track_caller]
pub fn configuration(values: &Value, template: &str, key: &str) -> String {
    let rendered = Program::new(required("helm"))
        .arg("template")
        .args(RELEASE)
        .args(["--values", "-", "--show-only", template])
        .arg(path())
        .input(values.to_string())
        .run()
        .expect(0)
        .stdout;
    let begins = format!("\n  {key}: |\n");
    let (_, text) = rendered.split_once(&begins).expect("the key is there");
    let lines = text
        .lines()
        .map_while(|line| match line.strip_prefix("    ") {
            Some(line) => Some(line),
            None => line.is_empty().then_some(line),
        });
    lines.collect::<Vec<_>>().join("\n")
}

/// Installs the chart of this tree, or upgrades to it.
///
/// # Panics
///
/// Helm refuses, or pods are not ready in time.
#[track_caller]
pub fn install(cluster: &Cluster, values: &Value) {
    upgrade(cluster, &path(), values).run().expect(0);
    // As the chart's notes say: Helm made the namespace, without a label.
    let label = [
        "label",
        "namespace",
        RELEASE[2],
        "pod-security.kubernetes.io/enforce=restricted",
        "--overwrite",
    ];
    cluster.kubectl(label).run().expect(0);
}

/// `helm upgrade --install` of a chart, not started yet.
#[must_use]
pub fn upgrade(cluster: &Cluster, chart: &Path, values: &Value) -> Program {
    let timeout = format!("--timeout={}s", WAIT.as_secs());
    // Tests change objects of the chart by hand, and get them back.
    let more = [
        "--install",
        "--create-namespace",
        "--wait",
        &timeout,
        "--force-conflicts",
        "--values",
        "-",
    ];
    helm(cluster, "upgrade")
        .arg(chart)
        .args(more)
        .input(values.to_string())
}

/// `helm uninstall`.
///
/// # Panics
///
/// Helm fails.
#[track_caller]
#[must_use]
pub fn uninstall(cluster: &Cluster) -> Outcome {
    helm(cluster, "uninstall").args(["--wait"]).run().expect(0)
}

fn helm(cluster: &Cluster, verb: &str) -> Program {
    let helm = cluster.program(&required("helm").display().to_string());
    helm.arg(verb)
        .args(RELEASE)
        .deadline(WAIT + Duration::from_secs(30))
}
