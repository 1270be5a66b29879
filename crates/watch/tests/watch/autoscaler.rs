//! What autoscalers ask, with the API server's certificate and without it.

use crate::{
    api::Api,
    world::{Program, metric, pod, settings, shop, until},
};
use http::{Request, header::HOST};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::{
    Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use runtime::fixtures::free_port;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
};
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{TlsConnector, rustls};
use watch::{CustomMetrics, Settings};

const ACME: Ipv4Addr = Ipv4Addr::new(127, 0, 3, 1);
const LIAR: Ipv4Addr = Ipv4Addr::new(127, 0, 3, 2);
const GROUP: &str = "/apis/custom.metrics.k8s.io/v1beta2";

/// An authority that signs.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
type Leaf = (rcgen::Certificate, KeyPair);

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { pem, issuer }
    }

    fn sign(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["longshore-watch.watch.svc".into()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }
}

/// An agent whose workers are so busy, while it is held.
async fn agent(address: Ipv4Addr, port: u16, busy: u64) -> JoinSet<()> {
    let listener = TcpListener::bind((address, port)).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = service_fn(async |request: Request<Incoming>| {
                let page = match request.uri().path() {
                    "/errors" => json!({
                        "version": 1, "run": "r", "cursor": 1, "dropped": 0, "groups": [],
                    }),
                    _ => json!({
                        "version": 1, "run": "r", "releases": [],
                        "workers": { "busy": busy, "most": 8 },
                    }),
                };
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(page.to_string()))))
            });
            let io = TokioIo::new(stream);
            // A client that goes away is none of ours.
            http1::Builder::new()
                .serve_connection(io, service)
                .await
                .ok();
        }
    });
    tasks
}

/// Asks as the API server does, with this certificate; nothing where hands are not shaken.
async fn ask(
    address: SocketAddr,
    server: &Authority,
    client: Option<&Leaf>,
    path: &str,
) -> Option<(u16, Value)> {
    let mut roots = RootCertStore::empty();
    let root = pem::parse(&server.pem).unwrap().into_contents();
    roots.add(CertificateDer::from(root)).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match client {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            let chain = vec![certificate.der().clone()];
            config.with_client_auth_cert(chain, key).unwrap()
        }
    };
    let stream = TcpStream::connect(address).await.ok()?;
    let name = ServerName::try_from("longshore-watch.watch.svc").unwrap();
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .ok()?;
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    let request = Request::get(format!("{GROUP}{path}"))
        .header(HOST, "longshore-watch.watch.svc")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let response = sender.send_request(request).await.ok()?;
    let code = response.status().as_u16();
    let body = response.into_body().collect().await.ok()?.to_bytes();
    Some((code, serde_json::from_slice(&body).unwrap()))
}

/// Settings with a certificate of this authority in a directory, as a Secret is mounted.
fn serving(directory: &Path, agents: u16, server: &Authority) -> (Settings, SocketAddr) {
    let certificate = directory.join("certificate");
    fs::create_dir(&certificate).unwrap();
    let (leaf, key) = server.sign("watch", ExtendedKeyUsagePurpose::ServerAuth);
    fs::write(certificate.join("tls.crt"), leaf.pem()).unwrap();
    fs::write(certificate.join("tls.key"), key.serialize_pem()).unwrap();
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let settings = Settings {
        custom_metrics: Some(CustomMetrics {
            listen,
            certificate: Some(certificate),
        }),
        ..settings(&directory.join("data"), agents)
    };
    (settings, listen)
}

fn front_proxy(api: &Api, authority: &Authority) {
    let map = json!({ "metadata": { "namespace": "kube-system" }, "data": {
        "requestheader-client-ca-file": authority.pem,
        "requestheader-allowed-names": "[\"front-proxy-client\"]",
    } });
    api.put("configmaps", "extension-apiserver-authentication", map);
}

/// The pods of an answer, and what it says of them.
fn values(list: &Value) -> Vec<(&str, &str)> {
    assert_eq!(list["kind"], "MetricValueList", "{list:#}");
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|item| {
            let name = item["describedObject"]["name"].as_str().unwrap();
            (name, item["value"].as_str().unwrap())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_server_is_told_how_busy_pods_are_and_nobody_else_is() {
    let directory = tempfile::tempdir().unwrap();
    let (api, agents) = (Api::new().await, free_port());
    let (front, server) = (Authority::new("front"), Authority::new("server"));
    let mut pods = Vec::new();
    for (name, address, busy) in [("acme", ACME, 2), ("liar", LIAR, 4_000_000_000)] {
        shop(
            &api,
            name,
            &json!([{ "host": format!("www.{name}.example"), "primary": true }]),
        );
        pod(
            &api,
            &format!("web-{name}"),
            &format!("shop-{name}"),
            address,
        );
        pods.push(agent(address, agents, busy).await);
    }
    front_proxy(&api, &front);
    let (settings, listen) = serving(directory.path(), agents, &server);
    let program = Program::begin(&api, settings).await;

    let good = front.sign("front-proxy-client", ExtendedKeyUsagePurpose::ClientAuth);
    let path = |shop: &str, rest: &str| {
        format!("/namespaces/shop-{shop}/pods/{rest}/longshore_busy_workers_ratio")
    };
    let told = async |path: &str| ask(listen, &server, Some(&good), path).await;
    let all = until("a value of both", async || {
        let acme = told(&path("acme", "*")).await?.1;
        let liar = told(&path("liar", "*")).await?.1;
        let there = |list: &Value| list["items"].as_array().is_some_and(|it| it.len() == 1);
        (there(&acme) && there(&liar)).then_some((acme, liar))
    });
    let (acme, liar) = all.await;
    assert_eq!(values(&acme), [("web-acme", "250m")]);
    // What a pod's code makes up is about that pod, and between nothing and all.
    assert_eq!(values(&liar), [("web-liar", "1000m")]);

    let (code, one) = told(&path("acme", "web-acme")).await.unwrap();
    assert_eq!((code, values(&one)), (200, vec![("web-acme", "250m")]));
    let other = path("acme", "*") + "?labelSelector=app%3Dother";
    assert_eq!(values(&told(&other).await.unwrap().1), []);
    let (code, resources) = told("").await.unwrap();
    assert_eq!((code, &resources["kind"]), (200, &json!("APIResourceList")));
    let (code, status) = told("/namespaces/shop-acme/pods/*/other").await.unwrap();
    assert_eq!((code, &status["reason"]), (404, &json!("NotFound")));

    // Others, whatever they show.
    let strangers = [
        None,
        Some(server.sign("front-proxy-client", ExtendedKeyUsagePurpose::ClientAuth)),
        Some(front.sign("somebody", ExtendedKeyUsagePurpose::ClientAuth)),
        Some(front.sign("front-proxy-client", ExtendedKeyUsagePurpose::ServerAuth)),
    ];
    for stranger in &strangers {
        assert_eq!(ask(listen, &server, stranger.as_ref(), "").await, None);
    }
    let count = async |line: &str| {
        let line = format!("longshore_watch_custom_metrics_{line}");
        metric(program.address, &line).await.unwrap()
    };
    assert!(count("strangers_total").await >= 4.0);
    assert!(count("answers_total").await >= 4.0 && count("refused_total").await >= 1.0);
    assert!((count("serving").await - 1.0).abs() < f64::EPSILON);
    program.end().await;
}
