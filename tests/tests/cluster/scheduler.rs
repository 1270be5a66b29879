//! The scheduler on a real API server: two hundred shops, and everything that goes wrong around them.

use e2e::{
    cluster::{Cluster, Writes, eventually},
    process::{Program, Running},
};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::{path::Path, time::Duration};

/// Shops of the large test.
const SHOPS: usize = 200;
/// How long two hundred shops may take on two cores that have the whole control plane on them.
const LONG: Duration = Duration::from_mins(4);
/// Where the scheduler of a test answers.
const LISTEN: &str = "127.0.0.1:19810";
/// The label of everything that belongs to shops, and of nothing else.
const OURS: &str = "longshore.dev/shop";

/// A file of the repository.
fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/examples/shops").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The scheduler, against the cluster.
struct Scheduler<'a> {
    cluster: &'a Cluster,
}

impl<'a> Scheduler<'a> {
    /// Installs definitions, priorities and rights, and the class and the release of the example; removes what an earlier test left.
    fn install(cluster: &'a Cluster) -> Self {
        let scheduler = Self { cluster };
        // Shops of an earlier test that are on their way out would look like lost ones, and hold every removal.
        let selector = format!("--selector={OURS}");
        cluster.kubectl(["delete", "namespaces", &selector, "--timeout=240s"]).deadline(LONG + Duration::from_secs(10)).run().expect(0);
        scheduler.apply(&scheduler.program(&["crd"]).run().expect(0).stdout);
        // What the Prometheus operator defines is not in this cluster, and the Deployment's image is in no registry.
        let manifests = scheduler.program(&["manifests", "--output", "json"]).run().expect(0).stdout;
        let wanted = |line: &&str| {
            let kind = serde_json::from_str::<Value>(line).unwrap()["kind"].as_str().unwrap().to_owned();
            !["PodMonitor", "PrometheusRule", "Deployment", "PodDisruptionBudget"].contains(&kind.as_str())
        };
        scheduler.apply(&manifests.lines().filter(wanted).collect::<Vec<_>>().join("\n"));
        scheduler.apply(&example("plain/class.yaml"));
        scheduler.apply(&example("release.yaml"));
        scheduler
    }

    fn program(&self, arguments: &[&str]) -> Program {
        let binary = e2e::process::binary("longshore-scheduler");
        self.cluster.program(&binary.display().to_string()).args(arguments).deadline(LONG)
    }

    fn apply(&self, text: &str) {
        let arguments = ["apply", "--server-side", "--force-conflicts", "--filename", "-"];
        self.cluster.kubectl(arguments).input(text).deadline(LONG).run().expect(0);
    }

    /// Starts the controller, and waits until it has read everything.
    fn start(&self) -> Running {
        let arguments = ["run", "--evidence", "readiness", "--delete-after", "1", "--listen", LISTEN, "--log", "info"];
        let running = self.program(&arguments).deadline(Duration::from_mins(20)).start();
        eventually("a scheduler that has read everything", Duration::from_mins(1), || {
            self.cluster.program("curl").args(["-sf", &format!("http://{LISTEN}/readyz")]).run().code().filter(|code| *code == 0)
        });
        running
    }

    fn metric(&self, name: &str) -> Option<u64> {
        let page = self.cluster.program("curl").args(["-s", "-m", "3", &format!("http://{LISTEN}/metrics")]).run().stdout;
        let line = page.lines().find_map(|line| line.strip_prefix(&format!("longshore_scheduler_{name} ")))?.to_owned();
        line.parse::<f64>().ok().map(|value| value as u64)
    }

    fn objects(&self, kind: &str) -> usize {
        let found = self.cluster.get(&[kind, "--all-namespaces", "--selector", OURS]);
        found["items"].as_array().map_or(0, Vec::len)
    }

    /// Waits until every shop is as its registry says, and nothing is left to do.
    fn converged(&self, shops: usize) {
        eventually("every shop applied", LONG, || {
            let found = self.cluster.get(&["shops"]);
            let applied = found["items"].as_array()?.iter().filter(|shop| condition(shop, "Applied") == Some("True")).count();
            (applied == shops && self.metric("queue_shops") == Some(0) && self.metric("running_looks") == Some(0)).then_some(())
        });
    }
}

impl Drop for Scheduler<'_> {
    fn drop(&mut self) {
        for kind in ["rollouts", "shops", "releases", "shopclasses"] {
            drop(self.cluster.kubectl(["delete", kind, "--all", "--wait=false"]).run());
        }
        let selector = format!("--selector={OURS}");
        drop(self.cluster.kubectl(["delete", "namespaces", &selector, "--wait=false"]).run());
        drop(self.cluster.kubectl(["delete", "persistentvolumes", &selector, "--wait=false"]).run());
    }
}

fn condition<'a>(shop: &'a Value, kind: &str) -> Option<&'a str> {
    shop["status"]["conditions"].as_array()?.iter().find(|it| it["type"] == kind)?["status"].as_str()
}

/// Shops without pods, so that the test is about the scheduler: the kubelets of two cores have other things to do.
fn shops(prefix: &str, count: usize, state: &str) -> String {
    let shop = |index: usize| {
        let name = format!("{prefix}{index:03}");
        json!({
            "apiVersion": "longshore.dev/v1alpha1", "kind": "Shop", "metadata": { "name": name },
            "spec": {
                "class": "php-plain", "channel": "shops/acme", "state": state,
                "domains": [{ "host": format!("{name}.example"), "primary": true }],
                "config": { "secretRef": { "name": "env" } },
                "scale": { "min": 1, "max": 1 },
                "services": { "database": { "ref": "db", "name": name }, "media": { "ref": "nas", "path": format!("/{name}") } },
            },
        })
        .to_string()
    };
    (0..count).map(shop).collect::<Vec<_>>().join("\n")
}

#[test]
fn two_hundred_shops_converge_through_kills_and_faults_and_nothing_is_deleted() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    let registry = shops("s", SHOPS, "Suspended");
    scheduler.apply(&registry);

    // Killed in the middle, and the API server too.
    let running = scheduler.start();
    eventually("some of the objects", LONG, || scheduler.metric("writes_total").filter(|writes| *writes > 300));
    running.signal(Signal::KILL).unwrap();
    drop(running);
    let running = scheduler.start();
    let server = cluster.component("apiserver");
    server.kill();
    server.start(&["--max-requests-inflight=40", "--max-mutating-requests-inflight=10"]);
    cluster.etcd_writes(Writes::Refused);
    std::thread::sleep(Duration::from_secs(5));
    cluster.etcd_writes(Writes::Accepted);
    scheduler.converged(SHOPS);

    // Forgotten versions: watches begin anew.
    cluster.etcd_compact();
    // Asked to stop, it would wait for our watches to end, for a minute.
    server.kill();
    server.start(&[]);
    scheduler.converged(SHOPS);
    let (deployments, services) = (scheduler.objects("deployments"), scheduler.objects("services"));
    assert_eq!((deployments, services), (2 * SHOPS, SHOPS));

    // A pass over what is as it should be writes nothing.
    assert!(running.signal(Signal::TERM).is_ok());
    running.wait().expect(0);
    let running = scheduler.start();
    scheduler.converged(SHOPS);
    eventually("a whole pass", LONG, || scheduler.metric("looks_total").filter(|looks| *looks >= SHOPS as u64));
    assert_eq!((scheduler.metric("writes_total"), scheduler.metric("status_writes_total")), (Some(0), Some(0)));

    // Half of the registry is lost: an import that was cut off.
    let half = registry.lines().skip(SHOPS / 2).collect::<Vec<_>>().join("\n");
    cluster.kubectl(["delete", "--wait=false", "--filename", "-"]).input(half).deadline(LONG).run().expect(0);
    eventually("the guard", LONG, || scheduler.metric("deletion_held").filter(|held| *held == 1));
    std::thread::sleep(Duration::from_secs(8));
    assert_eq!(scheduler.objects("deployments"), deployments);
    // All of it is lost.
    cluster.ask(&["delete", "shops", "--all", "--wait=false"]);
    std::thread::sleep(Duration::from_secs(8));
    assert_eq!((scheduler.objects("deployments"), scheduler.metric("deletes_total")), (deployments, Some(0)));
    // It comes back.
    scheduler.apply(&registry);
    scheduler.converged(SHOPS);
    assert_eq!((scheduler.metric("deletes_total"), scheduler.metric("writes_total")), (Some(0), Some(0)));
    running.signal(Signal::TERM).unwrap();
    running.wait().expect(0);
}

#[test]
fn what_somebody_else_changes_is_put_back_and_told() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    scheduler.apply(&shops("drift", 2, "Suspended"));
    let running = scheduler.start();
    scheduler.converged(2);
    let patch = ["--namespace", "shop-drift000", "patch", "deployment", "web", "--field-manager=kubectl-edit", "--type=merge"];
    let words = [&patch[..], &["--patch", r#"{"spec":{"minReadySeconds":77}}"#]].concat();
    cluster.ask(&words);
    eventually("the field as the class has it", Duration::from_secs(30), || {
        (cluster.get(&["deployment", "web", "--namespace", "shop-drift000"])["spec"]["minReadySeconds"] == 5).then_some(())
    });
    let events = cluster.get(&["events", "--namespace", "default", "--field-selector", "involvedObject.name=drift000,reason=TakenOver"]);
    assert!(events.to_string().contains("kubectl-edit"), "{events:#}");
    // A shop that is gone from the registry is taken down, and what is data stays.
    cluster.ask(&["delete", "shop", "drift001"]);
    eventually("its workloads gone", Duration::from_mins(1), || {
        let left = cluster.get(&["deployments,services", "--namespace", "shop-drift001"]);
        left["items"].as_array().is_some_and(Vec::is_empty).then_some(())
    });
    cluster.ask(&["get", "namespace", "shop-drift001"]);
    running.signal(Signal::TERM).unwrap();
    running.wait().expect(0);
}

#[test]
fn a_plan_is_done_as_it_was_shown_or_not_at_all() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    scheduler.apply(&shops("plan", 3, "Suspended"));
    let applied = scheduler.program(&["apply"]).run().expect(0);
    assert!(applied.stdout.contains("applied: ") && applied.stdout.contains("3 shops: plan000, plan001, plan002"), "{applied:#?}");
    let again = scheduler.program(&["plan"]).run().expect(0);
    assert_eq!(again.stdout, "plan: 0 objects to create, 0 to change, 0 to adopt, 0 to delete; 3 shops unchanged\n");

    let scratch = tempfile::tempdir().unwrap();
    let (class, plan) = (scratch.path().join("class.yaml").display().to_string(), scratch.path().join("plan.json").display().to_string());
    let changed = example("plain/class.yaml").replace("cpu: 10m, memory: 16Mi", "cpu: 20m, memory: 16Mi");
    cluster.program("tee").arg(&class).input(changed).run().expect(0);
    let shown = scheduler.program(&["plan", &class, "--save", &plan]).run().expect(0);
    assert!(
        shown.stdout.contains("3 shops: plan000, plan001, plan002\n  ~ Deployment web: ") && shown.stdout.contains("10m → 20m"),
        "{shown:#?}"
    );
    // Somebody is faster.
    let patch = ["--namespace", "shop-plan001", "patch", "deployment", "web", "--field-manager=kubectl-edit", "--type=merge"];
    cluster.ask(&[&patch[..], &["--patch", r#"{"spec":{"paused":true}}"#]].concat());
    let refused = scheduler.program(&["apply", &class, "--plan", &plan]).run().expect(75);
    assert!(refused.stderr.contains("Deployment shop-plan001/web: it was generation 1, and is generation 2"), "{refused:#?}");
    let all = scheduler.program(&["apply", &class]).run().expect(0);
    assert!(all.stdout.ends_with("applied: 3 objects of 3 shops\n"), "{all:#?}");
}
