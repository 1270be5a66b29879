//! The command line.

use crate::{
    agent::{self, prepare::Trust, run::AgentError, snapshot::Locality},
    issue::{self, ExternalAccount, IssueError, NonceCheck},
    why,
};
use clap::{Parser, Subcommand};
use client::{ApiError, Cluster};
use jiff::Timestamp;
use release::Reason;
use runtime::command_line::{self, StartError};
use std::{
    ffi::OsString,
    io::{self, Write as _},
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// How long a call of the start is tried.
const PATIENCE: Duration = Duration::from_mins(1);

/// Visitors' requests get to the pods of their shop, over TLS.
#[derive(Debug, Parser)]
#[command(
    name = "longshore-edge",
    version,
    max_term_width = 120,
    after_help = "Exit codes: 0 asked to stop; 64 configuration; 69 API server; 70 bug."
)]
struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Which events are logged
    #[arg(long, global = true, default_value = "info", value_parser = command_line::filter)]
    log: String,
    /// Context of the kubeconfig; otherwise its current one, or the pod's service account
    #[arg(long, global = true)]
    context: Option<String>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Keeps the HAProxy beside it as the cluster says
    Agent(AgentArguments),
    /// Gets a certificate for each host, by ACME, while it leads
    Issue(IssueArguments),
    /// Says what the edge knows of a host, and what to do
    Why {
        /// The host, such as www.acme.example
        host: String,
    },
}

#[derive(Debug, clap::Args)]
struct AgentArguments {
    /// Directory that the agent shares with HAProxy; in memory, as it holds private keys
    #[arg(long, env = "EDGE_RUN", default_value = "/run/edge")]
    directory: PathBuf,
    /// Address of /livez, /readyz, /startupz and /metrics
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:9810")]
    listen: SocketAddr,
    /// Name of this replica in its reports of visitors; otherwise one with a random end
    #[arg(long, env = "POD_NAME")]
    identity: Option<String>,
    /// Zone of the node: pods of the same zone get eight times as much
    #[arg(long, env = "EDGE_ZONE")]
    zone: Option<String>,
    /// Agents that share the workers of each pod
    #[arg(
        long,
        env = "EDGE_REPLICAS",
        default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=1000)
    )]
    replicas: u32,
    /// Shops for which HAProxy has room from its start; more take a reload
    #[arg(
        long,
        env = "EDGE_ROOM",
        default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    room: u32,
    /// Load balancers that speak the PROXY protocol: addresses or ranges, with commas
    #[arg(long, env = "EDGE_PROXIES", value_delimiter = ',', value_parser = range)]
    proxies: Vec<String>,
    /// Proxies whose X-Forwarded-For is believed, such as those of a CDN: addresses or ranges, with
    /// commas
    #[arg(long, env = "EDGE_FORWARDERS", value_delimiter = ',', value_parser = range)]
    forwarders: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct IssueArguments {
    /// URL of the directory of the certificate authority
    #[arg(long, env = "EDGE_ACME", value_name = "URL", default_value = LETS_ENCRYPT)]
    directory: String,
    /// E-mail addresses to which the authority writes, with commas
    #[arg(long, env = "EDGE_CONTACT", value_delimiter = ',')]
    contact: Vec<String>,
    /// Name of this process in the Lease; otherwise that of the pod, or one with a random end
    #[arg(long, env = "POD_NAME")]
    identity: Option<String>,
    /// Address of /livez, /readyz and /metrics
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:9810")]
    listen: SocketAddr,
    /// Addresses of the edge, with commas: a host whose DNS leads elsewhere gets no order. None:
    /// not checked
    #[arg(long, env = "EDGE_ADDRESSES", value_delimiter = ',')]
    addresses: Vec<IpAddr>,
    /// Do not ask each host over HTTP before the authority does, such as where a load balancer lets
    /// nobody back in
    #[arg(
        long,
        env = "EDGE_WITHOUT_NONCE_CHECK",
        value_parser = clap::builder::BoolishValueParser::new(),
        action = clap::ArgAction::SetTrue
    )]
    without_nonce_check: bool,
    /// Port at which hosts are asked; authorities ask at 80
    #[arg(long, env = "EDGE_HTTP_PORT", default_value_t = 80)]
    http_port: u16,
    /// Name server; otherwise those of /etc/resolv.conf
    #[arg(long, env = "EDGE_DNS", value_name = "ADDRESS")]
    dns: Option<SocketAddr>,
    /// File with further roots by which the authority's own server is trusted
    #[arg(long, env = "EDGE_CA_BUNDLE", value_name = "FILE")]
    ca_bundle: Option<PathBuf>,
    /// Names by which CAA records allow the authority, with commas; otherwise those of its
    /// directory
    #[arg(long, env = "EDGE_CAA", value_delimiter = ',')]
    caa: Vec<String>,
    /// Identifier of the key of an account that you have with the authority already
    #[arg(
        long,
        env = "EDGE_ACCOUNT_KEY_ID",
        value_name = "ID",
        requires = "account_key"
    )]
    account_key_id: Option<String>,
    /// That key, base64url
    #[arg(
        long,
        env = "EDGE_ACCOUNT_KEY",
        hide_env_values = true,
        requires = "account_key_id"
    )]
    account_key: Option<String>,
}

fn range(text: &str) -> Result<String, String> {
    let (address, bits) = text.split_once('/').unwrap_or((text, "0"));
    let good = address.parse().is_ok_and(|address: std::net::IpAddr| {
        let most = if address.is_ipv4() { 32 } else { 128 };
        bits.parse().is_ok_and(|bits: u8| bits <= most)
    });
    if good {
        Ok(text.to_owned())
    } else {
        Err("expected an address or a range, such as 10.0.0.0/8".to_owned())
    }
}

/// Why the program did not run, or ended.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    /// The agent ended.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The issuer ended.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The API server cannot be asked.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Nothing began.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl CommandError {
    fn reason(&self) -> Reason {
        match self {
            Self::Api(error) => error.reason(),
            Self::Issue(error) => error.reason(),
            Self::Agent(AgentError::Task(_)) | Self::Start(_) => Reason::Bug,
            Self::Agent(_) => Reason::Config,
        }
    }
}

/// Runs the program with these arguments, its own name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    command_line::run("longshore-edge", arguments, execute, CommandError::reason)
}

fn execute(arguments: Arguments) -> Result<(), CommandError> {
    command_line::serve(&client::log_filter(&arguments.log), |stop| async move {
        let asked = stop.clone();
        let connect = Cluster::connect(arguments.context.as_deref(), PATIENCE);
        let Some(cluster) = asked.run_until_cancelled(connect).await else {
            return Ok(());
        };
        let cluster = cluster?;
        match arguments.what {
            What::Agent(told) => Ok(agent::run::run(cluster, told.settings(), stop).await?),
            What::Issue(told) => Ok(issue::run(cluster, told.settings(), stop).await?),
            What::Why { host } => {
                let host = host.to_lowercase();
                let why = why::why(&cluster, &host, Timestamp::now());
                if let Some(told) = stop.run_until_cancelled(why).await {
                    // A reader that went away needs no second message.
                    io::stdout().write_all(told?.as_bytes()).ok();
                }
                Ok(())
            }
        }
    })
}

fn identity(told: Option<String>, what: &str) -> String {
    let random = || format!("longshore-edge-{what}-{:08x}", rand::random::<u32>());
    told.unwrap_or_else(random)
}

impl AgentArguments {
    fn settings(self) -> agent::run::Settings {
        agent::run::Settings {
            directory: self.directory,
            listen: self.listen,
            identity: identity(self.identity, "agent"),
            place: Locality {
                // A node without a zone has an empty one.
                zone: self.zone.filter(|zone| !zone.is_empty()),
                replicas: self.replicas,
            },
            room: self.room,
            trust: Trust {
                proxies: self.proxies,
                forwarders: self.forwarders,
            },
        }
    }
}

impl IssueArguments {
    fn settings(self) -> issue::Settings {
        let identity = identity(self.identity, "issue");
        let account = self.account_key_id.zip(self.account_key);
        issue::Settings {
            contact: self.contact,
            listen: self.listen,
            addresses: self.addresses,
            nonce_check: if self.without_nonce_check {
                NonceCheck::LeftOut
            } else {
                NonceCheck::Made
            },
            ca_bundle: self.ca_bundle,
            dns: self.dns,
            http_port: self.http_port,
            external_account: account
                .map(|(key_id, hmac_key)| ExternalAccount { key_id, hmac_key }),
            caa: self.caa,
            ..issue::Settings::new(self.directory, identity)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent_and_teaches() {
        let mut command = Arguments::command();
        command.build();
        command.clone().debug_assert();
        for inner in command.get_subcommands() {
            for argument in inner.get_arguments().filter(|it| it.get_id() != "help") {
                assert!(
                    argument.get_help().is_some(),
                    "{} has no help",
                    argument.get_id()
                );
            }
        }
    }

    #[test]
    fn ranges_are_addresses_with_bits() {
        for good in ["10.0.0.1", "10.0.0.0/8", "2001:db8::/32", "::1"] {
            assert_eq!(range(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "10.0.0.0/33",
            "host",
            "10.0.0.0/x",
            "10.0.0.1\n10.0.0.2",
        ] {
            range(bad).unwrap_err();
        }
    }
}
