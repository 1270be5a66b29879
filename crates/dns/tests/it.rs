//! Answers of a real name server.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use dns::{Dns, DnsProblem};
use runtime::fixtures::free_port;
use std::{
    env,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

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

fn free() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}

struct NameServer {
    address: SocketAddr,
    management: SocketAddr,
    process: Child,
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl NameServer {
    fn start() -> Self {
        let (address, management) = (free(), free());
        let process = Command::new(tool("pebble-challtestsrv"))
            .args([
                format!("-dnsserver={address}"),
                format!("-management={management}"),
            ])
            .args(["-http01=", "-https01=", "-tlsalpn01=", "-doh="])
            .args(["-defaultIPv4=192.0.2.1", "-defaultIPv6="])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while TcpStream::connect(management).is_err() {
            assert!(began.elapsed() < Duration::from_secs(30), "no name server");
            sleep(Duration::from_millis(20));
        }
        Self {
            address,
            management,
            process,
        }
    }

    fn set(&self, what: &str, json: &str) {
        let mut stream = TcpStream::connect(self.management).unwrap();
        let length = json.len();
        write!(
            stream,
            "POST /{what} HTTP/1.0\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{json}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 200 "), "{answer}");
    }
}

#[tokio::test]
async fn what_is_missing_is_never_what_could_not_be_asked() {
    let server = NameServer::start();
    let dns = Dns::new(Some(server.address)).unwrap();
    let name = "_longshore.www.acme.example";
    assert_eq!(dns.texts(name).await, Ok(Vec::new()));
    let long = "x".repeat(300);
    server.set(
        "set-txt",
        &format!(r#"{{"host": "{name}.", "value": "longshore-shop=acme"}}"#),
    );
    assert_eq!(
        dns.texts(name).await,
        Ok(vec!["longshore-shop=acme".to_owned()])
    );
    // What a person repairs is seen at once.
    server.set("clear-txt", &format!(r#"{{"host": "{name}."}}"#));
    assert_eq!(dns.texts(name).await, Ok(Vec::new()));
    server.set("set-servfail", &format!(r#"{{"host": "{name}."}}"#));
    assert_eq!(dns.texts(name).await, Err(DnsProblem::ServFail));
    // By the way of a CNAME, which gives somebody else the say.
    server.set(
        "set-txt",
        r#"{"host": "proofs.agency.example.", "value": "longshore-shop=agency"}"#,
    );
    server.set(
        "set-cname",
        r#"{"host": "_longshore.shop.example.", "target": "proofs.agency.example."}"#,
    );
    assert_eq!(
        dns.texts("_longshore.shop.example").await,
        Ok(vec!["longshore-shop=agency".to_owned()])
    );
    let too_long = dns.texts(&format!("{long}.example")).await;
    assert!(
        matches!(too_long, Err(DnsProblem::Other(_))),
        "{too_long:?}"
    );
}

#[tokio::test]
async fn a_server_that_says_nothing_is_a_timeout_and_no_missing_record() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let dns = Dns::new(Some(silent.local_addr().unwrap())).unwrap();
    let asked = dns.texts("_longshore.www.acme.example").await;
    assert_eq!(asked, Err(DnsProblem::Timeout));
}
