//! One tenant: its sources at CI, its releases in the registry, and its pods.

mod pods;
mod releases;

pub use pods::Pod;

use super::{Platform, minio};
use crate::cluster::eventually;
use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    io::{self, Write as _},
    net::SocketAddr,
    path::PathBuf,
    thread,
    time::Duration,
};

/// How long the pods of a new shop may take, with a dozen others on two cores.
const PODS: Duration = Duration::from_mins(3);

/// A tenant.
#[derive(Debug)]
pub struct Tenant<'a> {
    platform: &'a Platform<'a>,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

impl<'a> Tenant<'a> {
    pub(super) fn new(platform: &'a Platform<'a>, name: &str) -> Self {
        Self {
            platform,
            name: name.to_owned(),
            namespace: format!("shop-{name}"),
        }
    }

    /// The sources of one of its modules.
    #[must_use]
    pub fn module(&self, module: &str) -> PathBuf {
        self.platform
            .path(format!("tenants/{}/{module}", self.name))
    }

    /// Makes the Shop, with `more` in its spec, and the Secret with which its pods read the store.
    ///
    /// # Panics
    ///
    /// The API server refuses, or the scheduler makes no namespace.
    #[track_caller]
    pub fn open(&self, class: &str, more: &Value) {
        let mut spec = json!({
            "class": class, "channel": format!("shops/{}", self.name), "state": "Active",
            "domains": [{ "host": format!("{}.example", self.name), "primary": true }],
            "services": { "media": { "ref": "disk", "path": format!("/{}", self.name) } },
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        let shop = json!({
            "apiVersion": "longshore.dev/v1alpha1", "kind": "Shop",
            "metadata": { "name": self.name }, "spec": spec,
        });
        self.platform.apply(&shop.to_string());
        self.opened();
    }

    /// Opens it by `shop create`, with these words, as an operator does; the values of the Secret's
    /// keys are in variables.
    #[track_caller]
    pub fn create(&self, class: &str, words: &[&str], secret: &[(&str, &str)]) {
        let host = format!("{}.example", self.name);
        let keys: Vec<_> = secret
            .iter()
            .map(|(key, _)| format!("{key}=SHOP_{}", key.to_uppercase().replace('-', "_")))
            .collect();
        let keys = keys.iter().flat_map(|key| ["--from-env", key.as_str()]);
        let fixed = [
            "shop", "create", &self.name, "--class", class, "--domain", &host,
        ];
        let program = self
            .platform
            .operator(fixed.into_iter().chain(words.iter().copied()).chain(keys));
        let variables = secret.iter().map(|(key, value)| {
            (
                format!("SHOP_{}", key.to_uppercase().replace('-', "_")),
                (*value).to_owned(),
            )
        });
        program.envs(variables).run().expect(0);
        self.opened();
    }

    /// Waits for its namespace, and puts there what its pods read the store with.
    #[track_caller]
    fn opened(&self) {
        let cluster = self.platform.cluster;
        eventually("the namespace of the shop", PODS, || {
            cluster
                .kubectl(["get", "namespace", &self.namespace])
                .run()
                .code()
                .filter(|code| *code == 0)
        });
        let (name, secret) = minio::PODS;
        self.secret(
            "store",
            &json!({ "access-key-id": name, "secret-access-key": secret }),
        );
    }

    /// A Secret in its namespace.
    #[track_caller]
    pub fn secret(&self, name: &str, data: &Value) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": name, "namespace": self.namespace }, "stringData": data,
        });
        self.platform.apply(&secret.to_string());
    }

    /// Changes the Shop's spec.
    #[track_caller]
    pub fn change(&self, spec: &Value) {
        let patch = json!({ "spec": spec }).to_string();
        self.platform.cluster.ask(&[
            "patch",
            "shop",
            &self.name,
            "--type=merge",
            "--patch",
            &patch,
        ]);
    }

    /// Waits until `number` pods serve it, and no other is there.
    ///
    /// # Panics
    ///
    /// They do not in time.
    #[track_caller]
    #[allow(clippy::must_use_candidate, reason = "often called to wait")]
    pub fn served_by(&self, number: usize) -> Vec<Pod> {
        let begin = std::time::Instant::now();
        loop {
            let pods = self.pods();
            if pods.len() == number && pods.iter().all(|pod| pod.ready && !pod.leaving) {
                return pods;
            }
            assert!(
                begin.elapsed() < PODS,
                "{number} pods of {}: {pods:#?}\n{}",
                self.name,
                self.platform.tell(&self.namespace)
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits until its pods are those that the Shop wants as it was changed last.
    #[track_caller]
    pub fn settled(&self) {
        let cluster = self.platform.cluster;
        eventually("the Shop as it was changed last", PODS, || {
            let words = ["get", "shop", &self.name, "--output", "json"];
            let shop: Value =
                serde_json::from_str(&cluster.kubectl(words).run().stdout).unwrap_or_default();
            let status = &shop["status"];
            let applied = status["conditions"].as_array().is_some_and(|conditions| {
                conditions
                    .iter()
                    .any(|it| it["type"] == "Applied" && it["status"] == "True")
            });
            (shop["metadata"]["generation"].is_u64()
                && shop["metadata"]["generation"] == status["observedGeneration"]
                && applied)
                .then_some(())
        });
        // There is none yet where a migration comes first.
        let words = [
            "rollout",
            "status",
            "deployment/web",
            "--namespace",
            &self.namespace,
            "--timeout=5s",
        ];
        eventually("its Deployment's rollout", PODS, || {
            cluster
                .kubectl(words)
                .run()
                .code()
                .filter(|code| *code == 0)
        });
    }

    /// The address of its Service.
    ///
    /// # Panics
    ///
    /// There is none.
    #[must_use]
    #[track_caller]
    pub fn service(&self) -> SocketAddr {
        let service =
            self.platform
                .cluster
                .get(&["service", "web", "--namespace", &self.namespace]);
        let address = service["spec"]["clusterIP"]
            .as_str()
            .and_then(|address| address.parse().ok());
        SocketAddr::new(
            address.unwrap_or_else(|| panic!("no address: {service:#}")),
            80,
        )
    }

    /// The sequence that the scheduler tells it to run.
    #[must_use]
    #[track_caller]
    pub fn told(&self) -> Option<u64> {
        self.platform.cluster.get(&["shop", &self.name])["status"]["release"]["sequence"].as_u64()
    }

    /// What `longshore why` says.
    #[must_use]
    #[track_caller]
    pub fn why(&self) -> String {
        self.platform
            .operator(["why", &self.name])
            .run()
            .expect(0)
            .stdout
    }

    /// Cleans its caches by `shop clean-cache`. Gives what that says.
    #[must_use]
    #[track_caller]
    pub fn clean_cache(&self) -> String {
        self.platform
            .operator(["shop", "clean-cache", &self.name])
            .run()
            .expect(0)
            .stdout
    }
}

/// Its pods go, so that the next one has room; its data stays.
impl Drop for Tenant<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let mut told = self.platform.tell(&self.namespace);
            match self.platform.keep_logs(&self.namespace) {
                Ok(kept) => write!(
                    told,
                    "\n--- all logs of its pods are in {}\n",
                    kept.display()
                )
                .unwrap_or_default(),
                Err(error) => write!(told, "\n--- logs of its pods are not kept: {error}\n")
                    .unwrap_or_default(),
            }
            // Nothing is left to tell of a closed standard error.
            io::stderr().write_all(told.as_bytes()).unwrap_or_default();
        }
        let patch = [
            "patch",
            "shop",
            &self.name,
            "--type=merge",
            "--patch",
            r#"{"spec":{"state":"Suspended"}}"#,
        ];
        drop(self.platform.cluster.kubectl(patch).run());
    }
}
