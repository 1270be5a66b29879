//! Connections that come from another address of loopback, as those of a visitor or a load
//! balancer.

use super::Edge;
use crate::{
    peers::required,
    process::{Program, Running},
};
use runtime::fixtures::free_port;
use std::{
    fs,
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};
use tempfile::TempDir;

/// What a relay tells of whom it connects for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tells {
    /// Nothing.
    Nothing,
    /// His address, in a header of PROXY v2, as load balancers do.
    Proxy,
    /// That he is somebody else, of IPv6.
    ProxyFor(Ipv6Addr),
}

/// Passes connections on from an address of its own, until it is dropped.
#[derive(Debug)]
pub struct Relay {
    /// Where it listens.
    pub port: u16,
    process: Running,
    _directory: TempDir,
}

impl Relay {
    /// One to port 443 of an edge.
    #[must_use]
    pub fn new(edge: &Edge, source: Ipv4Addr, tells: Tells) -> Self {
        let (port, directory) = (free_port(), tempfile::tempdir().unwrap());
        let file = directory.path().join("relay.cfg");
        let told = match tells {
            Tells::ProxyFor(visitor) => {
                format!("    tcp-request connection set-src ipv6({visitor})\n")
            }
            Tells::Nothing | Tells::Proxy => String::new(),
        };
        let proxy = match tells {
            Tells::Nothing => "",
            Tells::Proxy | Tells::ProxyFor(_) => " send-proxy-v2",
        };
        let text = format!(
            "global
    nbthread 1
defaults
    mode tcp
    timeout connect 1s
    timeout client 1m
    timeout server 1m
listen relay
    bind 127.0.0.1:{port}
{told}    server edge 127.0.0.1:{} source {source}{proxy}
",
            edge.https
        );
        fs::write(&file, text).unwrap();
        let program = Program::new(required("haproxy"))
            .args(["-db", "-f"])
            .arg(&file)
            .deadline(Duration::from_hours(2));
        let process = program.start();
        super::listens(port, &process);
        Self {
            port,
            process,
            _directory: directory,
        }
    }
    /// The process that passes them on.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.process.pid()
    }
}
