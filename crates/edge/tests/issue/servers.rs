//! What stands around the issuer: Pebble, its name server, one before that which can be silent, the
//! edge as it answers HTTP-01, and a proxy before Pebble that can refuse and stall.

use crate::{api::Api, tls::Tls};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::{Bytes, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use runtime::fixtures::free_port;
use serde_json::json;
use std::{
    convert::Infallible,
    env,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
    process::{Child, Command},
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_rustls::TlsAcceptor;

/// `make tools` leaves it beside the test's own binary.
fn tool(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let mut found = test
        .ancestors()
        .map(|directory| directory.join("tools/bin").join(name));
    found
        .find(|tool| tool.is_file())
        .unwrap_or_else(|| panic!("{name} is not installed; run `make tools`"))
}

fn start(program: &str, arguments: &[String], variables: &[(&str, String)], log: &Path) -> Child {
    let log = std::fs::File::create(log).unwrap();
    Command::new(tool(program))
        .args(arguments)
        .envs(variables.iter().map(|(name, value)| (*name, value)))
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Waits for a page of a program, which writes this log.
async fn up(tls: &Tls, url: &str, log: &Path) {
    let began = Instant::now();
    while tls.ask(url, None).await.is_none() {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "{url} does not answer; its program says: {}",
            std::fs::read_to_string(log).unwrap()
        );
        sleep(Duration::from_millis(50)).await;
    }
}

/// A name server whose records a test sets.
pub struct Dns {
    management: String,
    port: u16,
    _process: Child,
}

impl Dns {
    pub async fn start(directory: &Path) -> Self {
        let (port, management) = (free_port(), free_port());
        let arguments: Vec<String> = [
            format!("-dnsserver=127.0.0.1:{port}"),
            format!("-management=127.0.0.1:{management}"),
            "-http01=".to_owned(),
            "-https01=".to_owned(),
            "-tlsalpn01=".to_owned(),
            "-doh=".to_owned(),
            "-defaultIPv4=127.0.0.1".to_owned(),
            "-defaultIPv6=".to_owned(),
        ]
        .into();
        let log = directory.join("dns.log");
        let process = start("pebble-challtestsrv", &arguments, &[], &log);
        let began = Instant::now();
        let address = (Ipv4Addr::LOCALHOST, management);
        while tokio::net::TcpStream::connect(address).await.is_err() {
            assert!(began.elapsed() < Duration::from_secs(30), "no name server");
            sleep(Duration::from_millis(50)).await;
        }
        Self {
            management: format!("http://127.0.0.1:{management}"),
            port,
            _process: process,
        }
    }

    /// Sets something, as the program's documentation has it.
    pub async fn set(&self, tls: &Tls, what: &str, value: serde_json::Value) {
        let url = format!("{}/{what}", self.management);
        tls.ask(&url, Some(value.to_string())).await.unwrap();
    }
}

/// A name server that passes questions on, and says nothing of names below `dead.example`.
pub async fn silent(dns: &Dns, tasks: &mut JoinSet<()>) -> SocketAddr {
    let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let (address, behind) = (socket.local_addr().unwrap(), dns.port);
    tasks.spawn(async move {
        let mut questions = JoinSet::new();
        loop {
            let mut packet = vec![0; 1500];
            let Ok((length, from)) = socket.recv_from(&mut packet).await else {
                continue;
            };
            packet.truncate(length);
            if packet
                .to_ascii_lowercase()
                .windows(13)
                .any(|it| it == b"\x04dead\x07example")
            {
                continue;
            }
            let socket = Arc::clone(&socket);
            questions.spawn(async move {
                let ask = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                ask.connect(("127.0.0.1", behind)).await.unwrap();
                ask.send(&packet).await.ok();
                let mut answer = vec![0; 4096];
                if let Ok(length) = ask.recv(&mut answer).await {
                    socket.send_to(&answer[..length], from).await.ok();
                }
            });
            while questions.try_join_next().is_some() {}
        }
    });
    address
}

/// The edge as it answers HTTP-01: with the thumbprint that it finds in the cluster. Hosts that
/// begin with `deaf` get a page of somebody else; those that begin with `fickle` get it only when
/// the CA asks, which says so itself.
pub async fn edge(api: Api, tasks: &mut JoinSet<()>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tasks.spawn(async move {
        let mut answers = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let thumbprint = api.data("configmaps", "acme", "thumbprint");
            answers.spawn(async move {
                let mut request = vec![0; 4096];
                let read = stream.read(&mut request).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..read]).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default();
                let token = path.rsplit('/').next().unwrap_or_default();
                let lower = request.to_ascii_lowercase();
                let deaf = lower.contains("host: deaf")
                    || (lower.contains("host: fickle") && lower.contains("letsencrypt"));
                let body = match thumbprint {
                    Some(thumbprint) if !deaf => format!("{token}.{thumbprint}"),
                    _ => "somebody else".to_owned(),
                };
                let length = body.len();
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).await.ok();
            });
            while answers.try_join_next().is_some() {}
        }
    });
    port
}

/// The key of the external account, as Pebble's documentation has it.
pub const HMAC_KEY: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";

/// What kind of a CA it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kind {
    /// It forgets so many of a hundred nonces.
    pub nonces_rejected: u8,
    /// It wants an external account.
    pub external_account: bool,
}

/// The CA.
pub struct Pebble {
    pub port: u16,
    management: String,
    process: Child,
}

impl Pebble {
    pub async fn start(directory: &Path, tls: &Tls, dns: &Dns, http_port: u16, ca: Kind) -> Self {
        Self::start_at(free_port(), directory, tls, dns, http_port, ca).await
    }

    pub async fn start_at(
        port: u16,
        directory: &Path,
        tls: &Tls,
        dns: &Dns,
        http_port: u16,
        ca: Kind,
    ) -> Self {
        let management = free_port();
        let file = |name: &str| directory.join(name).to_str().unwrap().to_owned();
        let config = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": file("cert.pem"), "privateKey": file("key.pem"),
            "httpPort": http_port, "tlsPort": 1,
            "caaIdentities": ["pebble.example"],
            "externalAccountBindingRequired": ca.external_account,
            "externalAccountMACKeys": { "key-1": HMAC_KEY },
            "domainBlocklist": ["blocked.example"],
            "retryAfter": { "authz": 1, "order": 1 },
            "keyAlgorithm": "ecdsa",
            "profiles": { "default": { "description": "", "validityPeriod": 7_776_000 } },
        } });
        std::fs::write(directory.join("pebble.json"), config.to_string()).unwrap();
        let arguments = [
            "-config".to_owned(),
            file("pebble.json"),
            "-dnsserver".to_owned(),
            format!("127.0.0.1:{}", dns.port),
            "-strict=false".to_owned(),
        ];
        let variables = [
            ("PEBBLE_VA_NOSLEEP", "1".to_owned()),
            ("PEBBLE_WFE_NONCEREJECT", ca.nonces_rejected.to_string()),
            ("PEBBLE_AUTHZREUSE", "0".to_owned()),
        ];
        let log = directory.join("pebble.log");
        let process = start("pebble", &arguments, &variables, &log);
        up(tls, &format!("https://127.0.0.1:{port}/dir"), &log).await;
        Self {
            port,
            management: format!("https://127.0.0.1:{management}"),
            process,
        }
    }

    pub async fn stop(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// The root of what it issues.
    pub async fn root(&self, tls: &Tls) -> String {
        let url = format!("{}/roots/0", self.management);
        String::from_utf8(tls.ask(&url, None).await.unwrap().to_vec()).unwrap()
    }

    /// Says when a certificate is to be renewed.
    pub async fn renew_between(&self, tls: &Tls, certificate: &str, start: &str, end: &str) {
        let window = json!({ "suggestedWindow": { "start": start, "end": end } });
        let body = json!({ "certificate": certificate, "ariResponse": window.to_string() });
        let url = format!("{}/set-renewal-info/", self.management);
        tls.ask(&url, Some(body.to_string())).await.unwrap();
    }
}

/// What the proxy does with requests whose path has a text in it.
#[derive(Debug, Clone)]
pub enum Rule {
    /// It answers this itself: code, `Retry-After`, and the body.
    Refuse(u16, &'static str, String),
    /// It never answers.
    Stall,
}

/// A proxy before Pebble.
#[derive(Clone)]
pub struct Proxy {
    pub port: u16,
    rules: Arc<Mutex<Vec<(String, Rule)>>>,
    /// Paths that were asked for.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub async fn start(tls: Arc<Tls>, pebble: u16, tasks: &mut JoinSet<()>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            rules: Arc::default(),
            asked: Arc::default(),
        };
        let (acceptor, client) = (TlsAcceptor::from(tls.server()), tls.client());
        let serving = proxy.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, client, proxy) = (acceptor.clone(), client.clone(), serving.clone());
                connections.spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let serve = service_fn(|request: Request<Incoming>| {
                        let (client, proxy) = (client.clone(), proxy.clone());
                        async move {
                            let request = proxy.turned(request, pebble).await;
                            let response = match request {
                                Ok(request) => {
                                    let response = client.request(request).await.unwrap();
                                    let (parts, body) = response.into_parts();
                                    let body = body.collect().await.unwrap().to_bytes();
                                    Response::from_parts(parts, Full::from(body))
                                }
                                Err(response) => response,
                            };
                            Ok::<_, Infallible>(response)
                        }
                    });
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), serve)
                        .await
                        .ok();
                });
            }
        });
        proxy
    }

    pub fn rule(&self, path: &str, rule: Rule) {
        self.rules.lock().push((path.to_owned(), rule));
    }

    pub fn clear(&self) {
        self.rules.lock().clear();
    }

    /// How often a path with this text in it was asked for.
    pub fn asked(&self, path: &str) -> usize {
        self.asked
            .lock()
            .iter()
            .filter(|it| it.contains(path))
            .count()
    }

    async fn turned(
        &self,
        request: Request<Incoming>,
        pebble: u16,
    ) -> Result<Request<Full<Bytes>>, Response<Full<Bytes>>> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        self.asked.lock().push(path.clone());
        let rule = self
            .rules
            .lock()
            .iter()
            .find(|(text, _)| path.contains(text))
            .map(|(_, rule)| rule.clone());
        match rule {
            Some(Rule::Stall) => std::future::pending().await,
            Some(Rule::Refuse(code, after, body)) => Err(Response::builder()
                .status(code)
                .header("retry-after", after)
                .header("content-type", "application/problem+json")
                .body(Full::from(body))
                .unwrap()),
            None => {
                let body = body.collect().await.unwrap().to_bytes();
                // The Host header stays: Pebble makes its URLs of it.
                let uri = format!("https://127.0.0.1:{pebble}{path}");
                parts.uri = uri.parse().unwrap();
                Ok(Request::from_parts(parts, Full::from(body)))
            }
        }
    }
}
