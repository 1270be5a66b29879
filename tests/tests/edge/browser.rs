//! What others say of the edge: a real browser, and testssl.sh. `make test-browser` installs both
//! and runs these.

#![allow(clippy::disallowed_methods, reason = "a test makes its files itself")]

use base64::{Engine as _, prelude::BASE64_STANDARD};
use e2e::{
    haproxy::{Backend, Edge, root},
    peers::required,
    process::Program,
};
use edge::agent::lines::Target;
use rcgen::{KeyPair, PublicKeyData as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::{fs, io::Write as _, time::Duration};

const HOST: &str = "www.acme.example";
/// What testssl.sh warns of and no default of the edge cures, and why.
const KNOWN: [(&str, &str); 3] = [
    ("engine_problem", "the openssl of this machine has no GOST"),
    ("DNS_CAArecord", "a host's owner says who may issue for it"),
    ("security_headers", "a shop says what its pages may load"),
];
/// A page that says by which protocol the browser got it.
const PAGE: &str = "<!doctype html><body><script>document.body.textContent = 'by ' + \
    performance.getEntriesByType('navigation')[0].nextHopProtocol</script>";

/// A shop that answers with the page, and the digest of its certificate's key.
fn edge() -> (Edge, String) {
    let pod = Backend::page(PAGE);
    let mut edge = Edge::new(8);
    edge.host(HOST, Target::Shop("shop-acme".into()));
    edge.shop("shop-acme", 16, &[("acme-1", pod.address)]);
    edge.shard("shop-acme", |shard| {
        shard.shops.get_mut("shop-acme").unwrap().hsts_seconds = 31_536_000;
    });
    edge.start();
    let key = KeyPair::from_pem(edge.model.certificates()[HOST].text()).unwrap();
    let digest = BASE64_STANDARD.encode(Sha256::digest(key.subject_public_key_info()));
    (edge, digest)
}

#[test]
#[ignore = "needs Chromium: make test-browser"]
fn a_browser_gets_a_page_by_http_2_and_by_http_3() {
    let (edge, digest) = edge();
    let shown = |options: &[&str]| {
        let profile = tempfile::tempdir().unwrap();
        Program::new(required("chromium"))
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("--ignore-certificate-errors-spki-list={digest}"))
            .arg(format!("--host-resolver-rules=MAP {HOST} 127.0.0.1"))
            .args(options)
            .arg(format!("https://{HOST}:{}/", edge.https))
            .run()
            .stdout
    };
    let page = shown(&[]);
    assert!(page.contains("<body>by h2</body>"), "{page}");
    let force = format!("--origin-to-force-quic-on={HOST}:{}", edge.https);
    let page = shown(&[&force]);
    assert!(page.contains("<body>by h3</body>"), "{page}");
}

#[test]
#[ignore = "needs testssl.sh, and takes three minutes: make test-browser"]
fn testssl_grades_it_a() {
    let (edge, _) = edge();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(root().as_bytes()).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let findings = scratch.path().join("findings.json");
    let outcome = Program::new(required("testssl"))
        .args(["--quiet", "--color", "0", "--ip", "127.0.0.1", "--add-ca"])
        .arg(file.path())
        .arg("--jsonfile")
        .arg(&findings)
        .arg(format!("{HOST}:{}", edge.https))
        .deadline(Duration::from_mins(20))
        .run();
    let text = &outcome.stdout;
    let grade = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("Overall Grade"));
    println!("{}", text.split(" Rating ").last().unwrap_or_default());
    assert!(matches!(grade.map(str::trim), Some("A" | "A+")), "{text}");
    let findings: Vec<Value> = serde_json::from_slice(&fs::read(findings).unwrap()).unwrap();
    assert!(findings.len() > 100, "{findings:?}");
    let warns = |finding: &&Value| !matches!(finding["severity"].as_str(), Some("OK" | "INFO"));
    let known = |finding: &&Value| KNOWN.iter().any(|(id, _)| finding["id"] == *id);
    let warnings: Vec<_> = findings.iter().filter(warns).collect();
    for finding in &warnings {
        println!("{finding}");
    }
    assert!(
        warnings.iter().all(known),
        "what no default cures is listed"
    );
}
