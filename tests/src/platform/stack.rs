//! Logs, Prometheus and Alertmanager of the chart, from the programs that
//! `tests/tools/tools DIRECTORY stack` builds.

#![allow(
    clippy::disallowed_methods,
    reason = "the harness makes its files itself, and has no failpoints"
)]

use super::{Platform, START, edge::WATCH, told::Told};
use crate::{
    chart,
    cluster::{HOST, built, eventually, of_program},
    peers::required,
    process::Program,
};
use runtime::fixtures::free_port;
use serde_json::{Value, json};
use std::{
    fs,
    net::{IpAddr, SocketAddr},
    os::unix::fs::chown,
    time::Duration,
};

/// Where they are, but for what collects logs.
pub const MONITORING: &str = "monitoring";
/// Who runs the store.
const STORE: u32 = 10_005;
/// The store's port.
const PORT: u16 = 9428;
/// How long one question to the store may take.
const ANSWER: Duration = Duration::from_secs(20);

/// What the parts of a stack are told that differs from test to test.
#[derive(Debug)]
pub struct Stack<'a> {
    /// Where the edge is.
    pub edge: IpAddr,
    /// Who signs certificates of shops, as PEM.
    pub authorities: String,
    /// The name server that knows their domains.
    pub dns: SocketAddr,
    /// Who is told of alerts.
    pub told: &'a Told,
}

impl Platform<'_> {
    /// Installs all of it, with `longshore-watch`, beside the edge.
    ///
    /// # Panics
    ///
    /// A program or an image is not built, or does not start in time.
    #[track_caller]
    pub fn stack(&self, stack: &Stack<'_>) {
        self.volume();
        let mut values = self.values_with_edge();
        let image = |program: &str| {
            let image = of_program(self.cluster, &required(program));
            let (repository, digest) = image.by_digest();
            json!({ "repository": repository, "digest": digest })
        };
        let watch = built(self.cluster, "longshore-watch");
        let (repository, digest) = watch.by_digest();
        values["watch"] = json!({
            "enabled": true,
            "image": { "repository": repository, "digest": digest },
            "edge": format!("{}:443", stack.edge),
            "outside": true,
            "authorities": stack.authorities,
            "apiServer": [format!("{HOST}/32")],
            "storage": { "persistent": false, "size": "64Mi" },
            "arguments": ["--store-mib=32", format!("--dns={}", stack.dns)],
            "resources": { "requests": { "cpu": "20m", "memory": "32Mi" }, "limits": { "memory": "256Mi" } },
        });
        let small = json!({ "requests": { "cpu": "20m", "memory": "64Mi" }, "limits": { "memory": "512Mi" } });
        values["logs"] = json!({ "store": {
            "enabled": true,
            "image": image("victoria-logs"),
            "storage": { "size": "1Gi" },
            "resources": small,
        } });
        values["prometheus"] = json!({
            "enabled": true,
            "image": image("prometheus"),
            "intervalSeconds": 5,
            "storage": { "persistent": false, "size": "1Gi" },
            "resources": small,
        });
        values["alertmanager"] = json!({
            "enabled": true,
            "image": image("alertmanager"),
            "storage": { "persistent": false, "size": "16Mi" },
            "mail": {
                "to": ["operators@host.example"], "from": "longshore@host.example",
                "smarthost": stack.told.mail.to_string(), "requireTls": false,
            },
            "webhooks": [{ "name": "test", "url": format!("http://{}/", stack.told.webhook) }],
        });
        chart::install(self.cluster, &values);
        // Pods have no DNS here, and a Service has its address only now.
        let service = self
            .cluster
            .get(&["service", "longshore-logs", "--namespace", MONITORING]);
        let address = service["spec"]["clusterIP"]
            .as_str()
            .expect("a Service has an address");
        let logs = self.cluster.directory().join("logs");
        values["logs"]["collector"] = json!({
            "enabled": true,
            "image": image("vlagent"),
            "targets": [{ "url": format!("http://{address}:{PORT}/insert/native") }],
            // Both nodes are this machine; each kubelet has a directory of its own.
            "podLogs": [logs.join("n1-pods"), logs.join("n2-pods")],
            "resources": { "requests": { "cpu": "20m", "memory": "32Mi" }, "limits": { "memory": "256Mi" } },
        });
        // Beside it, so that the store has each line by both ways.
        values["logs"]["otlp"] = json!({
            "enabled": true,
            "image": image("otelcol"),
            "targets": [{ "endpoint": format!("http://{address}:{PORT}/insert/opentelemetry") }],
            "podLogs": values["logs"]["collector"]["podLogs"],
        });
        chart::install(self.cluster, &values);
        for what in ["logs", "prometheus", "alertmanager"] {
            self.rolled_out(MONITORING, &format!("deployment/longshore-{what}"));
        }
        for what in ["logs", "otlp"] {
            self.rolled_out("longshore-logs", &format!("daemonset/longshore-{what}"));
        }
        self.rolled_out(WATCH, "deployment/longshore-watch");
    }

    /// A directory of this machine for the store's claim: no cloud makes a volume here.
    fn volume(&self) {
        let directory = self.cluster.directory().join("store");
        let there = ["get", "persistentvolume", "longshore-logs"];
        if self.cluster.kubectl(there).run().code() == Some(0) {
            return;
        }
        if directory.exists() {
            // Lines of a cluster that was here before.
            fs::remove_dir_all(&directory).expect("the cluster's directory is writable");
        }
        fs::create_dir_all(&directory).expect("the cluster's directory is writable");
        chown(&directory, Some(STORE), Some(STORE)).expect("a cluster runs as root");
        let volume = json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": "longshore-logs" },
            "spec": {
                "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain", "hostPath": { "path": directory },
                "claimRef": { "namespace": MONITORING, "name": "longshore-logs" },
            },
        });
        self.apply(&volume.to_string());
    }

    /// Stops the store, or starts it again.
    ///
    /// # Panics
    ///
    /// The API server refuses, or it does not start in time.
    #[track_caller]
    pub fn store_of_logs(&self, replicas: u8) {
        let replicas = format!("--replicas={replicas}");
        let words = [
            "--namespace",
            MONITORING,
            "scale",
            "deployment/longshore-logs",
        ];
        let words = words.into_iter().chain([replicas.as_str()]);
        self.cluster.kubectl(words).run().expect(0);
        self.rolled_out(MONITORING, "deployment/longshore-logs");
    }

    /// Lines of the store that a question of `LogsQL` finds, as objects; nothing while it does not
    /// answer. Through the kubelet, since policies let no test in.
    #[must_use]
    pub fn lines(&self, question: &str) -> Option<Vec<Value>> {
        let port = free_port();
        let forward = format!("{port}:{PORT}");
        let words = [
            "--namespace",
            MONITORING,
            "port-forward",
            "deployment/longshore-logs",
            &forward,
        ];
        let _forward = self.cluster.kubectl(words).deadline(START).start();
        let url = format!("http://127.0.0.1:{port}/select/logsql/query");
        let question = format!("query={question}");
        let words = [
            "--silent",
            "--fail",
            "--retry",
            "20",
            "--retry-delay",
            "1",
            "--retry-connrefused",
            "--max-time",
            "20",
            "--data-urlencode",
            &question,
            &url,
        ];
        let asked = Program::new("curl").args(words).deadline(ANSWER * 2).run();
        let lines = asked.stdout.lines().map(serde_json::from_str);
        (asked.code() == Some(0)).then(|| lines.collect::<Result<_, _>>().ok())?
    }

    /// The same, until there is something.
    ///
    /// # Panics
    ///
    /// There is nothing `within` this time.
    #[must_use]
    #[track_caller]
    pub fn found(&self, question: &str, within: Duration) -> Vec<Value> {
        eventually(question, within, || {
            self.lines(question).filter(|lines| !lines.is_empty())
        })
    }
}
