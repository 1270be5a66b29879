//! The command line.

use crate::{
    run::{self, WatchError},
    settings::{CustomMetrics, Outside, Pace, Settings},
};
use clap::{ArgAction, Parser, Subcommand, builder::BoolishValueParser};
use client::{ApiError, Cluster};
use release::Reason;
use runtime::command_line::{self, StartError};
use std::{ffi::OsString, net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

/// How long a call of the start is tried.
const PATIENCE: Duration = Duration::from_mins(1);

/// Errors of shops are collected and kept, and their hosts are probed each minute.
#[derive(Debug, Parser)]
#[command(
    name = "longshore-watch",
    version,
    max_term_width = 120,
    after_help = "Exit codes: 0 asked to stop; 64 configuration; 69 API server; 70 bug; 74 disk."
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
    /// Collects, probes and answers; one process for a cluster
    Run(RunArguments),
}

#[derive(Debug, clap::Args)]
struct RunArguments {
    /// Directory of the database, for this process alone
    #[arg(long, env = "WATCH_DATA", default_value = "/var/lib/longshore-watch")]
    data: PathBuf,
    /// MiB that the database may have
    #[arg(
        long,
        env = "WATCH_STORE_MIB",
        value_name = "MIB",
        default_value_t = 1024,
        value_parser = clap::value_parser!(u64).range(16..=1_048_576)
    )]
    store_mib: u64,
    /// Address of the API, /livez, /readyz and /metrics
    #[arg(
        long,
        env = "WATCH_LISTEN",
        value_name = "ADDRESS",
        default_value = "0.0.0.0:9811"
    )]
    listen: SocketAddr,
    /// Host and port of the edge, at which hosts are probed from inside, such as
    /// longshore-edge.edge.svc:443. None: not from inside
    #[arg(long, env = "WATCH_EDGE", value_name = "HOST:PORT", value_parser = place)]
    edge: Option<String>,
    /// Whether hosts are probed through DNS, too, as visitors come
    #[arg(
        long,
        env = "WATCH_OUTSIDE",
        default_value_t = true,
        action = ArgAction::Set,
        value_parser = BoolishValueParser::new()
    )]
    outside: bool,
    /// Name server for that; otherwise those of /etc/resolv.conf
    #[arg(long, env = "WATCH_DNS", value_name = "ADDRESS")]
    dns: Option<SocketAddr>,
    /// File with roots of certificates, in PEM, besides those of the system
    #[arg(long, env = "WATCH_AUTHORITY", value_name = "FILE")]
    authority: Option<PathBuf>,
    /// Seconds after which an agent is asked again
    #[arg(
        long,
        env = "WATCH_COLLECT_SECONDS",
        value_name = "SECONDS",
        default_value_t = 5,
        value_parser = clap::value_parser!(u64).range(1..=300)
    )]
    collect_seconds: u64,
    /// Address of the custom metrics API, over TLS, for the API server alone. None: it is not
    /// served
    #[arg(long, env = "WATCH_CUSTOM_METRICS", value_name = "ADDRESS")]
    custom_metrics: Option<SocketAddr>,
    /// Directory with its certificate as tls.crt and tls.key; otherwise this process makes one
    #[arg(
        long,
        env = "WATCH_CUSTOM_METRICS_CERTIFICATE",
        value_name = "DIRECTORY",
        requires = "custom_metrics"
    )]
    custom_metrics_certificate: Option<PathBuf>,
    /// Port of agents
    #[arg(long, env = "WATCH_AGENT_PORT", default_value_t = 980)]
    agent_port: u16,
}

fn place(text: &str) -> Result<String, String> {
    let good = text.rsplit_once(':').is_some_and(|(host, port)| {
        let host_is = !host.is_empty() && !host.contains(char::is_whitespace);
        host_is && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if good {
        Ok(text.to_owned())
    } else {
        Err("expected a host and a port, such as longshore-edge.edge.svc:443".to_owned())
    }
}

/// Why the program did not run, or ended.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    /// The program ended.
    #[error(transparent)]
    Watch(#[from] WatchError),
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
            Self::Watch(error) => error.reason(),
            Self::Api(error) => error.reason(),
            Self::Start(_) => Reason::Bug,
        }
    }
}

/// Runs the program with these arguments, its own name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    command_line::run("longshore-watch", arguments, execute, CommandError::reason)
}

fn execute(arguments: Arguments) -> Result<(), CommandError> {
    let What::Run(told) = arguments.what;
    command_line::serve(&client::log_filter(&arguments.log), |stop| async move {
        let connect = Cluster::connect(arguments.context.as_deref(), PATIENCE);
        match stop.run_until_cancelled(connect).await {
            Some(cluster) => Ok(run::run(cluster?, told.settings(), stop).await?),
            None => Ok(()),
        }
    })
}

impl RunArguments {
    fn settings(self) -> Settings {
        Settings {
            store_limit: self.store_mib << 20,
            listen: self.listen,
            edge: self.edge,
            outside: if self.outside {
                Outside::Probed
            } else {
                Outside::LeftOut
            },
            dns: self.dns,
            authority: self.authority,
            agent_port: self.agent_port,
            custom_metrics: self.custom_metrics.map(|listen| CustomMetrics {
                listen,
                certificate: self.custom_metrics_certificate,
            }),
            pace: Pace {
                collect: Duration::from_secs(self.collect_seconds),
                ..Pace::default()
            },
            ..Settings::new(self.data)
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
    fn a_place_is_a_host_and_a_port() {
        for good in ["edge.edge.svc:443", "10.0.0.1:8443", "[::1]:443"] {
            assert_eq!(place(good).as_deref(), Ok(good));
        }
        for bad in ["", "edge", ":443", "edge:0", "edge:https", "a b:443"] {
            place(bad).unwrap_err();
        }
    }

    #[test]
    fn outside_is_on_unless_somebody_says_no() {
        let told = |more: &[&str]| {
            let all = ["longshore-watch", "run"].iter().chain(more);
            let What::Run(told) = Arguments::try_parse_from(all).unwrap().what;
            told.settings().outside
        };
        assert_eq!(told(&[]), Outside::Probed);
        assert_eq!(told(&["--outside", "false"]), Outside::LeftOut);
    }
}
