//! What Wapiti, a scanner for web applications, finds in the console as an admin sees it.

#![allow(
    clippy::disallowed_methods,
    reason = "a test makes its files itself, and has no failpoints"
)]

use super::{CONSOLE, Place, logged, with_shops_and_roles};
use crate::scheduler::{LONG, Scheduler};
use e2e::{
    cluster::{Cluster, eventually},
    peers::required,
    process::Running,
};
use runtime::fixtures::free_port;
use serde_json::Value;
use std::{fs, net::TcpStream, path::Path};

/// What it tries. Left out is what asks hosts of Wapiti's own (SSRF, XXE), needs lists that it
/// would download, or guesses names of files of other programs.
const MODULES: &str = "cookieflags,crlf,csp,csrf,exec,file,htaccess,http_headers,ldap,methods,\
                       permanentxss,redirect,sql,timesql,upload,xss";
/// Seconds that it looks for pages, and that each module takes, at most.
const SECONDS: &str = "30";

/// What it says of an address; `more` is what else it is told.
fn scan(scheduler: &Scheduler<'_>, address: &str, more: &[&str]) -> Value {
    let place = scheduler.scratch.path().join("scan");
    let report = place.join("report.json");
    fs::create_dir_all(&place).unwrap();
    // Browsers know by themselves where names below `localhost` are, and Python does not.
    let hosts = place.join("hosts");
    fs::write(&hosts, "127.0.0.1 localhost console.localhost\n").unwrap();
    let run = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
    scheduler
        .cluster
        .program("unshare")
        .args(["--mount", "sh", "-c", run])
        .arg(&hosts)
        .arg(required("wapiti"))
        .args(["--url", address, "--module", MODULES, "--scope", "domain"])
        .args(["--max-scan-time", SECONDS, "--max-attack-time", SECONDS])
        .args([
            "--tasks",
            "4",
            "--flush-session",
            "--no-bugreport",
            "--verify-ssl",
            "0",
        ])
        .arg("--store-session")
        .arg(&place)
        .arg("--store-config")
        .arg(&place)
        .args(["--format", "json", "--output"])
        .arg(&report)
        .args(more)
        .deadline(LONG * 4)
        .run()
        .expect(0);
    serde_json::from_slice(&fs::read(&report).unwrap()).unwrap()
}

/// What it found, by kind.
fn found(report: &Value) -> Vec<String> {
    let kinds = ["vulnerabilities", "anomalies"].map(|of| report[of].as_object().unwrap());
    let all = kinds.into_iter().flatten();
    all.flat_map(|(kind, found)| {
        let found = found.as_array().unwrap();
        found.iter().map(move |it| {
            let (path, method, info) = (&it["path"], &it["method"], &it["info"]);
            format!("{kind}: {method} {path}: {info}")
        })
    })
    .collect()
}

/// The cookie of a session, out of curl's jar.
fn session(jar: &Path) -> String {
    let text = fs::read_to_string(jar).unwrap();
    let fields = text
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>());
    let mut sessions = fields.filter(|fields| fields.get(5) == Some(&"__Host-longshore"));
    format!("__Host-longshore={}", sessions.next().unwrap()[6])
}

/// A page that says back what it is asked.
const BAD: &str = "<?php echo '<a href=\"/?q=1\">search</a>', $_GET['q'] ?? '';";

/// PHP's own server with that page.
fn bad_program(scheduler: &Scheduler<'_>) -> (Running, String) {
    let directory = scheduler.scratch.path().join("bad");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("index.php"), BAD).unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let server = scheduler.cluster.program("php8.2");
    let server = server.args(["-S", &address, "-t"]).arg(&directory);
    let running = server.deadline(LONG).start();
    eventually("PHP listens", LONG, || TcpStream::connect(&address).ok());
    (running, format!("http://{address}/"))
}

#[test]
#[ignore = "needs Wapiti: make test-console"]
fn a_scanner_finds_nothing() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    let _running = with_shops_and_roles(&scheduler);

    let (_bad, address) = bad_program(&scheduler);
    let alarms = found(&scan(&scheduler, &address, &[]));
    for kind in ["Reflected Cross Site Scripting", "Content Security Policy"] {
        assert!(
            alarms.iter().any(|it| it.starts_with(kind)),
            "{kind}: {alarms:?}"
        );
    }

    let mut place = Place::new(&scheduler);
    place.console();
    let mut clara = place.logged_in("clara", "/shops");
    let cookie = session(&place.file("clara.jar"));
    // As a browser says it: the console takes forms of its own pages alone.
    let origin = format!("Origin: {CONSOLE}");
    let more = [
        "--header",
        &origin,
        "--cookie-value",
        &cookie,
        "--exclude",
        &format!("{CONSOLE}/logout"),
    ];
    let report = scan(&scheduler, &format!("{CONSOLE}/shops"), &more);
    let pages = report["infos"]["crawled_pages_nbr"].as_u64().unwrap();
    println!("{pages} pages; found: {:#?}", found(&report));
    assert!(pages > 40, "{}", report["infos"]);
    assert_eq!(found(&report), Vec::<String>::new());
    // The console was there to the end, and what was attacked were forms that do something.
    clara.visit("/shops");
    assert_eq!(clara.code, 200);
    let written = logged(&place.stop(), "oidc:clara").len();
    println!("{written} objects written");
    assert!(written > 3);
}
