//! The console in the cluster, behind the edge, and an OpenID Connect provider beside the cluster.

#![allow(
    clippy::disallowed_methods,
    reason = "the harness makes its files itself, and has no failpoints"
)]

use super::{Platform, edge::Signed};
use crate::{
    chart,
    cluster::{HOST, built, eventually},
    peers::required,
    process::{Program, Running},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::{fs, net::TcpStream, time::Duration};

/// Its namespace.
pub const CONSOLE: &str = "console";
/// The name that people open.
pub const CONSOLE_HOST: &str = "console.localhost";
/// The name of the provider: browsers look for it on their own machine, and pods are told.
const ACCOUNTS_HOST: &str = "login.localhost";
/// The file, in the platform's directory, with who signed the certificate of both.
pub const AUTHORITY: &str = "console-authority.pem";
/// The secret that the provider knows the console by.
const CLIENT_SECRET: &str = "of the demo";
const START: Duration = Duration::from_mins(1);
/// Longer than any test; a demo goes on until its cluster ends.
const LIFE: Duration = Duration::from_hours(1000);

/// Where people reach the edge and the provider: ports of the same machine.
#[derive(Debug, Clone, Copy)]
pub struct Doors {
    /// The edge's.
    pub edge: u16,
    /// The provider's.
    pub accounts: u16,
}

impl Doors {
    /// The address of the console.
    #[must_use]
    pub fn console(self) -> String {
        match self.edge {
            443 => format!("https://{CONSOLE_HOST}"),
            port => format!("https://{CONSOLE_HOST}:{port}"),
        }
    }

    /// The provider, as its tokens call it.
    #[must_use]
    pub fn issuer(self) -> String {
        format!("https://{ACCOUNTS_HOST}:{}", self.accounts)
    }
}

impl Platform<'_> {
    /// The provider, killed when what this gives is dropped, with a certificate for itself and the
    /// console.
    ///
    /// # Panics
    ///
    /// It is not installed (`tests/tools/tools DIRECTORY accounts`), or does not start.
    #[must_use]
    #[track_caller]
    pub fn accounts(&self, doors: Doors) -> Running {
        // One for both: two authorities of one name are one to who believes them.
        let signed = Signed::for_hosts(&[CONSOLE_HOST, ACCOUNTS_HOST]);
        for (file, text) in [
            ("console.pem", &signed.certificate),
            ("console.key", &signed.key),
            (AUTHORITY, &signed.authority),
        ] {
            fs::write(self.path(file), text).expect("the platform's directory is writable");
        }
        let server = Program::new(required("serve-accounts"))
            .args([HOST, &doors.accounts.to_string(), &doors.issuer()])
            .arg(doors.console())
            .arg(self.path("console.key"))
            .arg(self.path("console.pem"))
            .arg(json!({ "anna": ["admins"], "boris": ["viewers"] }).to_string())
            .deadline(LIFE)
            .start();
        let address = format!("{HOST}:{}", doors.accounts);
        eventually("the provider", START, || TcpStream::connect(&address).ok());
        server
    }

    /// Installs the console behind the edge, beside whatever `values` have, for the people whom the
    /// provider knows: those of the group `admins`, and those of `viewers`.
    ///
    /// # Panics
    ///
    /// Its image is not built, or it does not start in time.
    #[track_caller]
    pub fn console(&self, mut values: Value, doors: Doors) {
        let image = built(self.cluster, "longshore-console");
        let (repository, digest) = image.by_digest();
        // The provider may have been started a moment ago, and writes this one last.
        eventually("the provider's authority", START, || {
            self.path(AUTHORITY).is_file().then_some(())
        });
        let file = |name| fs::read_to_string(self.path(name)).expect("the provider was started");
        let signed = Signed {
            authority: file(AUTHORITY),
            certificate: file("console.pem"),
            key: file("console.key"),
        };
        self.bring(CONSOLE, &signed);
        values["console"] = json!({
            "enabled": true,
            // Its Secret cannot be there before its namespace is.
            "replicas": 0,
            "image": { "repository": repository, "digest": digest },
            "host": CONSOLE_HOST,
            "url": doors.console(),
            "certificate": CONSOLE,
            "oidc": {
                "issuer": doors.issuer(),
                "scopes": ["openid", "groups"],
                "authority": signed.authority,
            },
            "hostAliases": [{ "ip": HOST, "hostnames": [ACCOUNTS_HOST] }],
            "roles": [
                { "role": "admin", "groups": ["oidc:admins"] },
                { "role": "viewer", "groups": ["oidc:viewers"] },
            ],
            "resources": { "requests": { "cpu": "20m", "memory": "32Mi" }, "limits": { "memory": "256Mi" } },
        });
        chart::install(self.cluster, &values);
        let key = STANDARD.encode(rand::random::<[u8; 32]>());
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": "longshore-console", "namespace": CONSOLE },
            "stringData": { "cookie-keys": key, "client-secret": CLIENT_SECRET },
        });
        self.apply(&secret.to_string());
        values["console"]["replicas"] = json!(2);
        chart::install(self.cluster, &values);
        self.rolled_out(CONSOLE, "deployment/longshore-console");
    }
}
