//! What an edge is compared with.

use super::images;
use std::{fs, net::SocketAddr};

/// An HAProxy with one host and one pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// It passes requests on as they are, with HAProxy's own short log.
    Bare,
    /// It does what an edge of many hosts cannot do without: it finds a host's backend in a map,
    /// tells the pod in headers who asked and how, and logs as ours does.
    Least,
}

impl Plain {
    /// Its configuration.
    pub(super) fn configuration(self, pod: SocketAddr) -> String {
        let ours = fs::read_to_string(images().join("haproxy.cfg")).unwrap();
        let log = ours.lines().find(|line| line.contains("    log-format "));
        let (log, request) = match self {
            Self::Bare => ("    option httplog", "    default_backend pod"),
            Self::Least => (
                log.unwrap(),
                "    unique-id-format %[uuid()]
    option forwardfor
    http-request set-header x-forwarded-proto https
    http-request set-header x-request-id %[unique-id]
    http-request set-var(txn.host) req.hdr(host),host_only,lower
    http-request set-var(txn.shop) var(txn.host),map(\"$EDGE_RUN/plain.map\")
    use_backend %[var(txn.shop)]",
            ),
        };
        format!(
            "global
    maxconn \"$EDGE_CONNECTIONS\"
    log stdout format raw local0 info
defaults
    mode http
    log global
    timeout connect 1s
    timeout client 60s
    timeout server 60s
frontend all
    bind \"$EDGE_HTTPS\" ssl crt \"$EDGE_RUN/plain.pem\" alpn h2,http/1.1
{log}
{request}
backend pod
    server one {pod} maxconn 256
"
        )
    }
}
