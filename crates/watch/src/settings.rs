//! What the program is told.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

/// What the program is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The directory of the database.
    pub data: PathBuf,
    /// Bytes that the database may have.
    pub store_limit: u64,
    /// The address of the API, health and metrics.
    pub listen: SocketAddr,
    /// Host and port of the edge, if hosts are probed from inside.
    pub edge: Option<String>,
    /// Whether hosts are probed as visitors come.
    pub outside: Outside,
    /// The name server; otherwise those of `/etc/resolv.conf`.
    pub dns: Option<SocketAddr>,
    /// A file with roots of certificates, besides those of the system.
    pub authority: Option<PathBuf>,
    /// The port of agents.
    pub agent_port: u16,
    /// The port at which hosts are probed from outside: 443 but in tests.
    pub outside_port: u16,
    /// Where custom metrics are served to the API server, if they are.
    pub custom_metrics: Option<CustomMetrics>,
    /// How fast things go; shorter in tests.
    pub pace: Pace,
}

/// Whether hosts are probed as visitors come, through DNS. They cannot be where pods do not reach
/// the addresses that visitors use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// They are.
    Probed,
    /// They are not.
    LeftOut,
}

/// How custom metrics are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomMetrics {
    /// Where.
    pub listen: SocketAddr,
    /// A directory with `tls.crt` and `tls.key`; otherwise the process makes a certificate.
    pub certificate: Option<PathBuf>,
}

/// How fast things go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How often an agent is asked.
    pub collect: Duration,
    /// How long an agent may take for its answer.
    pub agent_deadline: Duration,
    /// How often a host is probed.
    pub probe: Duration,
    /// How long an answer of a host may take.
    pub probe_deadline: Duration,
    /// The shortest time until a probe that failed is made again; the longest is that and a half,
    /// and once more.
    pub retry: Duration,
    /// Each such probe asks for the page itself.
    pub page_every: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            collect: Duration::from_secs(5),
            agent_deadline: Duration::from_secs(3),
            probe: Duration::from_mins(1),
            probe_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
            page_every: 5,
        }
    }
}

impl Settings {
    /// Settings with a directory, at a free port of this machine alone, without an edge, and
    /// everything else as it is by default.
    #[must_use]
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            store_limit: 1 << 30,
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            edge: None,
            outside: Outside::LeftOut,
            dns: None,
            authority: None,
            agent_port: 980,
            outside_port: 443,
            custom_metrics: None,
            pace: Pace::default(),
        }
    }
}
