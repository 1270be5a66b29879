//! What an edge is compared with.

use super::images;
use std::{fs, path::Path};

/// An HAProxy that serves what an edge serves, from the edge's own files, as HAProxy does by
/// default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// It passes requests on to the first shop as they are, with HAProxy's own short log.
    Bare,
    /// It does what an edge of many hosts cannot do without: it finds a host's backend in maps,
    /// tells the pod in headers who asked and how, and logs as ours does.
    Least,
}

impl Plain {
    /// Its configuration, for the files in a directory.
    pub(super) fn configuration(self, files: &Path) -> String {
        let ours = fs::read_to_string(images().join("haproxy.cfg")).unwrap();
        let log = ours.lines().find(|line| line.contains("    log-format "));
        let (log, request) = match self {
            Self::Bare => ("    option httplog", "    default_backend slot-0001"),
            Self::Least => (
                log.unwrap(),
                "    unique-id-format %[uuid()]
    option forwardfor
    http-request set-header x-forwarded-proto https
    http-request set-header x-request-id %[unique-id]
    http-request set-var(txn.host) req.hdr(host),host_only,lower
    http-request set-var(txn.shop) var(txn.host),map(hosts.map)
    use_backend %[var(txn.shop),map(slots.map)]",
            ),
        };
        format!(
            "global
    default-path origin {}
    maxconn \"$EDGE_CONNECTIONS\"
    log stdout format raw local0 info
    limited-quic
    ssl-load-extra-files none
    issuers-chain-path issuers
defaults slot
    mode http
    log global
    timeout connect 1s
    timeout client 60s
    timeout server 60s
frontend all
    bind \"$EDGE_HTTPS\" ssl crt-list certificates.list alpn h2,http/1.1
    .if !streq(\"$EDGE_ALT_SVC\",\"\")
    bind \"$EDGE_QUIC\" ssl crt-list certificates.list alpn h3
    .endif
{log}
{request}
",
            files.display()
        )
    }
}
