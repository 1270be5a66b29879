//! The console from its image, behind the edge and a login: two people, its streams, and what
//! happens while something is away.

#![allow(
    clippy::disallowed_methods,
    reason = "a test makes its files itself, and has no failpoints"
)]

use e2e::{
    cluster::{Cluster, HOST, eventually},
    peers::required,
    platform::{
        Platform,
        console::{AUTHORITY, CONSOLE, CONSOLE_HOST, Doors},
    },
    process::Program,
};
use rustix::process::Signal;
use std::{net::IpAddr, time::Duration};
use tempfile::TempDir;

const DOORS: Doors = Doors {
    edge: 443,
    accounts: 8089,
};
const LONG: Duration = Duration::from_mins(2);
/// A halt is read every two seconds.
const HEARD: Duration = Duration::from_secs(10);
const HALT: [&str; 4] = [
    "--namespace",
    "longshore-system",
    "configmap",
    "longshore-halt",
];

/// Nothing moves as long as this lives. Another test's rollouts would wait for a halt that a failed
/// one has left.
struct Halted<'a>(&'a Cluster);

impl<'a> Halted<'a> {
    fn all(cluster: &'a Cluster) -> Self {
        cluster.ask(&[&["create"], &HALT[..], &["--from-literal=why=a test"]].concat());
        Self(cluster)
    }
}

impl Drop for Halted<'_> {
    fn drop(&mut self) {
        let words = [&["delete"], &HALT[..]].concat();
        drop(self.0.kubectl(words).run());
    }
}

/// A person's browser, without scripts.
struct Person<'a> {
    platform: &'a Platform<'a>,
    edge: IpAddr,
    scratch: TempDir,
}

impl<'a> Person<'a> {
    fn new(platform: &'a Platform<'a>, edge: IpAddr) -> Self {
        Self {
            platform,
            edge,
            scratch: tempfile::tempdir().unwrap(),
        }
    }

    fn curl(&self, options: &[&str], address: &str) -> Program {
        let jar = self.scratch.path().join("jar");
        Program::new(required("curl-h3"))
            .args(["--silent", "--show-error", "--location", "--max-time", "15"])
            .arg("--cookie")
            .arg(&jar)
            .arg("--cookie-jar")
            .arg(&jar)
            .arg("--cacert")
            .arg(self.platform.path(AUTHORITY))
            .args(["--resolve", &format!("{CONSOLE_HOST}:443:{}", self.edge)])
            .args([
                "--resolve",
                &format!("login.localhost:{}:{HOST}", DOORS.accounts),
            ])
            .args(["--write-out", "\n%{http_code} %{url_effective}"])
            .args(options)
            .arg(address)
    }

    fn ask(&self, options: &[&str], address: &str) -> String {
        let outcome = self.curl(options, address).run();
        format!("{}{}", outcome.stdout, outcome.stderr)
    }

    fn visit(&self, path: &str) -> String {
        self.ask(&[], &format!("{}{path}", DOORS.console()))
    }

    /// From the table to the provider, and back to the table.
    #[track_caller]
    fn logs_in_as(&self, name: &str) -> String {
        let form = self.visit("/shops");
        let action = form.split("action=\"").nth(1);
        let action = action.and_then(|rest| rest.split('"').next());
        let action = action.unwrap_or_else(|| panic!("no form: {form}"));
        let action = match action.strip_prefix('/') {
            Some(path) => format!("{}/{path}", DOORS.issuer()),
            None => action.to_owned(),
        };
        let login = format!("prompt=login&login={name}&password=any");
        self.ask(&["--data", &login], &action)
    }
}

fn pods(cluster: &Cluster) -> Vec<(String, String)> {
    let found = cluster.get(&["pods", "--namespace", CONSOLE]);
    let items = found["items"].as_array().unwrap().iter();
    let living = items.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    living
        .map(|pod| {
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            (
                text(&pod["metadata"]["name"]),
                text(&pod["status"]["podIP"]),
            )
        })
        .collect()
}

#[test]
fn people_log_in_through_the_edge_and_nothing_that_is_away_logs_them_out() {
    let cluster = Cluster::alone();
    let platform = Platform::install(&cluster);
    let edge = platform.haproxy();
    let provider = platform.accounts(DOORS);
    platform.console(platform.values_with_edge(), DOORS);

    // The scheduler has written the host into the maps, and the edge has its certificate.
    let anna = Person::new(&platform, edge);
    eventually("the edge leads to the console", LONG, || {
        anna.visit("/shops")
            .contains("login.localhost")
            .then_some(())
    });
    let page = anna.logs_in_as("anna");
    assert!(
        page.ends_with("200 https://console.localhost/shops"),
        "{page}"
    );
    assert!(page.contains("oidc:anna"), "{page}");
    assert!(anna.visit("/halt").contains("Halt everything"));
    let boris = Person::new(&platform, edge);
    let page = boris.logs_in_as("boris");
    assert!(page.contains("oidc:boris"), "{page}");
    let page = boris.visit("/halt");
    assert!(!page.contains("Halt everything"), "{page}");
    let stranger = Person::new(&platform, edge).logs_in_as("nobody");
    assert!(!stranger.contains("Roll a release out"), "{stranger}");

    // A change passes the edge at once.
    let stream = ["--no-buffer", "--max-time", "60"];
    let live = anna.curl(&stream, &format!("{}/live?key=shops", DOORS.console()));
    let live = live.deadline(LONG).start();
    std::thread::sleep(Duration::from_secs(1));
    let halt = Halted::all(&cluster);
    eventually("the open page hears of the halt", HEARD, || {
        live.written().contains("data: halt").then_some(())
    });
    // Each replica reads the halt for itself, and hers may not be his.
    eventually("both see the halt", HEARD, || {
        boris.visit("/shops").contains("a test").then_some(())
    });
    drop((halt, live));

    // The pods take nothing but what comes by the edge.
    let direct = format!("http://{}:9813/shops", pods(&cluster)[0].1);
    let refused = Program::new("curl")
        .args(["--silent", "--max-time", "3", &direct])
        .run();
    assert_ne!(refused.code(), Some(0), "{refused:?}");

    // A replica is killed, then the provider: whoever is logged in stays so.
    let killed = pods(&cluster)[0].0.clone();
    let now = ["--grace-period=0", "--force"];
    cluster.ask(
        &[
            &["delete", "pod", "--namespace", CONSOLE, &killed],
            &now[..],
        ]
        .concat(),
    );
    eventually("the other one answers", Duration::from_secs(10), || {
        anna.visit("/shops").contains("oidc:anna").then_some(())
    });
    platform.rolled_out(CONSOLE, "deployment/longshore-console");
    for _ in 0..20 {
        let page = anna.visit("/shops");
        assert!(page.contains("oidc:anna"), "{page}");
    }
    provider.signal(Signal::KILL).unwrap();
    drop(provider.wait());
    assert!(anna.visit("/shops").contains("oidc:anna"));
    let late = Person::new(&platform, edge).visit("/shops");
    // A pod that knows the provider leads there; one that has just started says that it is away.
    let sent = late.contains("303 https://login.localhost:8089/auth?");
    let led = sent && late.contains("Could not connect");
    assert!(
        led || late.contains("<code>login-provider</code>"),
        "{late}"
    );
    assert!(!late.contains("oidc:"), "{late}");

    // Its account may do all that it did.
    for (pod, _) in pods(&cluster) {
        let log = cluster.ask(&["logs", "--namespace", CONSOLE, &pod]);
        assert!(!log.to_lowercase().contains("forbidden"), "{log}");
    }
}
