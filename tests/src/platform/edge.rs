//! An edge as hosts have one: it ends TLS in front of a shop, at an address that pods reach, with a
//! certificate of an authority that nobody knows who was not told.

#![allow(
    clippy::disallowed_methods,
    reason = "the harness makes its files itself, and has no failpoints"
)]

use crate::{
    cluster::{HOST, eventually},
    process::{Program, Running},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::{
    fs,
    net::{SocketAddr, TcpStream},
    time::Duration,
};
use tempfile::TempDir;

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

/// The edge of one host name.
#[derive(Debug)]
pub struct Edge {
    /// What its shop's class says of it.
    pub place: Place,
    scratch: TempDir,
}

impl Edge {
    /// For this host, without a server yet.
    ///
    /// # Panics
    ///
    /// The disk refuses.
    #[must_use]
    #[track_caller]
    pub fn of(host: &str) -> Self {
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
        let own = CertificateParams::new(vec![host.to_owned()]).expect("a host is a name");
        let own = own
            .signed_by(&key, &Issuer::new(signs, authority))
            .expect("the authority's key signs");
        let scratch = crate::shop::scratch();
        for (file, text) in [("edge.pem", own.pem()), ("edge.key", key.serialize_pem())] {
            fs::write(scratch.path().join(file), text).expect("the scratch directory is writable");
        }
        Self {
            place: Place {
                address: HOST.to_owned(),
                authority: certificate.pem().replace("\r\n", "\n"),
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
