//! What a fleet costs the scheduler, on a real API server without nodes: the first apply, a pass over what is as it should be, a change of one
//! shop while all is quiet and while a rollout moves the others, and plans; then kubectl and Helm with objects of the same kind. Runs inside a
//! cluster: `cluster run --nodes 0 -- bench-scheduler`.

#![allow(clippy::disallowed_methods, reason = "a benchmark makes its files itself, and has no failpoints")]

use clap::Parser;
use e2e::{
    cluster::{Cluster, eventually},
    figures::{bytes, count, table, time},
    peers::required,
    process::{Program, Running, binary},
    web,
};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::{
    io::{self, Write as _},
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// Measures `longshore-scheduler` of this profile with many shops. Needs a cluster of its own.
#[derive(Debug, Parser)]
struct Arguments {
    /// Shops of the fleet
    #[arg(long, default_value_t = 5000)]
    shops: usize,
    /// Changes of one shop, of which the median and the longest are told
    #[arg(long, default_value_t = 20)]
    changes: usize,
}

const LISTEN: u16 = 19810;
const PROXY: u16 = 19811;
/// Longer than any part may take.
const LONG: Duration = Duration::from_hours(1);
/// kubectl makes one request after another; so many of them side by side.
const WRITERS: usize = 8;
/// Shops that each of the others applies.
const SAMPLE: usize = 40;
/// Reads what the chart brings, whatever that looks like.
const CHART: [(&str, &str); 2] =
    [("Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n"), ("templates/all.yaml", "{{ .Files.Get \"objects.yaml\" }}\n")];

struct Bench {
    cluster: Cluster,
    rows: Vec<Vec<String>>,
}

fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/examples/shops").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A shop without pods: what is measured is the scheduler and the API server, and not nodes.
fn shop(prefix: &str, index: usize) -> String {
    let name = format!("{prefix}{index:04}");
    json!({
        "apiVersion": "longshore.dev/v1alpha1", "kind": "Shop", "metadata": { "name": name },
        "spec": {
            "class": "php-plain", "channel": "shops/acme", "state": "Suspended",
            "domains": [{ "host": format!("{name}.example"), "primary": true }],
            "config": { "secretRef": { "name": "env" } },
            "services": { "database": { "ref": "db", "name": name }, "media": { "ref": "nas", "path": format!("/{name}") } },
        },
    })
    .to_string()
}

impl Bench {
    fn program(&self, arguments: &[&str]) -> Program {
        self.cluster.program(&binary("longshore-scheduler").display().to_string()).args(arguments).deadline(LONG)
    }

    fn apply(&self, text: &str) {
        let arguments = ["apply", "--server-side", "--force-conflicts", "--filename", "-"];
        self.cluster.kubectl(arguments).input(text).deadline(LONG).run().expect(0);
    }

    fn tell(&mut self, what: &str, figure: String) {
        writeln!(io::stderr(), "{what}: {figure}").unwrap_or_default();
        self.rows.push(vec![what.to_owned(), figure]);
    }

    fn install(&self) {
        self.apply(&self.program(&["crd"]).run().expect(0).stdout);
        let manifests = self.program(&["manifests", "--output", "json"]).run().expect(0).stdout;
        let wanted = |line: &&str| {
            let kind = serde_json::from_str::<Value>(line).map_or(Value::Null, |object| object["kind"].clone());
            !["PodMonitor", "PrometheusRule", "Deployment", "PodDisruptionBudget"].iter().any(|other| kind == *other)
        };
        self.apply(&manifests.lines().filter(wanted).collect::<Vec<_>>().join("\n"));
        self.apply(&example("plain/class.yaml"));
        self.apply(&example("release.yaml"));
    }

    /// Writes the registry, as an import does.
    fn register(&mut self, shops: usize) {
        let begin = Instant::now();
        let all: Vec<_> = (0..shops).map(|index| shop("s", index)).collect();
        thread::scope(|scope| {
            for part in all.chunks(shops.div_ceil(WRITERS).max(1)) {
                let arguments = ["create", "--validate=false", "--filename", "-"];
                let kubectl = self.cluster.kubectl(arguments).input(part.join("\n")).deadline(LONG);
                scope.spawn(move || drop(kubectl.run().expect(0)));
            }
        });
        self.tell("the registry written by 8 × kubectl create", time(begin.elapsed()));
    }

    fn start(&self) -> Running {
        let listen = format!("127.0.0.1:{LISTEN}");
        self.program(&["run", "--evidence", "readiness", "--listen", &listen, "--log", "warn"]).start()
    }

    fn metric(name: &str) -> Option<u64> {
        let page = web::get(LISTEN, "/metrics").ok()?.body;
        page.lines().find_map(|line| line.strip_prefix(&format!("longshore_scheduler_{name} ")))?.parse().ok()
    }

    /// Waits until every shop was looked at, and nothing waits.
    fn settled(shops: usize) {
        eventually("every shop looked at", LONG, || {
            let all = Self::metric("looks_total")? >= shops as u64 && Self::metric("failing_shops")? == 0;
            (all && Self::metric("queue_shops")? + Self::metric("running_looks")? == 0).then_some(())
        });
    }

    fn stop(running: Running) {
        running.signal(Signal::TERM).unwrap_or_else(|error| panic!("{error}"));
        running.wait().expect(0);
    }

    /// Times from the answer to a person's change of a shop to the change of its Deployment.
    fn changes(&mut self, what: &str, number: usize, begin: usize) {
        // `None` is a Deployment that cannot be read, and no change.
        let generation = |name: &str| {
            let path = format!("/apis/apps/v1/namespaces/shop-{name}/deployments/cron");
            let page = web::get_from(([127, 0, 0, 1], PROXY).into(), &path, "").ok()?.body;
            serde_json::from_str::<Value>(&page).ok()?["metadata"]["generation"].as_u64()
        };
        let one = |index: usize| {
            let name = format!("s{index:04}");
            let before = generation(&name);
            assert!(before.is_some(), "shop {name} has no Deployment cron");
            let change = json!({ "spec": { "config": { "values": { "app/title": format!("changed {what}") } } } }).to_string();
            self.cluster.ask(&["patch", "shop", &name, "--type=merge", "--patch", &change]);
            let start = Instant::now();
            while generation(&name) == before {
                assert!(start.elapsed() < LONG, "shop {name} is not changed");
                thread::sleep(Duration::from_millis(5));
            }
            start.elapsed()
        };
        let mut times: Vec<_> = (begin..begin + number).map(one).collect();
        times.sort_unstable();
        let figure = format!("median {}, longest of {number} {}", time(times[number / 2]), time(times[number - 1]));
        self.tell(what, figure);
    }

    fn plan(&mut self, what: &str, arguments: &[&str]) {
        let planned = self.program(&[&["plan"][..], arguments].concat()).run().expect(0);
        let said = planned.stdout.lines().next().unwrap_or_default().to_owned();
        self.tell(what, format!("{} ({said})", time(planned.elapsed)));
    }

    /// Applies the objects of some shops as others do it, so many programs side by side.
    fn peer(&self, prefix: &str, abreast: usize, apply: impl Fn(&Path) -> Program + Sync) -> String {
        let scratch = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let write = |path: &Path, text: &str| std::fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let all: Vec<_> = (0..SAMPLE).map(|index| shop(prefix, index)).collect();
        let files =
            [("class.yaml", example("plain/class.yaml")), ("release.yaml", example("release.yaml")), ("shops.yaml", all.join("\n---\n"))];
        let files = files.map(|(name, text)| {
            write(&scratch.path().join(name), &text);
            scratch.path().join(name).display().to_string()
        });
        let mut objects = 0;
        let charts: Vec<_> = (0..SAMPLE)
            .map(|index| {
                let name = format!("{prefix}{index:04}");
                let rendered = self.program(&["render", &files[0], &files[1], &files[2], "--shop", &name]).run().expect(0).stdout;
                objects += rendered.lines().filter(|line| line.starts_with("kind: ")).count();
                let chart = scratch.path().join(name);
                std::fs::create_dir_all(chart.join("templates")).unwrap_or_else(|error| panic!("{error}"));
                for (name, text) in CHART {
                    write(&chart.join(name), text);
                }
                write(&chart.join("objects.yaml"), &rendered);
                chart
            })
            .collect();
        let begin = Instant::now();
        thread::scope(|scope| {
            for part in charts.chunks(SAMPLE.div_ceil(abreast)) {
                let apply = &apply;
                scope.spawn(move || part.iter().for_each(|chart| drop(apply(chart).deadline(LONG).run().expect(0))));
            }
        });
        let span = begin.elapsed();
        #[allow(clippy::cast_precision_loss, reason = "some hundred objects")]
        let rate = objects as f64 / span.as_secs_f64();
        format!("{} objects in {}, {rate:.0} in a second", count(objects as u64), time(span))
    }

    fn peers(&mut self) {
        for abreast in [1, WRITERS] {
            let figure = self.peer(&format!("k{abreast}"), abreast, |chart| {
                let objects = chart.join("objects.yaml").display().to_string();
                self.cluster.program("kubectl").args(["apply", "--server-side", "--filename", &objects])
            });
            self.tell(&format!("{abreast} × kubectl apply --server-side"), figure);
            let figure = self.peer(&format!("h{abreast}"), abreast, |chart| {
                let release = chart.file_name().unwrap_or_default();
                let helm = self.cluster.program(&required("helm").display().to_string()).args(["install", "--namespace", "default"]);
                helm.arg(release).arg(chart).env("HOME", chart)
            });
            self.tell(&format!("{abreast} × helm install"), figure);
        }
    }

    fn memory(&mut self, what: &str) {
        self.tell(what, bytes(Self::metric("resident_memory_bytes").unwrap_or(0)));
    }
}

fn main() {
    let arguments = Arguments::parse();
    let shops = arguments.shops;
    let mut bench = Bench { cluster: Cluster::alone(), rows: Vec::new() };
    bench.install();
    bench.register(shops);

    let begin = Instant::now();
    let running = bench.start();
    Bench::settled(shops);
    let (span, writes) = (begin.elapsed(), Bench::metric("writes_total").unwrap_or(0));
    #[allow(clippy::cast_precision_loss, reason = "counts of objects are far below 2^52")]
    let rate = writes as f64 / span.as_secs_f64();
    bench.tell("first apply", format!("{} objects in {}, {rate:.0} in a second", count(writes), time(span)));
    bench.memory("resident after the first apply");
    Bench::stop(running);

    let begin = Instant::now();
    let running = bench.start();
    Bench::settled(shops);
    let writes = [Bench::metric("writes_total"), Bench::metric("status_writes_total")].map(Option::unwrap_or_default);
    bench.tell(
        "start and a pass over what is as it should be",
        format!("{}, {} writes, {} of status", time(begin.elapsed()), writes[0], writes[1]),
    );
    bench.memory("resident after it");

    let _proxy = bench.cluster.kubectl(["proxy", "--accept-hosts", ".*", "--port", &PROXY.to_string()]).deadline(LONG).start();
    eventually("kubectl proxy", Duration::from_secs(20), || web::get(PROXY, "/version").ok());
    bench.changes("one shop changed while all is quiet", arguments.changes, 0);
    bench.plan("plan without a change", &[]);
    let changed = std::env::temp_dir().join("bench-scheduler-class.yaml");
    std::fs::write(&changed, example("plain/class.yaml").replace("cpu: 10m, memory: 16Mi", "cpu: 20m, memory: 16Mi"))
        .unwrap_or_else(|error| panic!("{error}"));
    bench.plan("plan of a class that changes every shop", &[&changed.display().to_string()]);

    let text = example("release.yaml");
    bench.apply(&next(&text));
    let rollout = json!({
        "apiVersion": "longshore.dev/v1alpha1", "kind": "Rollout", "metadata": { "name": "bench" },
        "spec": { "release": "shops-acme-43", "waves": [{ "percent": 100, "soak": "1s" }], "atOnce": 200 },
    });
    let begin = Instant::now();
    bench.apply(&rollout.to_string());
    bench.changes("one shop changed while a rollout moves all", arguments.changes, arguments.changes);
    eventually("the rollout's end", LONG, || (bench.cluster.get(&["rollout", "bench"])["status"]["phase"] == "Completed").then_some(()));
    bench.tell("the rollout", format!("{} shops in {}", count(shops as u64), time(begin.elapsed())));
    bench.memory("resident after it all");
    Bench::stop(running);
    bench.peers();
    let head = [&format!("{} shops", count(shops as u64))[..], ""];
    writeln!(io::stdout(), "{}", table(&head, &[], &bench.rows)).unwrap_or_default();
}

/// The example's release as the next one. Nobody signed it, which is the pods' business.
fn next(text: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let field =
        |name: &str| text.split(&format!("\"{name}\": \"")).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned();
    let mut statement: Value = serde_json::from_slice(&STANDARD.decode(field("payload")).unwrap_or_default()).unwrap_or_default();
    statement["predicate"]["sequence"] = 43.into();
    let envelope = json!({
        "payloadType": field("payloadType"), "payload": STANDARD.encode(statement.to_string()),
        "signatures": [{ "keyid": field("keyid"), "sig": field("sig") }],
    });
    json!({
        "apiVersion": "longshore.dev/v1alpha1", "kind": "Release", "metadata": { "name": "shops-acme-43" },
        "spec": { "channel": "shops/acme", "sequence": 43, "envelope": envelope.to_string() },
    })
    .to_string()
}
