//! Edges: ours, and one of somebody else that ends TLS in front of a shop, at an address that pods
//! reach. Their certificates are of an authority that nobody knows who was not told.

#![allow(
    clippy::disallowed_methods,
    reason = "the harness makes its files itself, and has no failpoints"
)]

use super::Platform;
use crate::{
    chart,
    cluster::{HOST, built, eventually},
    process::{Program, Running},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use serde_json::{Value, json};
use std::{
    fs,
    net::{IpAddr, SocketAddr, TcpStream},
    time::Duration,
};
use tempfile::TempDir;

/// The namespace of ours.
pub const EDGE: &str = "edge";
/// The namespace of `longshore-watch`.
pub const WATCH: &str = "watch";
const START: Duration = Duration::from_mins(1);
/// Longer than any test.
const LIFE: Duration = Duration::from_hours(3);

/// What a class says of an edge.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its address.
    pub address: String,
    /// Who signed its certificate, as PEM.
    pub authority: String,
}

/// Somebody else's, of one host name.
#[derive(Debug)]
pub struct Edge {
    /// What its shop's class says of it.
    pub place: Place,
    scratch: TempDir,
}

/// A certificate of a host, and who signed it, as PEM.
#[derive(Debug)]
pub struct Signed {
    /// Who signed it.
    pub authority: String,
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Signed {
    /// Of an authority that nobody knows who was not told.
    ///
    /// # Panics
    ///
    /// There is no randomness.
    #[must_use]
    #[track_caller]
    pub fn for_host(host: &str) -> Self {
        Self::until(host, (2096, 1, 1))
    }

    /// For this host, until the beginning of this day: year, month, day.
    ///
    /// # Panics
    ///
    /// As [`Self::for_host`].
    #[must_use]
    #[track_caller]
    pub fn until(host: &str, end: (i32, u8, u8)) -> Self {
        Self::new(vec![host.to_owned()], end)
    }

    /// For all of these hosts, of one authority.
    ///
    /// # Panics
    ///
    /// As [`Self::for_host`].
    #[must_use]
    #[track_caller]
    pub fn for_hosts(hosts: &[&str]) -> Self {
        let hosts = hosts.iter().map(|&host| host.to_owned());
        Self::new(hosts.collect(), (2096, 1, 1))
    }

    #[track_caller]
    fn new(hosts: Vec<String>, (year, month, day): (i32, u8, u8)) -> Self {
        let authority = KeyPair::generate().expect("a key is made of random bytes");
        let mut signs =
            CertificateParams::new(Vec::new()).expect("no name is a valid list of names");
        signs.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        signs
            .distinguished_name
            .push(rcgen::DnType::CommonName, "Authority of Longshore's tests");
        let certificate = signs
            .self_signed(&authority)
            .expect("a certificate is signed by its own key");
        let key = KeyPair::generate().expect("a key is made of random bytes");
        let mut own = CertificateParams::new(hosts).expect("a host is a name");
        own.not_after = date_time_ymd(year, month, day);
        let own = own
            .signed_by(&key, &Issuer::new(signs, authority))
            .expect("the authority's key signs");
        Self {
            authority: certificate.pem().replace("\r\n", "\n"),
            certificate: own.pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Platform<'_> {
    /// Installs the HAProxy of the edge with its agents; returns the address of its Service.
    ///
    /// # Panics
    ///
    /// Its image is not built, or it does not start in time.
    #[must_use]
    #[track_caller]
    pub fn haproxy(&self) -> IpAddr {
        chart::install(self.cluster, &self.values_with_edge());
        self.rolled_out(EDGE, "deployment/longshore-edge");
        let service = self
            .cluster
            .get(&["service", "longshore-edge", "--namespace", EDGE]);
        let address = service["spec"]["clusterIP"]
            .as_str()
            .expect("a Service has an address");
        address.parse().expect("it is one")
    }

    /// Installs `longshore-watch` beside the edge, which has this address, and tells it whose
    /// certificates to believe, and which name server knows the hosts, if one does: pods have no
    /// DNS here.
    ///
    /// # Panics
    ///
    /// Its image is not built, or it does not start in time.
    #[track_caller]
    pub fn watch(&self, edge: IpAddr, authority: &str, dns: Option<SocketAddr>) {
        chart::install(self.cluster, &self.values_with_watch(edge, authority, dns));
        self.rolled_out(WATCH, "deployment/longshore-watch");
    }

    /// What the chart is told of both.
    ///
    /// # Panics
    ///
    /// An image is not built.
    #[must_use]
    #[track_caller]
    pub fn values_with_watch(
        &self,
        edge: IpAddr,
        authority: &str,
        dns: Option<SocketAddr>,
    ) -> Value {
        let image = built(self.cluster, "longshore-watch");
        let (repository, digest) = image.by_digest();
        let mut values = self.values_with_edge();
        let dns = dns.map(|dns| format!("--dns={dns}"));
        let arguments: Vec<_> = ["--store-mib=32".to_owned()]
            .into_iter()
            .chain(dns)
            .collect();
        values["watch"] = json!({
            "enabled": true,
            "image": { "repository": repository, "digest": digest },
            "edge": format!("{edge}:443"),
            "outside": arguments.len() > 1,
            "authorities": authority,
            "apiServer": [format!("{HOST}/32")],
            "storage": { "persistent": false, "size": "64Mi" },
            "arguments": arguments,
            "customMetrics": { "enabled": true },
            "resources": { "requests": { "cpu": "20m", "memory": "32Mi" }, "limits": { "memory": "256Mi" } },
        });
        values
    }

    /// What the chart is told of the edge.
    ///
    /// # Panics
    ///
    /// Its image is not built.
    #[must_use]
    #[track_caller]
    pub fn values_with_edge(&self) -> Value {
        let image = built(self.cluster, "longshore-edge");
        let (repository, digest) = image.by_digest();
        let mut values = self.values();
        values["edge"] = json!({
            "haproxy": {
                "enabled": true,
                "image": { "repository": repository, "digest": digest },
                // This machine gives no process more files.
                "connections": 2000,
                "shops": 100,
                // All visitors of a test have one address.
                "requestsPerAddress": 100_000_000,
                "http3": true,
                "service": { "type": "ClusterIP" },
                "resources": { "requests": { "cpu": "50m", "memory": "64Mi" }, "limits": { "memory": "512Mi" } },
                "agentResources": { "requests": { "cpu": "20m", "memory": "32Mi" }, "limits": { "memory": "256Mi" } },
            },
        });
        values
    }

    /// Gives the edge a certificate as people bring one, by the name of its Secret.
    ///
    /// # Panics
    ///
    /// The API server refuses.
    #[track_caller]
    pub fn bring(&self, secret: &str, signed: &Signed) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": { "name": secret, "namespace": EDGE },
            "stringData": { "tls.crt": signed.certificate, "tls.key": signed.key },
        });
        self.apply(&secret.to_string());
    }
}

impl Edge {
    /// For this host, without a server yet.
    ///
    /// # Panics
    ///
    /// The disk refuses.
    #[must_use]
    #[track_caller]
    pub fn for_host(host: &str) -> Self {
        let signed = Signed::for_host(host);
        let scratch = crate::shop::scratch();
        for (file, text) in [("edge.pem", &signed.certificate), ("edge.key", &signed.key)] {
            fs::write(scratch.path().join(file), text).expect("the scratch directory is writable");
        }
        Self {
            place: Place {
                address: HOST.to_owned(),
                authority: signed.authority,
            },
            scratch,
        }
    }

    /// Leads what it gets to a Service, for as long as what this gives lives.
    ///
    /// # Panics
    ///
    /// nginx is not installed, or does not start.
    #[must_use]
    #[track_caller]
    pub fn serve(&self, service: SocketAddr) -> Running {
        let directory = self.scratch.path().display();
        let configuration = format!(
            "daemon off; pid {directory}/pid; error_log stderr; events {{}}\n\
             http {{ access_log off; client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;\n\
             fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;\n\
             server {{ listen {}:443 ssl; ssl_certificate {directory}/edge.pem; ssl_certificate_key {directory}/edge.key;\n\
             location / {{ proxy_pass http://{service}; proxy_set_header Host $host; proxy_set_header X-Forwarded-Proto https;\n\
             proxy_set_header X-Forwarded-For $remote_addr; }} }} }}\n",
            self.place.address
        );
        let file = self.scratch.path().join("nginx.conf");
        fs::write(&file, configuration).expect("the scratch directory is writable");
        let server = Program::new("nginx")
            .args(["-e", "stderr", "-c"])
            .arg(&file)
            .deadline(LIFE)
            .start();
        let address = format!("{}:443", self.place.address);
        eventually("the edge", START, || TcpStream::connect(&address).ok());
        server
    }
}
