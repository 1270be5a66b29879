//! What is on record of a person's writes: the API server's audit log, and the console's own.

use e2e::cluster::Cluster;
use serde_json::Value;
use std::collections::BTreeSet;

/// What the API server has on record of a person's writes: verb, resource and name.
pub(super) fn audited(cluster: &Cluster, person: &str) -> BTreeSet<String> {
    let line = format!(
        "grep -F '\"username\":\"system:serviceaccount:default:{person}\"' \"$CLUSTER_DIR/logs/audit\""
    );
    let log = cluster.program("sh").args(["-c", &line]).run().expect(0);
    let mut writes = BTreeSet::new();
    for line in log.stdout.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let of = &event["objectRef"];
        let resource = of["resource"].as_str().unwrap_or_default();
        let verb = event["verb"].as_str().unwrap_or_default();
        let dry = event["requestURI"]
            .as_str()
            .unwrap_or_default()
            .contains("dryRun");
        let asks = resource.starts_with("selfsubject");
        let refused = event["responseStatus"]["code"].as_u64().unwrap_or_default() >= 400;
        if matches!(verb, "create" | "patch" | "update" | "delete") && !dry && !asks && !refused {
            let name = of["name"].as_str().unwrap_or_default();
            writes.insert(format!("{resource}/{name}"));
        }
    }
    writes
}

/// What the console's own log says of a person's writes.
pub(super) fn logged(log: &str) -> BTreeSet<String> {
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
    let written = |line: Value| {
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
    };
    let audits = lines.filter(|line: &Value| line["target"] == "audit");
    audits.map(written).collect()
}
