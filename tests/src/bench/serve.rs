//! The server that has a shop, and the network before it.

use super::{BenchError, prepare::Prepared};
use crate::{
    process::{Program, Running},
    s3::{self, Counts, Effect, Fault, Faults},
};
use serde::Serialize;
use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

/// The server runs as long as the benchmark does.
const SERVER: Duration = Duration::from_hours(4);
const BUCKET: &str = "bench";
const REGION: &str = "us-east-1";
const ACCESS_KEY: &str = "AKIALONGSHORE";
const SECRET_KEY: &str = "longshore-secret";
/// 1 Gbit/s in bytes a second.
pub(super) const GIGABIT: u64 = 125_000_000;
/// Before an answer's first byte, in milliseconds: what S3 takes in its own region (AWS's
/// performance guide says 100 to 200 ms for small objects in the worst case, most answers begin in
/// 10 to 30).
const LATENCY_MS: u64 = 20;

/// What lies between a pod and S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "camelCase")]
pub(super) enum Network {
    /// Loopback at full speed
    Loopback,
    /// 1 Gbit/s over all connections, and 20 ms before each answer's first byte
    Gigabit,
}

impl Network {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Gigabit => "1 Gbit/s and 20 ms",
        }
    }

    fn faults(self) -> Faults {
        match self {
            Self::Loopback => Faults::default(),
            Self::Gigabit => {
                let latency = Fault::new(Effect::Latency { ms: LATENCY_MS });
                Faults {
                    bandwidth: Some(GIGABIT),
                    faults: vec![latency],
                    ..Faults::default()
                }
            }
        }
    }
}

/// A server in a process of its own, so that what it takes is not in the programs' figures. Killed
/// when this is dropped.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) endpoint: String,
    pub(super) environment: Vec<(String, String)>,
    process: Running,
}

impl Server {
    pub(super) fn start(shop: &Prepared) -> Self {
        let arguments = [
            "--bucket",
            BUCKET,
            "--region",
            REGION,
            "--access-key",
            ACCESS_KEY,
            "--secret-key",
            SECRET_KEY,
            "--directory",
        ];
        let mut process = Program::ours("s3-server")
            .args(arguments)
            .arg(shop.path("bucket"))
            .deadline(SERVER)
            .start();
        let endpoint = process.first_line();
        let environment = s3::environment(&endpoint, REGION, ACCESS_KEY, SECRET_KEY);
        Self {
            endpoint,
            environment,
            process,
        }
    }

    /// `s3://bucket/` and this key.
    pub(super) fn location(key: &str) -> String {
        format!("s3://{BUCKET}/{key}")
    }

    /// Answers through this network from now on.
    pub(super) fn set_network(&self, network: Network) -> Result<(), BenchError> {
        let faults = serde_json::to_string(&network.faults()).map_err(io::Error::from)?;
        self.control("PUT", "/-/faults", &faults).map(drop)
    }

    /// Keeps the server to these cores (as taskset(1) lists them).
    pub(super) fn keep_to(&self, cores: &str) {
        drop(
            Program::new("taskset")
                .args(["-acp", cores, &self.process.pid().to_string()])
                .run()
                .expect(0),
        );
    }

    pub(super) fn start_counting(&self) -> Result<(), BenchError> {
        self.control("DELETE", "/-/stats", "").map(drop)
    }

    pub(super) fn counted(&self) -> Result<Counts, BenchError> {
        let answer = self.control("GET", "/-/stats", "")?;
        Ok(serde_json::from_str(&answer).map_err(io::Error::from)?)
    }

    fn control(&self, method: &str, path: &str, body: &str) -> Result<String, BenchError> {
        let address = self.endpoint.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address)?;
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        match answer.split_once("\r\n\r\n") {
            Some((head, body)) if head.starts_with("HTTP/1.0 200") => Ok(body.to_owned()),
            _ => Err(io::Error::other(format!(
                "the server answered {method} {path} with {answer:?}"
            ))
            .into()),
        }
    }
}
