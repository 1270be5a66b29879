//! Questions to DNS.

use hickory_resolver::{
    TokioResolver,
    config::{NameServerConfig, ResolveHosts, ResolverConfig},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::ResponseCode,
        rr::{Name, RData, RecordType, rdata::CAA},
    },
};
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use tokio::time::timeout;

/// How long one try of one question takes; there are two.
const TRY: Duration = Duration::from_secs(3);
/// How long a question takes in all, with those that a CNAME leads to.
const QUESTION: Duration = Duration::from_secs(10);
/// Questions on the way at once, to one server. The crate's 32 would refuse the rest.
const AT_ONCE: usize = 4096;

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DnsProblem {
    /// No server answered in time.
    Timeout,
    /// The servers of the domain fail, often of DNSSEC.
    ServFail,
    /// This process, or its way to the name server.
    Ours(String),
    /// Another error.
    Other(String),
}

/// A resolver that remembers nothing: what a person repairs is seen at the next try.
pub(in crate::issue) struct Dns(TokioResolver);

impl std::fmt::Debug for Dns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dns").finish_non_exhaustive()
    }
}

impl Dns {
    /// Asks the servers of `/etc/resolv.conf`, or this one.
    ///
    /// # Errors
    ///
    /// Where that file cannot be read.
    pub(in crate::issue) fn new(server: Option<SocketAddr>) -> Result<Self, NetError> {
        let mut builder = match server {
            None => TokioResolver::builder_tokio()?,
            Some(address) => {
                let mut server = NameServerConfig::udp_and_tcp(address.ip());
                for connection in &mut server.connections {
                    connection.port = address.port();
                }
                let config = ResolverConfig::from_name_servers(vec![server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options = builder.options_mut();
        options.timeout = TRY;
        options.attempts = 2;
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        options.max_active_requests = AT_ONCE;
        Ok(Self(builder.build()?))
    }

    /// The addresses of a host; none where it has none, or does not exist.
    pub(super) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, DnsProblem> {
        let (v4, v6) = tokio::join!(
            self.ask(host, RecordType::A),
            self.ask(host, RecordType::AAAA)
        );
        let address = |data: RData| match data {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        };
        // One that cannot be told may be the wrong one.
        let mut all: Vec<_> = v4?.into_iter().chain(v6?).filter_map(address).collect();
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// The CAA records of a name, or of what it is an alias of.
    pub(super) async fn caa(&self, name: &str) -> Result<Vec<CAA>, DnsProblem> {
        let record = |data: RData| match data {
            RData::CAA(record) => Some(record),
            _ => None,
        };
        let found = self.ask(name, RecordType::CAA).await?;
        Ok(found.into_iter().filter_map(record).collect())
    }

    async fn ask(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, DnsProblem> {
        let mut name = Name::from_ascii(name).map_err(|it| DnsProblem::Other(it.to_string()))?;
        // No search list of this pod.
        name.set_fqdn(true);
        match timeout(QUESTION, self.0.lookup(name, kind)).await {
            Err(_elapsed) => Err(DnsProblem::Timeout),
            Ok(Ok(found)) => Ok(found.answers().iter().map(|it| it.data.clone()).collect()),
            Ok(Err(NetError::Timeout)) => Err(DnsProblem::Timeout),
            Ok(Err(NetError::Dns(DnsError::NoRecordsFound(none)))) => match none.response_code {
                ResponseCode::NoError | ResponseCode::NXDomain => Ok(Vec::new()),
                ResponseCode::ServFail => Err(DnsProblem::ServFail),
                code => Err(DnsProblem::Other(code.to_string())),
            },
            Ok(Err(NetError::Dns(DnsError::ResponseCode(ResponseCode::ServFail)))) => {
                Err(DnsProblem::ServFail)
            }
            Ok(Err(error @ (NetError::Io(_) | NetError::NoConnections | NetError::Busy))) => {
                Err(DnsProblem::Ours(error.to_string()))
            }
            Ok(Err(error)) => Err(DnsProblem::Other(error.to_string())),
        }
    }
}
