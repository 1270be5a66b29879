//! Everything around an issuer, and the issuer.

use crate::{
    api::Api,
    servers::{self, Dns, Kind, Pebble, Proxy},
    tls::Tls,
};
use edge::{
    certificate::CertificateRecord,
    issue::{IssueError, Pace, Settings},
};
use serde_json::json;
use std::{collections::BTreeMap, fmt::Write as _, net::IpAddr, sync::Arc, time::Duration};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// How long a test waits for something at most.
const PATIENCE: Duration = Duration::from_secs(90);

pub struct World {
    pub api: Api,
    pub tls: Arc<Tls>,
    pub dns: Dns,
    pub pebble: Pebble,
    pub proxy: Proxy,
    pub settings: Settings,
    _tasks: JoinSet<()>,
    pub directory: tempfile::TempDir,
}

impl World {
    pub async fn start() -> Self {
        Self::with(Kind::default()).await
    }

    pub async fn with(ca: Kind) -> Self {
        // What the issuer says is shown where a test fails.
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::INFO)
            .with_ansi(false)
            .with_test_writer()
            .try_init()
            .ok();
        let directory = tempfile::tempdir().unwrap();
        let tls = Arc::new(Tls::new());
        tls.write(directory.path());
        let mut tasks = JoinSet::new();
        let api = Api::default();
        let dns = Dns::start(directory.path()).await;
        let silent = servers::silent(&dns, &mut tasks).await;
        let http_port = servers::edge(api.clone(), &mut tasks).await;
        let pebble = Pebble::start(directory.path(), &tls, &dns, http_port, ca).await;
        let proxy = Proxy::start(Arc::clone(&tls), pebble.port, &mut tasks).await;
        let directory_url = format!("https://127.0.0.1:{}/dir", proxy.port);
        let mut settings = Settings::new(directory_url, "test");
        settings.addresses = vec![IpAddr::from([127, 0, 0, 1])];
        settings.ca_bundle = Some(directory.path().join("root.pem"));
        settings.dns = Some(silent);
        settings.http_port = http_port;
        settings.contact = vec!["operator@platform.example".to_owned()];
        settings.pace = Pace {
            publish: Duration::from_millis(200),
            first_wait: Duration::from_secs(2),
            renewal_info: Duration::from_secs(2),
            ca_wait: Duration::from_millis(200),
        };
        Self {
            api,
            tls,
            dns,
            pebble,
            proxy,
            settings,
            _tasks: tasks,
            directory,
        }
    }

    /// The maps with these lines, by file.
    pub fn maps(&self, lines: &[(&str, &str)]) {
        let mut shards: BTreeMap<u32, BTreeMap<&str, String>> = BTreeMap::new();
        for (file, line) in lines {
            let host = line.split(' ').next().unwrap();
            let shard = shards.entry(api::edge::shard_of(host)).or_default();
            writeln!(shard.entry(file).or_default(), "{line}").unwrap();
        }
        for number in 0..api::edge::SHARDS {
            let name = api::edge::shard_name(number);
            let data = shards.remove(&number).unwrap_or_default();
            self.api.put("configmaps", &name, json!({ "data": data }));
        }
    }

    /// Hosts of shops, and nothing else.
    pub fn hosts(&self, hosts: &[&str]) {
        let lines: Vec<String> = hosts.iter().map(|it| format!("{it} shop-a")).collect();
        let lines: Vec<(&str, &str)> = lines
            .iter()
            .map(|it| (api::edge::BACKENDS, it.as_str()))
            .collect();
        self.maps(&lines);
    }

    pub fn issuer(&self) -> Issuer {
        let stop = CancellationToken::new();
        let mut task = JoinSet::new();
        let (cluster, settings) = (self.api.cluster(), self.settings.clone());
        task.spawn(edge::issue::run(cluster, settings, stop.clone()));
        Issuer { stop, task }
    }

    pub fn record(&self, host: &str) -> Option<CertificateRecord> {
        let records = self.api.all("configmaps", "certificates-");
        let text = records.get(&edge::certificate::key_of(host))?;
        Some(serde_json::from_str(text).unwrap())
    }

    /// Key, leaf and chain of a host.
    pub fn certificate(&self, host: &str) -> Option<String> {
        let all = self.api.all("secrets", "certificates-");
        all.get(&edge::certificate::key_of(host)).cloned()
    }

    /// The record of a host, once it is as a test expects.
    pub async fn until(
        &self,
        host: &str,
        what: &str,
        is: impl Fn(&CertificateRecord) -> bool,
    ) -> CertificateRecord {
        let began = Instant::now();
        loop {
            let record = self.record(host);
            if let Some(record) = record.as_ref().filter(|it| is(it)) {
                return record.clone();
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{host}: not {what}: {record:#?}"
            );
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Until a host has this problem.
    pub async fn problem(&self, host: &str, code: &str) -> CertificateRecord {
        self.until(host, code, |it| it.code.as_deref() == Some(code))
            .await
    }

    /// Until a host has a certificate, which is as good as it should be.
    pub async fn issued(&self, host: &str) -> CertificateRecord {
        let record = self
            .until(host, "issued", |it| {
                it.state == edge::certificate::CertificateState::Issued
            })
            .await;
        let pem = self.certificate(host).unwrap();
        let now = jiff::Timestamp::now();
        edge::certificate::check(pem.as_bytes(), host, now).unwrap();
        let root = self.pebble.root(&self.tls).await;
        crate::tls::verify(&pem, &root, host).unwrap();
        record
    }
}

/// An issuer that runs.
pub struct Issuer {
    stop: CancellationToken,
    task: JoinSet<Result<(), IssueError>>,
}

impl Issuer {
    /// Stops it as Kubernetes does.
    pub async fn stop(mut self) {
        self.stop.cancel();
        self.task.join_next().await.unwrap().unwrap().unwrap();
    }

    /// Stops it as a power failure does.
    pub async fn kill(mut self) {
        self.task.shutdown().await;
    }
}
