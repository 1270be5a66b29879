//! Pebble, and the name server that it asks.

use super::LIFE;
use e2e::{
    peers::required,
    platform::edge::Signed,
    process::{Program, Running},
};
use runtime::fixtures::free_port;
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A certificate authority, the name server that it asks, and whom to trust for it.
pub(super) struct Authority {
    pub(super) directory: String,
    pub(super) dns: u16,
    names: u16,
    management: u16,
    pub(super) bundle: PathBuf,
    _processes: [Running; 2],
}

impl Authority {
    pub(super) fn start(scratch: &Path, http: u16) -> Self {
        let [port, management, dns, dns_management] = [(); 4].map(|()| free_port());
        let signed = Signed::for_host("127.0.0.1");
        let file = |name: &str, text: &str| {
            let path = scratch.join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let bundle = file("authority.pem", &signed.authority);
        let config = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": file("cert.pem", &signed.certificate),
            "privateKey": file("key.pem", &signed.key),
            "httpPort": http, "tlsPort": 1, "caaIdentities": ["pebble.example"],
            "profiles": { "default": { "description": "", "validityPeriod": 7_776_000 } },
        } });
        let names = Program::new(required("pebble-challtestsrv"))
            .args([
                format!("-dnsserver=127.0.0.1:{dns}"),
                format!("-management=127.0.0.1:{dns_management}"),
            ])
            .args([
                "-http01=",
                "-https01=",
                "-tlsalpn01=",
                "-doh=",
                "-defaultIPv6=",
            ])
            .arg("-defaultIPv4=127.0.0.1")
            .deadline(LIFE)
            .start();
        let pebble = Program::new(required("pebble"))
            .arg("-config")
            .arg(file("pebble.json", &config.to_string()))
            .args(["-dnsserver", &format!("127.0.0.1:{dns}"), "-strict=false"])
            .env("PEBBLE_VA_NOSLEEP", "1")
            .deadline(LIFE)
            .start();
        Self {
            directory: format!("https://127.0.0.1:{port}/dir"),
            dns,
            names: dns_management,
            management,
            bundle,
            _processes: [names, pebble],
        }
    }

    /// The root of what it issues; it takes a moment to answer.
    pub(super) fn root(&self, scratch: &Path) -> Option<PathBuf> {
        let path = scratch.join("root.pem");
        let url = format!("https://127.0.0.1:{}/roots/0", self.management);
        let words = ["--silent", "--fail", "--insecure", "--output"];
        let asked = Program::new("curl").args(words).arg(&path).arg(url).run();
        (asked.code() == Some(0)).then_some(path)
    }

    /// The name server says from now on that a host is elsewhere.
    #[track_caller]
    pub(super) fn moves(&self, host: &str, address: &str) {
        let record = json!({ "host": format!("{host}."), "addresses": [address] });
        let url = format!("http://127.0.0.1:{}/add-a", self.names);
        Program::new("curl")
            .args(["--silent", "--fail", "--data", &record.to_string(), &url])
            .run()
            .expect(0);
    }
}
