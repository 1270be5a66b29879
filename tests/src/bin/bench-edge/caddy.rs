//! Another edge, with the same hosts, certificates and pods: Caddy, by its API.

use super::{
    Arguments, BUSY,
    measure::{Used, milliseconds, percentiles, used},
    pod,
};
use e2e::{
    figures::table,
    haproxy::Edge,
    peers::required,
    process::{Program, Running},
};
use runtime::fixtures::free_port;
use serde_json::{Value, json};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long it may take for anything.
const PATIENCE: Duration = Duration::from_mins(5);

/// A Caddy that serves.
pub(crate) struct Caddy {
    /// Its port for visitors.
    pub port: u16,
    admin: u16,
    listens: Duration,
    process: Running,
    _directory: TempDir,
}

impl Caddy {
    /// Starts it with what the edge has; `busy` is the pod that answers.
    pub(crate) fn start(
        program: &Path,
        edge: &Edge,
        busy: SocketAddr,
        arguments: &Arguments,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (port, admin) = (free_port(), free_port());
        let configuration = configuration([port, admin], edge.directory(), busy, arguments);
        let file = directory.path().join("caddy.json");
        fs::write(&file, configuration.to_string()).unwrap();
        let start = Instant::now();
        let process = Program::new(program)
            .args(["run", "--config"])
            .arg(&file)
            .env("HOME", directory.path())
            .deadline(Duration::from_hours(1))
            .start();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(
                start.elapsed() < PATIENCE,
                "Caddy does not listen: {}",
                process.complained()
            );
            thread::sleep(Duration::from_millis(10));
        }
        Self {
            port,
            admin,
            listens: start.elapsed(),
            process,
            _directory: directory,
        }
    }

    /// The process that serves.
    pub(crate) fn process(&self) -> u32 {
        self.process.pid()
    }

    /// Its start, and so many changes of a pod.
    pub(crate) fn table(&self, changes: usize) -> String {
        let at_start = used(self.process());
        let took = percentiles((0..changes.max(1)).map(|turn| self.change(turn)).collect());
        let megabytes = |used: Used| format!("{:.0} MB", used.megabytes);
        let rows = [
            ("it listens after", milliseconds(self.listens)),
            (
                "processor time until then",
                milliseconds(at_start.processor),
            ),
            ("resident memory", megabytes(at_start)),
            ("a pod takes another's place, median", milliseconds(took[0])),
            ("the longest", milliseconds(took[2])),
            (
                "resident memory after that",
                megabytes(used(self.process())),
            ),
        ];
        let rows: Vec<_> = rows
            .map(|(what, value)| vec![what.to_owned(), value])
            .into();
        table(&["Caddy", ""], &[1], &rows)
    }

    fn change(&self, turn: usize) -> Duration {
        let upstreams = json!([{"dial": pod(1, turn % 60).to_string()}]);
        let start = Instant::now();
        Program::new(required("curl-h3"))
            .args(["--silent", "--fail-with-body", "--request", "PATCH"])
            .args([
                "--header",
                "content-type: application/json",
                "--data",
                &upstreams.to_string(),
            ])
            .arg(format!(
                "http://127.0.0.1:{}/id/shop-1/handle/0/upstreams",
                self.admin
            ))
            .deadline(PATIENCE)
            .run()
            .expect(0);
        start.elapsed()
    }
}

/// A route for each shop. They are looked at in turn, so the one that answers is in the middle.
fn configuration(
    [port, admin]: [u16; 2],
    edge: &Path,
    busy: SocketAddr,
    arguments: &Arguments,
) -> Value {
    let route = |shop: &str, hosts: &[String], pods: &[SocketAddr]| {
        let upstreams: Vec<_> = pods
            .iter()
            .map(|pod| json!({"dial": pod.to_string()}))
            .collect();
        json!({
            "@id": shop,
            "match": [{"host": hosts}],
            "handle": [{"handler": "reverse_proxy", "upstreams": upstreams}],
            "terminal": true,
        })
    };
    let mut routes: Vec<_> = (0..arguments.shops)
        .map(|shop| {
            let domains = (shop..arguments.domains).step_by(arguments.shops);
            let hosts: Vec<_> = domains
                .map(|it| format!("www.customer-{it}.example"))
                .collect();
            let pods: Vec<_> = (0..arguments.pods)
                .map(|number| pod(shop, number))
                .collect();
            route(&format!("shop-{shop}"), &hosts, &pods)
        })
        .collect();
    routes.insert(
        routes.len() / 2,
        route("shop-busy", &[BUSY.to_owned()], &[busy]),
    );
    let files: Vec<_> = fs::read_dir(edge.join("certificates"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| json!({"certificate": path, "key": path}))
        .collect();
    json!({
        "admin": {"listen": format!("127.0.0.1:{admin}")},
        "logging": {"logs": {"default": {"writer": {"output": "stdout"}}}},
        "apps": {
            "tls": {"certificates": {"load_files": files}},
            "http": {"servers": {"all": {
                "listen": [format!("127.0.0.1:{port}")],
                "automatic_https": {"disable": true},
                "tls_connection_policies": [{}],
                "logs": {},
                "routes": routes,
            }}},
        },
    })
}
