//! What is on record of a person's writes: the API server's audit log, and the console's own.

use e2e::cluster::Cluster;
use serde_json::Value;
use std::collections::BTreeSet;

/// What the API server has on record of a person's writes after so many, of tests before.
pub(super) fn audited(cluster: &Cluster, before: usize, person: &str) -> BTreeSet<String> {
    writes(cluster, person).into_iter().skip(before).collect()
}

/// What it has of all, one after the other: resource and name of each.
pub(super) fn writes(cluster: &Cluster, person: &str) -> Vec<String> {
    let line = format!(
        "grep -F '\"username\":\"system:serviceaccount:default:{person}\"' \"$CLUSTER_DIR/logs/audit\" || true"
    );
    let log = cluster.program("sh").args(["-c", &line]).run().expect(0);
    let events = log
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    events.filter_map(|event: Value| written(&event)).collect()
}

/// Resource and name, if the event is of something that was stored.
pub(super) fn written(event: &Value) -> Option<String> {
    let of = &event["objectRef"];
    let resource = of["resource"].as_str().unwrap_or_default();
    let verb = event["verb"].as_str().unwrap_or_default();
    let uri = event["requestURI"].as_str().unwrap_or_default();
    let asks = resource.starts_with("selfsubject");
    let refused = event["responseStatus"]["code"].as_u64().unwrap_or_default() >= 400;
    let writes = matches!(verb, "create" | "patch" | "update" | "delete");
    let name = of["name"].as_str().unwrap_or_default();
    let stored = writes && !uri.contains("dryRun") && !asks && !refused;
    stored.then(|| format!("{resource}/{name}"))
}

/// What the console's own log says of a person's writes.
pub(super) fn logged(log: &str) -> BTreeSet<String> {
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
    let audits = lines.filter(|line: &Value| line["target"] == "audit");
    audits.map(|line| named(&line)).collect()
}

/// What a line of the log is about.
pub(super) fn named(line: &Value) -> String {
    let field = |name: &str| line[name].as_str().map(str::to_owned);
    let message = field("message").unwrap();
    if let Some(job) = field("job") {
        return format!("jobs/{job}");
    }
    match (field("rollout"), field("shop")) {
        (Some(rollout), _) => format!("rollouts/{rollout}"),
        (None, Some(shop)) => format!("shops/{shop}"),
        (None, None) if message.contains("halt") => "configmaps/longshore-halt".to_owned(),
        (None, None) => message,
    }
}
