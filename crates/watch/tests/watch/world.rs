//! A cluster with one shop or some, and the program in it.

use crate::api::Api;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use observe::v1::{Errors, Uptime};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{
    env,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    process::Command,
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use watch::{Pace, Settings};

/// How long a test waits for what should be there.
const PATIENCE: Duration = Duration::from_secs(40);

/// The program. `make bench-watch` measures that of the images: `WATCH_IMAGE` says what
/// `images/binaries` made. It names its loader by a path that only images have.
pub fn program() -> Command {
    let Some(image) = env::var_os("WATCH_IMAGE") else {
        return Command::new(env!("CARGO_BIN_EXE_longshore-watch"));
    };
    let of_image = Path::new(&image).join("opt/longshore");
    let mut command = Command::new(of_image.join("lib/ld.so"));
    command
        .arg("--library-path")
        .arg(of_image.join("lib"))
        .arg(of_image.join("bin/longshore-watch"));
    command
}

/// All as in a cluster, but faster.
pub fn pace() -> Pace {
    Pace {
        collect: Duration::from_millis(200),
        agent_deadline: Duration::from_millis(500),
        probe: Duration::from_secs(1),
        probe_deadline: Duration::from_secs(1),
        retry: Duration::from_millis(50),
        page_every: 2,
    }
}

/// Stores a shop that serves visitors at these domains.
pub fn shop(api: &Api, name: &str, domains: &Value) {
    let hosts = domains.as_array().unwrap().iter();
    let claims: Vec<_> = hosts
        .map(|it| format!("host {}", it["host"].as_str().unwrap()))
        .collect();
    let mut shop =
        serde_json::to_value(::api::fixtures::shop(name, json!({ "domains": domains }))).unwrap();
    shop["status"] = json!({ "worked": "2026-11-30T12:00:00Z", "claims": claims });
    api.put("shops", name, shop);
    let class = ::api::fixtures::class("php", json!({}));
    api.put("shopclasses", "php", serde_json::to_value(class).unwrap());
}

/// Stores a pod that runs at an address.
pub fn pod(api: &Api, name: &str, namespace: &str, address: Ipv4Addr) {
    let pod = json!({
        "metadata": { "namespace": namespace }, "spec": { "containers": [] },
        "status": { "phase": "Running", "podIP": address.to_string() },
    });
    api.put("pods", name, pod);
}

/// The program, while it is held.
pub struct Program {
    pub address: SocketAddr,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Program {
    pub async fn begin(api: &Api, settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, cluster) = (
            CancellationToken::new(),
            client::Cluster::over(api.client()),
        );
        let (asked, mut tasks) = (stop.clone(), JoinSet::new());
        tasks.spawn(async move {
            watch::serve(cluster, settings, listener, asked)
                .await
                .unwrap();
        });
        Self {
            address,
            stop,
            tasks,
        }
    }

    /// Asks it to stop, and waits for its end.
    pub async fn end(mut self) {
        self.stop.cancel();
        self.tasks.join_next().await.unwrap().unwrap();
    }

    pub async fn errors(&self, shop: &str) -> Option<Errors> {
        get(self.address, &format!("/v1/shops/{shop}/errors?all=true")).await
    }

    pub async fn uptime(&self, shop: &str) -> Option<Uptime> {
        get(self.address, &format!("/v1/shops/{shop}/uptime")).await
    }
}

/// Settings at a directory.
pub fn settings(data: &Path, agent_port: u16) -> Settings {
    Settings {
        agent_port,
        pace: pace(),
        ..Settings::new(data)
    }
}

/// The answer as it is: its code and its body; nothing while nobody answers.
pub async fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: impl Into<Bytes>,
) -> Option<(u16, String)> {
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .ok()?;
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "watch")
        .body(Full::new(body.into()))
        .unwrap();
    let response = sender.send_request(request).await.ok()?;
    let code = response.status().as_u16();
    let body = response.into_body().collect().await.ok()?.to_bytes();
    Some((code, String::from_utf8(body.into()).unwrap()))
}

/// What a path answers with 200.
pub async fn get<T: DeserializeOwned>(address: SocketAddr, path: &str) -> Option<T> {
    let (code, body) = ask(address, "GET", path, "").await?;
    (code == 200).then(|| serde_json::from_str(&body).unwrap())
}

/// A metric's value: its line without that.
pub async fn metric(address: SocketAddr, line: &str) -> Option<f64> {
    let (_, page) = ask(address, "GET", "/metrics", "").await?;
    let line = page
        .lines()
        .find_map(|it| it.strip_prefix(line)?.strip_prefix(' '));
    Some(line?.parse().unwrap())
}

/// Waits until it is so.
pub async fn until<T>(what: &str, mut is: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(it) = is().await {
            return it;
        }
        assert!(began.elapsed() < PATIENCE, "not in time: {what}");
        sleep(Duration::from_millis(50)).await;
    }
}
