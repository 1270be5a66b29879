//! The scheduler on a real API server. It runs as its own account, so that every test is one of its
//! rights, too.

mod access;
mod apply;
mod builds;
mod compaction;
mod console;
mod converge;
mod definitions;
mod edge;
mod examples;
mod guards;
mod halt;
mod migrations;
mod plugin;
mod proof;
mod rejections;
mod rollouts;
mod takeover;
mod token;

use e2e::{
    chart,
    cluster::{Cluster, eventually},
    fleet::{example, merge, release, shop},
    process::{Program, Running},
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long two hundred shops may take on two cores that have the whole control plane on them.
const LONG: Duration = Duration::from_mins(6);
/// Where the scheduler of a test answers.
const LISTEN: &str = "127.0.0.1:19810";
/// Where a second one does.
const SECOND: &str = "127.0.0.1:19811";
/// The label of everything that belongs to shops, and of nothing else.
const OURS: &str = "longshore.dev/shop";
/// Who the scheduler is for the API server.
const ACCOUNT: &str = "longshore-scheduler";
/// Its namespace.
const SYSTEM: &str = "longshore-system";

/// The scheduler, against the cluster.
pub(crate) struct Scheduler<'a> {
    cluster: &'a Cluster,
    scratch: TempDir,
}

impl<'a> Scheduler<'a> {
    /// Installs definitions, priorities and rights, and the class and the release of the example;
    /// removes what an earlier test left.
    pub(crate) fn install(cluster: &'a Cluster) -> Self {
        let scheduler = Self {
            cluster,
            scratch: tempfile::tempdir().unwrap(),
        };
        // An earlier test may have ended while no API server was there to clear away.
        scheduler.clear();
        // Shops of an earlier test that are on their way out would look like lost ones, and hold
        // every removal.
        let selector = format!("--selector={OURS}");
        cluster
            .kubectl(["delete", "namespaces", &selector, "--timeout=240s"])
            .deadline(LONG + Duration::from_secs(10))
            .run()
            .expect(0);
        chart::install(cluster, &chart::without_pods());
        scheduler.apply(&example("plain/class.yaml"));
        scheduler.apply(&example("release.yaml"));
        let kubeconfig = scheduler.kubeconfig().display().to_string();
        cluster
            .program("tee")
            .arg(kubeconfig)
            .input(scheduler.account().to_string())
            .run()
            .expect(0);
        scheduler
    }

    /// The cluster as the scheduler's own account sees it.
    fn account(&self) -> Value {
        let token = self.cluster.ask(&[
            "create",
            "token",
            ACCOUNT,
            "--namespace",
            SYSTEM,
            "--duration",
            "4h",
        ]);
        let mut config: Value = serde_json::from_str(
            &self
                .cluster
                .ask(&["config", "view", "--raw", "--minify", "--output", "json"]),
        )
        .unwrap();
        config["users"][0]["user"] = json!({ "token": token.trim() });
        config
    }

    fn kubeconfig(&self) -> std::path::PathBuf {
        self.scratch.path().join("kubeconfig")
    }

    /// A command, as a person runs it.
    fn program(&self, arguments: &[&str]) -> Program {
        let binary = e2e::process::binary("longshore");
        self.cluster
            .program(&binary.display().to_string())
            .args(arguments)
            .deadline(LONG)
    }

    pub(crate) fn apply(&self, text: &str) {
        let arguments = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "--filename",
            "-",
        ];
        self.cluster
            .kubectl(arguments)
            .input(text)
            .deadline(LONG)
            .run()
            .expect(0);
    }

    /// The example's class under another name, with these changes.
    pub(crate) fn class(&self, name: &str, change: &Value) {
        let mut class = self.cluster.get(&["shopclass", "php-plain"]);
        class["metadata"] = json!({ "name": name });
        merge(&mut class["spec"], change);
        self.apply(&class.to_string());
    }

    /// Starts the controller, and waits until it has read everything.
    pub(crate) fn start(&self) -> Running {
        self.start_as(LISTEN, &["--evidence", "readiness"])
    }

    /// The same, with its own address and settings.
    fn start_as(&self, listen: &str, settings: &[&str]) -> Running {
        let binary = e2e::process::binary("longshore-scheduler")
            .display()
            .to_string();
        let arguments = ["--delete-after", "1", "--listen", listen, "--log", "info"];
        let program = self
            .cluster
            .program(&binary)
            .args(arguments)
            .args(settings)
            .env("KUBECONFIG", self.kubeconfig());
        let running = program.deadline(Duration::from_mins(20)).start();
        eventually(
            "a scheduler that has read everything",
            Duration::from_mins(1),
            || {
                self.cluster
                    .program("curl")
                    .args(["-sf", &format!("http://{listen}/readyz")])
                    .run()
                    .code()
                    .filter(|code| *code == 0)
            },
        );
        running
    }

    fn metric(&self, name: &str) -> Option<u64> {
        self.metric_of(LISTEN, name)
    }

    fn metric_of(&self, listen: &str, name: &str) -> Option<u64> {
        let page = self
            .cluster
            .program("curl")
            .args(["-s", "-m", "3", &format!("http://{listen}/metrics")])
            .run()
            .stdout;
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(&format!("longshore_scheduler_{name} ")))?
            .to_owned();
        line.parse().ok()
    }

    /// Removes everything that tests make, as far as it is there and the API server is.
    fn clear(&self) {
        for kind in ["rollouts", "shops", "releases", "shopclasses"] {
            drop(
                self.cluster
                    .kubectl(["delete", kind, "--all", "--wait=false"])
                    .run(),
            );
        }
        let selector = format!("--selector={OURS}");
        drop(
            self.cluster
                .kubectl(["delete", "namespaces", &selector, "--wait=false"])
                .run(),
        );
        drop(
            self.cluster
                .kubectl(["delete", "persistentvolumes", &selector, "--wait=false"])
                .run(),
        );
        let maps = [
            "delete",
            "configmaps",
            "--namespace",
            "edge",
            "--selector",
            "app.kubernetes.io/managed-by=longshore",
        ];
        drop(self.cluster.kubectl(maps).run());
        drop(
            self.cluster
                .kubectl([
                    "delete",
                    "jobs",
                    "--all",
                    "--namespace",
                    "longshore-builds",
                    "--wait=false",
                ])
                .run(),
        );
    }

    fn objects(&self, kind: &str) -> usize {
        let found = self
            .cluster
            .get(&[kind, "--all-namespaces", "--selector", OURS]);
        found["items"].as_array().map_or(0, Vec::len)
    }

    /// Waits until every shop is as its registry says, and nothing is left to do.
    fn converged(&self, shops: usize) {
        let begin = Instant::now();
        loop {
            let found = self.cluster.get(&["shops"]);
            let found = found["items"].as_array().map_or(&[][..], Vec::as_slice);
            let applied = found
                .iter()
                .filter(|shop| condition(shop, "Applied") == Some("True"))
                .count();
            let depth = ["queue_shops", "running_reconciles"].map(|name| self.metric(name));
            if applied == shops && depth == [Some(0), Some(0)] {
                return;
            }
            let not = found
                .iter()
                .find(|shop| condition(shop, "Applied") != Some("True"))
                .map(|shop| shop["status"].to_string());
            assert!(
                begin.elapsed() < LONG,
                "{applied} of {shops} shops applied, {depth:?} waiting and running; one of the \
                 others: {not:?}"
            );
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

impl Drop for Scheduler<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Every request of the scheduler, as the API server has it on record.
fn audited(cluster: &Cluster) -> Vec<Value> {
    let account = format!("\"username\":\"system:serviceaccount:{SYSTEM}:{ACCOUNT}\"");
    let line = format!("grep -F '{account}' \"$CLUSTER_DIR/logs/audit\"");
    let log = cluster.program("sh").args(["-c", &line]).run();
    assert_eq!(
        log.code(),
        Some(0),
        "the audit log has no request of the scheduler: start the cluster with --audit\n{}",
        log.stderr
    );
    log.stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

pub(crate) fn condition<'a>(shop: &'a Value, kind: &str) -> Option<&'a str> {
    shop["status"]["conditions"]
        .as_array()?
        .iter()
        .find(|it| it["type"] == kind)?["status"]
        .as_str()
}

/// Shops without pods, so that the test is about the scheduler: the kubelets of two cores have
/// other things to do.
fn shops(prefix: &str, count: usize) -> String {
    let one = |index| {
        shop(
            &format!("{prefix}{index:03}"),
            "php-plain",
            &json!({ "state": "Suspended" }),
        )
    };
    (0..count).map(one).collect::<Vec<_>>().join("\n")
}

/// What a class says so that its pods are those of kwok, which is on real clusters' nodes a taint.
fn played() -> Value {
    json!({
        "nodeSelector": { "type": "kwok" },
        "tolerations": [{ "key": "kwok.x-k8s.io/node", "effect": "NoSchedule" }],
    })
}
