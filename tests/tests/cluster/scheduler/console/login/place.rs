//! The provider, the console as its image runs it, and who has which role.

#![allow(
    clippy::disallowed_methods,
    reason = "a test makes its files itself, and has no failpoints"
)]

use super::{ACCOUNT, CONSOLE, FORM, PROVIDER, SPACE};
use crate::scheduler::{LONG, Scheduler, console::Browser};
use e2e::{
    chart,
    cluster::eventually,
    peers::required,
    process::{Running, binary},
};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

/// The console's rights, and who has which role, as the chart has them; its pods are not started.
pub(super) fn values() -> Value {
    let mut values = chart::without_pods();
    let role = |role: &str| json!({ "role": role, "groups": [format!("oidc:{role}s")] });
    let mut manager = role("shop-manager");
    manager["shops"] = json!(["c000"]);
    values["console"] = json!({
        "enabled": true, "replicas": 0, "secretKeys": true,
        "image": { "digest": format!("sha256:{:064x}", 0) },
        "host": "console.localhost", "oidc": { "issuer": PROVIDER },
        "roles": [role("viewer"), manager, role("release-manager"), role("admin")],
    });
    values
}

/// What is left to whoever installs the chart: an admin who may write what shops are made of.
pub(super) fn admins() -> String {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": { "name": "admins" },
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin",
        },
        "subjects": [{
            "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "oidc:admins",
        }],
    })
    .to_string()
}

/// The provider, the console, and what they have on disk.
pub(super) struct Place<'a> {
    scheduler: &'a Scheduler<'a>,
    provider: Option<Running>,
    console: Option<Running>,
}

impl<'a> Place<'a> {
    pub(super) fn new(scheduler: &'a Scheduler<'a>) -> Self {
        let key = KeyPair::generate().unwrap();
        let names = ["localhost", "console.localhost"].map(str::to_owned);
        let certificate = CertificateParams::new(names).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        let mut place = Self {
            scheduler,
            provider: None,
            console: None,
        };
        fs::write(place.file("key.pem"), key.serialize_pem()).unwrap();
        fs::write(place.file("certificate.pem"), certificate.pem()).unwrap();
        fs::write(place.file("secret"), "of the demo\n").unwrap();
        place.keys(&[1]);
        place.provider();
        place.account();
        place
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.scheduler.scratch.path().join(name)
    }

    /// Keys of cookies, each of one byte.
    pub(super) fn keys(&self, bytes: &[u8]) {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let lines = bytes.iter().map(|byte| STANDARD.encode([*byte; 32]));
        let lines: Vec<_> = lines.collect();
        fs::write(self.file("keys"), lines.join("\n")).unwrap();
    }

    /// Starts the provider, with keys and sessions of its own.
    pub(super) fn provider(&mut self) {
        self.provider = None;
        let groups = json!({
            "anna": ["shop-managers"], "boris": ["viewers"], "clara": ["admins"],
            "dora": ["release-managers"], "nora": ["nord-managers"], "evil": ["system:masters"],
        });
        let mut running = self
            .scheduler
            .cluster
            .program(&required("serve-accounts").display().to_string())
            .args(["localhost", "19444", PROVIDER, CONSOLE])
            .args([self.file("key.pem"), self.file("certificate.pem")])
            .args([&groups.to_string(), "19443", "19813"])
            .deadline(LONG * 4)
            .start();
        assert_eq!(running.first_line(), "ready");
        self.provider = Some(running);
    }

    /// The kubeconfig of the console's own account.
    pub(super) fn account(&self) {
        let cluster = self.scheduler.cluster;
        let token = [
            "create",
            "token",
            ACCOUNT,
            "--namespace",
            SPACE,
            "--duration",
            "2h",
        ];
        let token = cluster.ask(&token);
        let view = ["config", "view", "--raw", "--minify", "--output", "json"];
        let mut config: Value = serde_json::from_str(&cluster.ask(&view)).unwrap();
        config["users"][0]["user"] = json!({ "token": token.trim() });
        fs::write(self.file("console"), config.to_string()).unwrap();
    }

    /// Starts the console, as its image does; the log of the one before.
    pub(super) fn console(&mut self) -> String {
        let before = self.stop();
        let file = |name: &str| self.file(name).display().to_string();
        let mut running = self
            .scheduler
            .cluster
            .program(&binary("longshore-console").display().to_string())
            .env("KUBECONFIG", self.file("console"))
            .env("LONGSHORE_CONSOLE_URL", CONSOLE)
            .env("LONGSHORE_CONSOLE_LISTEN", "127.0.0.1:19813")
            .env("LONGSHORE_CONSOLE_OIDC_ISSUER", PROVIDER)
            .env("LONGSHORE_CONSOLE_OIDC_CLIENT_ID", "longshore-console")
            .env("LONGSHORE_CONSOLE_OIDC_CLIENT_SECRET_FILE", file("secret"))
            .env("LONGSHORE_CONSOLE_OIDC_CA_FILE", file("certificate.pem"))
            .env("LONGSHORE_CONSOLE_OIDC_SCOPES", "openid,groups")
            .env("LONGSHORE_CONSOLE_COOKIE_KEY_FILE", file("keys"))
            .deadline(LONG * 4)
            .start();
        assert_eq!(running.first_line(), format!("Open {CONSOLE}/"));
        self.console = Some(running);
        before
    }

    pub(super) fn stop(&mut self) -> String {
        let Some(running) = self.console.take() else {
            return String::new();
        };
        running.signal(rustix::process::Signal::TERM).unwrap();
        let outcome = running.wait();
        assert_eq!(outcome.code(), Some(0), "{outcome:?}");
        outcome.stderr
    }

    /// The browser of a person, who is not logged in.
    pub(super) fn browser(&self, person: &str) -> Browser<'a> {
        let jar = self.file(&format!("{person}.jar"));
        let trust = vec![
            "--cacert".to_owned(),
            self.file("certificate.pem").display().to_string(),
        ];
        Browser::new(self.scheduler.cluster, CONSOLE, jar, trust)
    }

    /// The same, logged in, at a page.
    pub(super) fn logged_in(&self, person: &str, path: &str) -> Browser<'a> {
        let mut browser = self.browser(person);
        browser.visit(path);
        assert!(browser.page.contains(FORM), "{}", browser.page);
        browser.submit("Sign-in", &[("login", person), ("password", "any")]);
        eventually("the registry is read", LONG, || {
            if browser.code == 503 {
                browser.reload();
            }
            (browser.code != 503).then_some(())
        });
        browser
    }
}
