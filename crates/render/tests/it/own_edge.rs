//! A shop that asks for its own public address: pods find the edge, may go there, and believe its
//! certificate.

use crate::made::{find, rendered};
use api::{Object, Own};
use runtime::fixtures::free_port;
use serde_json::json;
use std::{
    fs::{self, File},
    io::Write as _,
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Killed when the test ends, however it does.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn file(objects: &[Object], name: &str) -> Option<String> {
    objects
        .iter()
        .map(Object::value)
        .find_map(|object| object["data"][name].as_str().map(str::to_owned))
}

/// An HTTPS server of OpenSSL with a certificate that it signed itself.
fn server(folder: &Path) -> (Server, u16) {
    let words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem \
                 -out own.pem -subj /CN=localhost -addext subjectAltName=DNS:localhost";
    let made = Command::new("openssl")
        .args(words.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let port = free_port();
    let words = format!("s_server -accept 127.0.0.1:{port} -cert own.pem -key key.pem -www -quiet");
    let started = Command::new("openssl")
        .args(words.split_whitespace())
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(
            begin.elapsed() < Duration::from_secs(30),
            "the server does not start"
        );
        thread::sleep(Duration::from_millis(20));
    }
    (Server(started), port)
}

#[test]
fn php_believes_the_authorities_of_its_class_besides_the_images() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, port) = server(folder.path());
    let own = fs::read_to_string(folder.path().join("own.pem")).unwrap();
    let asked = |authorities: Option<String>| {
        let objects = rendered("plain", |_, class, _| {
            class.spec.php.authorities = authorities;
        });
        let ini = file(&objects, "shop.ini")
            .unwrap()
            .replace("/etc/shop/php", &folder.path().display().to_string());
        let write = |name: &str, text: String| {
            File::create(folder.path().join(name))
                .unwrap()
                .write_all(text.as_bytes())
                .unwrap();
        };
        write("shop.ini", ini);
        if let Some(text) = file(&objects, "authorities.pem") {
            write("authorities.pem", text);
        }
        let code = format!(
            "echo @file_get_contents('https://localhost:{port}/') === false ? 'refused' : \
             'believed', ' ', ini_get('curl.cainfo'), ' ', ini_get('openssl.capath');"
        );
        // Debian's own files of settings load the extensions.
        let output = Command::new("php8.2")
            .env("PHP_INI_SCAN_DIR", format!(":{}", folder.path().display()))
            .args(["-r", &code])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(asked(None).trim(), "refused");
    assert_eq!(
        asked(Some(own)),
        format!(
            "believed {}/authorities.pem /etc/ssl/certs",
            folder.path().display()
        )
    );
}

/// Who asks for the shop's own public address finds the edge, and may go there.
#[test]
fn pods_find_the_shops_domains_at_the_edge_that_the_class_names() {
    let objects = rendered("aws", |_, class, _| {
        class.spec.network.own = Some(Own {
            address: "10.0.12.7".into(),
            ports: vec![443, 8443],
        });
    });
    let hosts = json!([{ "ip": "10.0.12.7", "hostnames": ["www.acme.example", "hu.acme.example", "acme.example"] }]);
    let pods = [("Deployment", "web"), ("Deployment", "cron")]
        .map(|(kind, name)| find(&objects, kind, name)["spec"]["template"].clone());
    for pod in pods {
        assert_eq!(pod["spec"]["hostAliases"], hosts);
    }
    let policy = find(&objects, "NetworkPolicy", "shop");
    let rules = policy["spec"]["egress"].as_array().unwrap();
    let to = rules
        .iter()
        .find(|rule| rule["to"][0]["ipBlock"]["cidr"] == "10.0.12.7/32")
        .unwrap_or_else(|| panic!("{rules:#?}"));
    // Where a CNI has put the edge's pods in the place of their Service.
    assert_eq!(
        to["to"][1]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"],
        "edge"
    );
    assert_eq!(
        to["ports"],
        json!([{ "port": 443, "protocol": "TCP" }, { "port": 8443, "protocol": "TCP" }])
    );
    let without = rendered("aws", |_, _, _| {});
    assert!(
        find(&without, "Deployment", "web")["spec"]["template"]["spec"]
            .get("hostAliases")
            .is_none()
    );
}
