use super::*;
use crate::nfs::Server;
use rcgen::{CertificateParams, KeyPair};
use std::path::PathBuf;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// An authority's file, and a server for `name` that answers what it is sent, once the sender has ended.
async fn server(name: &str) -> (tempfile::TempDir, PathBuf, SocketAddr, JoinSet<()>) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::io::Write::write_all(&mut std::fs::File::create(&file).unwrap(), certificate.pem().as_bytes()).unwrap();
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider())).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], der).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            stream.write_all(&all).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    (folder, file, address, tasks)
}

fn route(address: SocketAddr, server_name: &str, ca_file: Option<PathBuf>) -> Result<Route, TunnelError> {
    let tls = Tls { server_name: server_name.to_owned(), ca_file, access_point: None };
    let server = Server::Host(address.ip().to_string());
    Route::new("a", &Nfs { server, export: "/".to_owned(), subdirectory: None, port: address.port(), tls: None }, &tls)
}

async fn start(route: Route, port: Option<u16>) -> (u16, JoinSet<()>) {
    let tunnel = Tunnel::bind(route, port).await.unwrap();
    let (port, mut tasks) = (tunnel.port(), JoinSet::new());
    tasks.spawn(tunnel.run());
    (port, tasks)
}

/// What comes back for `sent` after our half was closed; empty where the tunnel closed the connection.
async fn exchange(port: u16, sent: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut all = Vec::new();
    let talk = async {
        stream.write_all(sent).await?;
        stream.shutdown().await?;
        stream.read_to_end(&mut all).await
    };
    match timeout(Duration::from_secs(20), talk).await.expect("the tunnel ends") {
        Ok(_) => all,
        Err(_reset) => Vec::new(),
    }
}

#[tokio::test]
async fn bytes_pass_both_ways_and_an_end_is_passed_on() {
    let (_folder, ca, address, _server) = server("nas.example").await;
    let (port, _tunnel) = start(route(address, "nas.example", Some(ca)).unwrap(), None).await;
    let sent = vec![7; 3 << 20];
    assert!(exchange(port, &sent).await == sent);
    assert_eq!(exchange(port, b"again").await, b"again");
}

#[tokio::test]
async fn a_server_of_another_name_or_authority_gets_nothing() {
    let (_folder, ca, address, _server) = server("nas.example").await;
    let (port, _tunnel) = start(route(address, "other.example", Some(ca)).unwrap(), None).await;
    assert!(exchange(port, b"secret").await.is_empty());
    let (_other, other, _, _) = server("nas.example").await;
    let (port, _tunnel) = start(route(address, "nas.example", Some(other)).unwrap(), None).await;
    assert!(exchange(port, b"secret").await.is_empty());
}

#[tokio::test]
async fn a_tunnel_comes_back_on_its_port_and_only_on_loopback() {
    let (_folder, ca, address, _server) = server("nas.example").await;
    let route = route(address, "nas.example", Some(ca)).unwrap();
    let (port, tunnel) = start(route.clone(), None).await;
    assert_eq!(exchange(port, b"one").await, b"one");
    assert!(Tunnel::bind(route.clone(), Some(port)).await.is_err(), "a port that is taken is not exchanged for another");
    drop(tunnel);
    let bound = async {
        loop {
            match Tunnel::bind(route.clone(), Some(port)).await {
                Ok(tunnel) => break tunnel,
                Err(_still_ending) => sleep(Duration::from_millis(10)).await,
            }
        }
    };
    let tunnel = timeout(Duration::from_secs(20), bound).await.unwrap();
    assert!(tunnel.listener.local_addr().unwrap().ip().is_loopback());
    let mut tasks = JoinSet::new();
    tasks.spawn(tunnel.run());
    assert_eq!(exchange(port, b"two").await, b"two");
}

#[test]
fn certificates_that_cannot_be_read_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let (empty, missing) = (folder.path().join("empty.pem"), folder.path().join("missing.pem"));
    std::fs::File::create(&empty).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let error = |ca: PathBuf| route(address, "nas.example", Some(ca)).unwrap_err().to_string();
    assert!(error(empty).ends_with("empty.pem: it has none"));
    assert!(error(missing.clone()).starts_with(&format!("cannot read certificates from the ca_file {}", missing.display())));
}
