//! Questions to DNS, whose answers are believed no further than they go: that a record is missing
//! and that nobody could be asked are never the same.

pub use hickory_resolver::proto::rr::rdata::CAA;
use hickory_resolver::{
    TokioResolver,
    config::{NameServerConfig, ResolveHosts, ResolverConfig},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::ResponseCode,
        rr::{Name, RData, RecordType},
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
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DnsProblem {
    /// No server answered in time.
    #[error("no name server answers in time")]
    Timeout,
    /// The servers of the domain fail, often of DNSSEC.
    #[error("the domain's name servers fail (SERVFAIL), or its DNSSEC does")]
    ServFail,
    /// This process, or its way to the name server.
    #[error("the platform's own name server cannot be asked: {0}")]
    Ours(String),
    /// Another error.
    #[error("{0}")]
    Other(String),
}

/// Why there is no resolver.
#[derive(Debug, thiserror::Error)]
#[error("no name server is known")]
pub struct NoResolver(#[from] NetError);

/// A resolver that remembers nothing: what a person repairs is seen at the next try.
#[derive(Clone)]
pub struct Dns(TokioResolver);

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
    /// If that file cannot be read.
    pub fn new(server: Option<SocketAddr>) -> Result<Self, NoResolver> {
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
    ///
    /// # Errors
    ///
    /// If nobody answers what they are.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, DnsProblem> {
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
    ///
    /// # Errors
    ///
    /// If nobody answers what they are.
    pub async fn caa(&self, name: &str) -> Result<Vec<CAA>, DnsProblem> {
        let record = |data: RData| match data {
            RData::CAA(record) => Some(record),
            _ => None,
        };
        let found = self.ask(name, RecordType::CAA).await?;
        Ok(found.into_iter().filter_map(record).collect())
    }

    /// The TXT records of a name, or of what it is an alias of, each as one text. What is no UTF-8
    /// is left out.
    ///
    /// # Errors
    ///
    /// If nobody answers what they are.
    pub async fn texts(&self, name: &str) -> Result<Vec<String>, DnsProblem> {
        let text = |data: RData| match data {
            // A long one comes in parts of 255 bytes.
            RData::TXT(record) => String::from_utf8(record.txt_data.concat()).ok(),
            _ => None,
        };
        let found = self.ask(name, RecordType::TXT).await?;
        Ok(found.into_iter().filter_map(text).collect())
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
