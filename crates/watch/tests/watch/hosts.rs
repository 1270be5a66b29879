//! Hosts of shops: nginx with good and bad certificates, and a name server.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Stdio,
};
use tokio::{
    net::UdpSocket,
    process::{Child, Command},
    task::JoinSet,
};

/// Where the tests' name server says that a host is of which nobody listens.
pub const NOBODY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 77);

/// A host, how its certificate is, and what nginx answers.
type Host = (&'static str, Leaf, &'static str);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaf {
    Good,
    Over,
    OtherName,
    OwnSigned,
}

const HOSTS: [Host; 10] = [
    ("www.acme.example", Leaf::Good, "return 200;"),
    (
        "acme.example",
        Leaf::Good,
        "return 301 https://www.acme.example/;",
    ),
    ("lazy.acme.example", Leaf::Good, "return 200;"),
    (
        "broken.acme.example",
        Leaf::Good,
        "proxy_pass http://127.0.0.1:UPSTREAM;",
    ),
    ("over.acme.example", Leaf::Over, "return 200;"),
    ("other.acme.example", Leaf::OtherName, "return 200;"),
    ("own.acme.example", Leaf::OwnSigned, "return 404;"),
    (
        "hangs.acme.example",
        Leaf::Good,
        "proxy_pass http://127.0.0.1:SILENT;",
    ),
    ("closes.acme.example", Leaf::Good, "return 444;"),
    ("nobody.acme.example", Leaf::Good, "return 200;"),
];

/// Writes certificates, the root by which they are trusted, and nginx's configuration.
pub fn write(directory: &Path, port: u16, upstream: u16, silent: u16) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = ca.self_signed(&ca_key).unwrap().pem();
    fs::write(directory.join("root.pem"), root).unwrap();
    let issuer = Issuer::new(ca, ca_key);
    let mut servers = String::new();
    for (host, leaf, answer) in HOSTS {
        let key = KeyPair::generate().unwrap();
        let name = match leaf {
            Leaf::OtherName => "elsewhere.example",
            _ => host,
        };
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2025, 1, 1);
        params.not_after = match leaf {
            Leaf::Over => date_time_ymd(2026, 1, 1),
            _ => date_time_ymd(2096, 1, 1),
        };
        let certificate = match leaf {
            Leaf::OwnSigned => params.self_signed(&key).unwrap(),
            _ => params.signed_by(&key, &issuer).unwrap(),
        };
        let file = |end: &str| directory.join(format!("{host}.{end}"));
        fs::write(file("pem"), certificate.pem()).unwrap();
        fs::write(file("key"), key.serialize_pem()).unwrap();
        let answer = answer
            .replace("UPSTREAM", &upstream.to_string())
            .replace("SILENT", &silent.to_string());
        let place = directory.display();
        let server = format!(
            "server {{ listen 127.0.0.1:{port} ssl; server_name {host};
               ssl_certificate {place}/{host}.pem; ssl_certificate_key {place}/{host}.key;
               location / {{ {answer} }} }}\n"
        );
        servers.push_str(&server);
    }
    let head = format!(
        "user root; master_process off; daemon off; pid {0}/pid; error_log {0}/log;
         events {{ worker_connections 500; }}
         http {{ access_log off; proxy_temp_path {0}/proxy; client_body_temp_path {0}/body;\n",
        directory.display()
    );
    fs::write(directory.join("nginx.conf"), head + &servers + "}\n").unwrap();
}

/// Writes a certificate for all of `*.many.example`, the root by which it is trusted, and nginx's
/// configuration.
pub fn write_many(directory: &Path, port: u16) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = ca.self_signed(&ca_key).unwrap().pem();
    fs::write(directory.join("root.pem"), root).unwrap();
    let (issuer, key) = (Issuer::new(ca, ca_key), KeyPair::generate().unwrap());
    let leaf = CertificateParams::new(vec!["*.many.example".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    fs::write(directory.join("leaf.pem"), leaf.pem()).unwrap();
    fs::write(directory.join("leaf.key"), key.serialize_pem()).unwrap();
    let place = directory.display();
    let all = format!(
        "user root; master_process off; daemon off; pid {place}/pid; error_log {place}/log;
         events {{ worker_connections 4000; }}
         http {{ access_log off; proxy_temp_path {place}/proxy; client_body_temp_path {place}/body;
           server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {place}/leaf.pem;
             ssl_certificate_key {place}/leaf.key; location / {{ return 200; }} }} }}\n"
    );
    fs::write(directory.join("nginx.conf"), all).unwrap();
}

/// nginx, while it is held.
pub fn nginx(directory: &Path) -> Child {
    Command::new("/usr/sbin/nginx")
        .arg("-c")
        .arg(directory.join("nginx.conf"))
        .arg("-e")
        .arg(directory.join("log"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// A name server which knows all hosts but `gone.acme.example`, while it is held.
pub async fn name_server() -> (SocketAddr, JoinSet<()>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut buffer = [0; 1500];
        loop {
            let (length, peer) = socket.recv_from(&mut buffer).await.unwrap();
            let answer = answer(&buffer[..length]);
            socket.send_to(&answer, peer).await.unwrap();
        }
    });
    (address, tasks)
}

/// RFC 1035, section 4.
fn answer(question: &[u8]) -> Vec<u8> {
    let mut end = 12;
    let mut name = Vec::new();
    while question[end] != 0 {
        let length = usize::from(question[end]);
        name.push(String::from_utf8(question[end + 1..=end + length].to_vec()).unwrap());
        end += length + 1;
    }
    let name = name.join(".").to_lowercase();
    let kind = question[end + 2];
    end += 5;
    let address = match name.as_str() {
        "nobody.acme.example" => NOBODY,
        _ => Ipv4Addr::LOCALHOST,
    };
    let (gone, is_a) = (name == "gone.acme.example", kind == 1);
    let mut answer = question[..2].to_vec();
    answer.extend([0x81, if gone { 0x83 } else { 0x80 }, 0, 1, 0, 0, 0, 0, 0, 0]);
    answer.extend(&question[12..end]);
    if is_a && !gone {
        answer[7] = 1;
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        answer.extend(address.octets());
    }
    answer
}
