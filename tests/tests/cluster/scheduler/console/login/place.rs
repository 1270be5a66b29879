//! The provider, the console as its image runs it, and who has which role.

#![allow(
    clippy::disallowed_methods,
    reason = "a test makes its files itself, and has no failpoints"
)]

use super::{ACCOUNT, CONSOLE, FORM, PROVIDER};
use crate::scheduler::{LONG, SYSTEM, Scheduler, console::Browser};
use e2e::{
    cluster::eventually,
    peers::required,
    process::{Running, binary},
};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

/// The page's block of this number that begins like this.
pub(super) fn of_the_page(number: usize, begin: &str) -> String {
    let page = include_str!("../../../../../../docs/console.md");
    let mut blocks = page.split("```yaml\n").skip(1);
    let block = blocks.nth(number).unwrap().split("```").next().unwrap();
    assert!(block.contains(begin), "{block}");
    block.to_owned()
}

/// Who has which role: the bindings that the page describes.
pub(super) fn bindings() -> String {
    let bind = |kind: &str, role: &str, of: &str, subject: Value, space: Option<&str>| {
        let name = format!(
            "{role}-{}",
            subject["name"].as_str().unwrap().replace(':', "-")
        );
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
            "metadata": { "name": name, "namespace": space },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": of, "name": role },
            "subjects": [subject],
        })
    };
    let own = || json!({ "kind": "ServiceAccount", "name": ACCOUNT, "namespace": SYSTEM });
    let group = |name: &str| {
        let name = format!("oidc:{name}");
        json!({ "kind": "Group", "name": name, "apiGroup": "rbac.authorization.k8s.io" })
    };
    let all =
        |role: &str, subject: Value| bind("ClusterRoleBinding", role, "ClusterRole", subject, None);
    let inside = |role: &str, of: &str, subject: Value, space: &str| {
        bind("RoleBinding", role, of, subject, Some(space))
    };
    let objects = [
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": ACCOUNT, "namespace": SYSTEM } }),
        all("longshore-console", own()),
        inside("longshore-console", "Role", own(), SYSTEM),
        all("longshore-console-impersonate", own()),
        inside("longshore-console-impersonate", "Role", own(), SYSTEM),
        all("longshore-console-dry-run", own()),
        all("longshore-viewer", group("viewers")),
        all("longshore-viewer", group("release-managers")),
        inside("longshore-viewer", "Role", group("viewers"), SYSTEM),
        all("longshore-rollouts", group("release-managers")),
        all("longshore-release-manager", group("release-managers")),
        inside(
            "longshore-release-manager",
            "Role",
            group("release-managers"),
            SYSTEM,
        ),
        all("longshore-manager-of-acme", group("shop-managers")),
        all("longshore-rollouts", group("shop-managers")),
        inside(
            "longshore-manager-in-namespace",
            "ClusterRole",
            group("shop-managers"),
            "shop-c000",
        ),
        all("cluster-admin", group("admins")),
    ];
    objects.map(|object| object.to_string()).join("\n---\n")
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
        fs::write(place.file("secret"), "a secret of tests\n").unwrap();
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
        let mut running = self
            .scheduler
            .cluster
            .program(&required("oidc-provider").display().to_string())
            .args(["19444", "19443", "19813"])
            .args([self.file("key.pem"), self.file("certificate.pem")])
            .deadline(LONG)
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
            SYSTEM,
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
            .env("LONGSHORE_CONSOLE_OIDC_CLIENT_ID", "console")
            .env("LONGSHORE_CONSOLE_OIDC_CLIENT_SECRET_FILE", file("secret"))
            .env("LONGSHORE_CONSOLE_OIDC_CA_FILE", file("certificate.pem"))
            .env("LONGSHORE_CONSOLE_OIDC_SCOPES", "openid,groups")
            .env("LONGSHORE_CONSOLE_COOKIE_KEY_FILE", file("keys"))
            .deadline(LONG)
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
