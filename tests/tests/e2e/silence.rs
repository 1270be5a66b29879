//! The chart's Alertmanager, with the configuration that Helm renders: who is told, and what is
//! kept silent. `make test-stack` runs it.

use e2e::{
    chart,
    cluster::eventually,
    peers::required,
    platform::told::Told,
    process::{Program, Running},
    shop::scratch,
};
use runtime::fixtures::free_port;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    net::Ipv4Addr,
    thread,
    time::{Duration, Instant},
};

const START: Duration = Duration::from_secs(30);
/// Longer than `groupWaitSeconds` below, twice.
const QUIET: Duration = Duration::from_secs(4);

struct Alertmanager {
    address: String,
    told: Told,
    _process: Running,
    _scratch: tempfile::TempDir,
}

impl Alertmanager {
    fn start() -> Self {
        let (scratch, told) = (scratch(), Told::start(Ipv4Addr::LOCALHOST.into()));
        let values = json!({
            "scheduler": { "enabled": false }, "headroom": { "enabled": false },
            "alertmanager": {
                "enabled": true,
                "image": { "digest": format!("sha256:{:064}", 0) },
                "groupWaitSeconds": 1,
                "mail": {
                    "to": ["operators@host.example"], "from": "longshore@host.example",
                    "smarthost": told.mail.to_string(), "requireTls": false, "severities": ["critical"],
                },
                "webhooks": [{ "name": "all", "url": format!("http://{}/", told.webhook) }],
            },
        });
        let text = chart::configuration(
            &values,
            "templates/alertmanager/config.yaml",
            "alertmanager.yaml",
        );
        let file = scratch.path().join("alertmanager.yaml");
        fs::write(&file, text).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let process = Program::new(required("alertmanager"))
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.path={}",
                scratch.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=")
            .deadline(Duration::from_mins(5))
            .start();
        let alertmanager = Self {
            address,
            told,
            _process: process,
            _scratch: scratch,
        };
        eventually("Alertmanager", START, || alertmanager.rings(&[]));
        alertmanager
    }

    /// Alerts that ring: name, severity, and shop.
    fn rings(&self, alerts: &[(&str, &str, &str)]) -> Option<()> {
        let alerts = alerts.iter().map(|(name, severity, shop)| {
            json!({ "labels": { "alertname": name, "severity": severity, "shop": shop } })
        });
        let alerts = alerts.collect::<Value>().to_string();
        let url = format!("http://{}/api/v2/alerts", self.address);
        let words = [
            "--silent",
            "--fail",
            "--header",
            "Content-Type: application/json",
        ];
        let asked = Program::new("curl")
            .args(words)
            .args(["--data", &alerts, &url])
            .run();
        (asked.code() == Some(0)).then_some(())
    }

    /// Who was told of what since this moment, once all was.
    fn told(&self, begin: Instant) -> BTreeSet<(String, String)> {
        thread::sleep(QUIET);
        let told = self.told.since(begin).into_iter();
        told.map(|it| (it.alert, it.shop)).collect()
    }
}

fn set(told: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    told.iter()
        .map(|(alert, shop)| ((*alert).to_owned(), (*shop).to_owned()))
        .collect()
}

#[test]
#[ignore = "needs Alertmanager, of `tests/tools/tools DIRECTORY stack`; `make test-stack` runs it"]
fn a_shop_that_is_down_silences_what_follows_from_it_and_no_neighbour() {
    let alertmanager = Alertmanager::start();
    let begin = Instant::now();
    let alerts = [
        ("LongshoreShopDown", "critical", "acme"),
        ("LongshoreShopFailsFast", "critical", "acme"),
        ("LongshoreShopWorkersFull", "critical", "acme"),
        ("LongshoreShopFatalError", "warning", "acme"),
        ("LongshoreShopCertificateEndsSoon", "critical", "vinyl"),
        ("LongshoreShopCertificateEnds", "warning", "vinyl"),
        ("LongshoreShopSlow", "warning", "vinyl"),
        ("LongshoreHalted", "warning", ""),
    ];
    alertmanager.rings(&alerts).unwrap();
    let expected = set(&[
        ("LongshoreShopDown", "acme"),
        ("LongshoreShopFatalError", "acme"),
        ("LongshoreShopCertificateEndsSoon", "vinyl"),
        ("LongshoreShopSlow", "vinyl"),
        ("LongshoreHalted", ""),
    ]);
    assert_eq!(alertmanager.told(begin), expected);
    // One mail for each shop, and none of what is no more than a warning.
    assert_eq!(alertmanager.told.mails("LongshoreShopDown", "acme"), 1);
    assert_eq!(
        alertmanager
            .told
            .mails("LongshoreShopCertificateEndsSoon", "vinyl"),
        1
    );
    assert_eq!(alertmanager.told.mails("LongshoreHalted", ""), 0);
}

#[test]
#[ignore = "needs Alertmanager, of `tests/tools/tools DIRECTORY stack`; `make test-stack` runs it"]
fn a_cause_of_the_whole_fleet_silences_all_shops() {
    let alertmanager = Alertmanager::start();
    for cause in [
        "LongshoreFleetDown",
        "LongshoreFleetFails",
        "LongshoreFleetSlow",
        "LongshoreEdgeDown",
    ] {
        let begin = Instant::now();
        let shops = ["acme", "vinyl"].map(|shop| format!("{shop}-{}", cause.to_lowercase()));
        let mut alerts = vec![(cause, "critical", "")];
        for shop in &shops {
            alerts.push(("LongshoreShopFailsFast", "critical", shop));
            alerts.push(("LongshoreShopSlow", "warning", shop));
        }
        alertmanager.rings(&alerts).unwrap();
        assert_eq!(alertmanager.told(begin), set(&[(cause, "")]));
    }
}
