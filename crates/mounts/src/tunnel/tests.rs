mod server;

use super::*;
use crate::nfs::{EfsClient, Server};
use parking_lot::Mutex;
use rcgen::{CertificateParams, KeyPair};
use server::{Reads, extension, server, server_that};
use std::{collections::BTreeSet, path::PathBuf};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
        client::danger::HandshakeSignatureValid,
        crypto::{
            WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
        },
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime},
        server::{
            NoClientAuth, NoServerSessionStorage,
            danger::{ClientCertVerified, ClientCertVerifier},
        },
    },
};

#[tokio::test]
async fn the_server_of_an_access_point_reads_which_one_in_the_handshake_and_others_are_shown_nothing()
 {
    let reads = Arc::new(Reads::default());
    let (_folder, ca, address, _server) = server_that(
        "nas.example",
        Arc::clone(&reads) as Arc<dyn ClientCertVerifier>,
    )
    .await;
    let client = client();
    let to = |client: Option<EfsClient>| {
        let tls = Tls {
            server_name: "nas.example".to_owned(),
            ca_file: Some(ca.clone()),
            client: client.map(Box::new),
        };
        route_with(address, &tls).unwrap()
    };
    let (port, _tunnel) = start(to(Some(client.clone())), None).await;
    assert_eq!(exchange(port, b"bytes").await, b"bytes");
    let shown = reads.shown.lock().clone();
    assert_eq!(shown.len(), 1);
    for expected in [
        extension(1, "fsap-0123456789abcdef0"),
        extension(3, &client.file_system),
    ] {
        assert!(
            shown[0]
                .windows(expected.len())
                .any(|window| window == expected),
            "{expected:?}"
        );
    }
    // Nobody signed for it.
    let unsigned = &extension(2, "")[..11];
    assert!(
        !shown[0]
            .windows(unsigned.len())
            .any(|window| window == unsigned)
    );
    // This server insists on a certificate.
    let (port, _tunnel) = start(to(None), None).await;
    assert!(exchange(port, b"bytes").await.is_empty());
    assert_eq!(reads.shown.lock().len(), 1);
}

#[tokio::test]
async fn mounts_share_a_tunnel_where_they_are_the_same_client_of_one_server_and_otherwise_each_shows_its_own_certificate()
 {
    let reads = Arc::new(Reads::default());
    let (_folder, ca, address, _server) = server_that(
        "nas.example",
        Arc::clone(&reads) as Arc<dyn ClientCertVerifier>,
    )
    .await;
    let client = |access_point: Option<&str>| {
        Some(EfsClient {
            access_point: access_point.map(str::to_owned),
            ..client()
        })
    };
    let to = |client: Option<EfsClient>| {
        let tls = Tls {
            server_name: "nas.example".to_owned(),
            ca_file: Some(ca.clone()),
            client: client.map(Box::new),
        };
        route_with(address, &tls).unwrap()
    };
    let (open, mut tasks, mut ports) = (OpenTunnels::default(), JoinSet::new(), Vec::new());
    for wanted in [
        client(Some("fsap-0a")),
        client(Some("fsap-0b")),
        client(Some("fsap-0a")),
        client(None),
        None,
    ] {
        let (port, _failure, tunnel) = open.open(&to(wanted), None).await.unwrap();
        tunnel.map(|tunnel| tasks.spawn(tunnel.run()));
        ports.push(port);
    }
    assert!(
        ports[0] == ports[2] && BTreeSet::from_iter(&ports).len() == 4,
        "{ports:?}"
    );
    for (port, named) in ports.iter().zip(["fsap-0a", "fsap-0b", "fsap-0a"]) {
        assert_eq!(exchange(*port, b"bytes").await, b"bytes");
        let certificate = reads.shown.lock().pop().unwrap();
        for one in ["fsap-0a", "fsap-0b"].map(|one| (one, extension(1, one))) {
            assert_eq!(
                certificate
                    .windows(one.1.len())
                    .any(|window| window == one.1),
                one.0 == named,
                "{named}"
            );
        }
    }
}

fn client() -> EfsClient {
    let (file_system, region) = ("fs-0123456789abcdef0".to_owned(), "eu-central-1".to_owned());
    EfsClient {
        file_system,
        region,
        access_point: Some("fsap-0123456789abcdef0".to_owned()),
        iam: false,
    }
}

fn route(
    address: SocketAddr,
    server_name: &str,
    ca_file: Option<PathBuf>,
) -> Result<Route, TunnelError> {
    route_with(
        address,
        &Tls {
            server_name: server_name.to_owned(),
            ca_file,
            client: None,
        },
    )
}

fn route_with(address: SocketAddr, tls: &Tls) -> Result<Route, TunnelError> {
    let server = Server::Host(address.ip().to_string());
    Route::new(
        "a",
        &Nfs {
            server,
            export: "/".to_owned(),
            subdirectory: None,
            port: address.port(),
            tls: None,
        },
        tls,
        None,
    )
}

async fn start(route: Route, port: Option<u16>) -> (u16, JoinSet<()>) {
    let tunnel = Tunnel::bind(route, port).await.unwrap();
    let (port, mut tasks) = (tunnel.port(), JoinSet::new());
    tasks.spawn(tunnel.run());
    (port, tasks)
}

/// What comes back for `sent` until our half is closed, which it is once all of it is back; empty
/// where the tunnel closed the connection.
async fn exchange(port: u16, sent: &[u8]) -> Vec<u8> {
    let (mut input, mut output) = TcpStream::connect(("127.0.0.1", port))
        .await
        .unwrap()
        .into_split();
    let mut all = vec![0; sent.len()];
    let talk = async {
        let (written, read) = tokio::join!(output.write_all(sent), input.read_exact(&mut all));
        written.and(read)?;
        output.shutdown().await?;
        let mut more = Vec::new();
        input.read_to_end(&mut more).await?;
        io::Result::Ok(more)
    };
    match timeout(Duration::from_secs(20), talk)
        .await
        .expect("the tunnel ends")
    {
        Ok(more) => [all, more].concat(),
        Err(_closed) => Vec::new(),
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
async fn who_connects_and_is_gone_at_once_does_not_hide_what_is_wrong_with_the_server() {
    let (_folder, ca, address, _server) = server("nas.example").await;
    let route = route(address, "other.example", Some(ca)).unwrap();
    let tunnel = Tunnel::bind(route, None).await.unwrap();
    let (port, failure, mut tasks) = (tunnel.port(), tunnel.failure(), JoinSet::new());
    tasks.spawn(tunnel.run());
    assert!(exchange(port, b"secret").await.is_empty());
    let told = failure.get().unwrap();
    assert!(told.contains("invalid peer certificate"), "{told}");
    for _ in 0..20 {
        // A client of ours that has closed is as unknown to the kernel's table as a tenant that
        // has.
        drop(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
        sleep(REFUSED).await;
    }
    assert_eq!(failure.get(), Some(told));
}

#[tokio::test]
async fn a_tunnel_comes_back_on_its_port_and_only_on_loopback() {
    let (_folder, ca, address, _server) = server("nas.example").await;
    let route = route(address, "nas.example", Some(ca)).unwrap();
    let (port, tunnel) = start(route.clone(), None).await;
    assert_eq!(exchange(port, b"one").await, b"one");
    assert!(
        Tunnel::bind(route.clone(), Some(port)).await.is_err(),
        "a port that is taken is not exchanged for another"
    );
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
    let (empty, missing) = (
        folder.path().join("empty.pem"),
        folder.path().join("missing.pem"),
    );
    std::fs::File::create(&empty).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let error = |ca: PathBuf| {
        route(address, "nas.example", Some(ca))
            .unwrap_err()
            .to_string()
    };
    assert!(error(empty).ends_with("empty.pem: it has none"));
    assert!(error(missing.clone()).starts_with(&format!(
        "cannot read certificates from the ca_file {}",
        missing.display()
    )));
}

// As another user: sends, and ends in ways that make the kernel forget whose socket it was. Many at
// a time, and more than the tunnel carries.
const FORGER: &str = r#"
import os, socket, struct, sys, time
port, mode = int(sys.argv[1]), sys.argv[2]
waiting = []
for number in range(300):
    tried = socket.socket()
    tried.settimeout(5)
    try:
        tried.connect(("127.0.0.1", port))
        tried.sendall(b"FORGED")
    except OSError:
        continue
    if mode == "close":
        tried.close()
    elif mode == "reset":
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        tried.close()
    elif mode == "half":
        try:
            tried.shutdown(socket.SHUT_WR)
        except OSError:  # refused already
            continue
        waiting.append(tried)
    else:
        waiting.append(tried)
"#;

// Only root can be another user.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root: make test-root"]
async fn nothing_that_another_user_sends_is_forwarded_however_it_ends_and_ours_goes_through_meanwhile()
 {
    let reads = Arc::new(Reads::default());
    let (_folder, ca, address, _server) = server_that(
        "nas.example",
        Arc::clone(&reads) as Arc<dyn ClientCertVerifier>,
    )
    .await;
    // Whatever is forwarded comes back, to a client who hears it; and the forger's part is seen by
    // how many came as far as the server.
    let client = client();
    let tls = Tls {
        server_name: "nas.example".to_owned(),
        ca_file: Some(ca),
        client: Some(Box::new(client)),
    };
    let (port, _tunnel) = start(route_with(address, &tls).unwrap(), None).await;
    for mode in ["close", "reset", "half", "stay"] {
        let mut forger = tokio::process::Command::new("setpriv");
        forger
            .args([
                "--reuid",
                "65534",
                "--regid",
                "65534",
                "--clear-groups",
                "/usr/bin/python3",
                "-c",
                FORGER,
            ])
            .arg(port.to_string())
            .arg(mode);
        let mut forger = forger
            .kill_on_drop(true)
            .spawn()
            .expect("setpriv and python3");
        let before = reads.shown.lock().len();
        assert_eq!(exchange(port, b"ours").await, b"ours", "{mode}");
        assert!(
            timeout(Duration::from_mins(1), forger.wait())
                .await
                .expect("the forger ends")
                .unwrap()
                .success()
        );
        assert_eq!(exchange(port, b"ours").await, b"ours", "{mode}");
        assert_eq!(
            reads.shown.lock().len() - before,
            2,
            "{mode}: nobody else came as far as the server"
        );
    }
}
