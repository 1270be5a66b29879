//! Other S3 servers, which speak for S3 where our own could share our mistakes.

#![allow(
    clippy::disallowed_methods,
    reason = "tools are found where the Makefile puts them, then in PATH; servers get directories \
              of their own"
)]

use crate::{
    process::{Program, Running},
    s3,
};
use runtime::fixtures::free_port;
use std::{
    env, fs, io,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// How long a server may take until it accepts connections; moto imports for seconds on a busy
/// machine.
const START: Duration = Duration::from_secs(30);
/// The region that a peer is asked for.
const REGION: &str = "us-east-1";
/// The key of every peer. `MinIO` wants secrets of 8 characters or more.
const ACCESS_KEY: &str = "AKIALONGSHORE";
const SECRET_KEY: &str = "longshore-secret";

/// The external tool `name`: from `target/tools/bin`, which `make tools` fills, else from PATH.
#[must_use]
pub fn tool(name: &str) -> Option<PathBuf> {
    let test = env::current_exe().ok()?;
    let ours = test
        .ancestors()
        .map(|directory| directory.join("tools/bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    ours.chain(env::split_paths(&path))
        .map(|directory| directory.join(name))
        .find(|tool| tool.is_file())
}

/// The external tool `name`, which every test run needs.
///
/// # Panics
///
/// It is neither in `target/tools/bin` nor in PATH.
#[must_use]
#[track_caller]
pub fn required(name: &str) -> PathBuf {
    tool(name).unwrap_or_else(|| {
        panic!("{name} is not installed; run `make tools`, and `make interop` for MinIO and cosign")
    })
}

/// Another S3 server with one bucket; it is killed when this is dropped.
#[derive(Debug)]
pub struct Peer {
    address: SocketAddr,
    bucket: String,
    process: Running,
}

impl Peer {
    /// Starts moto (an independent implementation in Python; it checks no signatures) and creates
    /// `bucket`.
    ///
    /// # Panics
    ///
    /// It is not installed, or does not start.
    #[must_use]
    #[track_caller]
    pub fn moto(bucket: &str) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let program = Program::new(required("moto_server"))
            .args(["-H", "127.0.0.1", "-p"])
            .arg(address.port().to_string());
        let peer = Self::start(program, address, bucket);
        let answer = request(
            address,
            &format!("PUT /{bucket} HTTP/1.0\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n"),
        );
        let status = answer.unwrap_or_else(|error| panic!("moto does not answer: {error}"));
        assert!(
            status.contains(" 200 "),
            "moto does not create {bucket}: {status}"
        );
        peer
    }

    /// Starts `MinIO` on the empty directory `data`, with `bucket`.
    ///
    /// # Panics
    ///
    /// It is not built, or it does not start.
    #[must_use]
    #[track_caller]
    pub fn minio(bucket: &str, data: &Path) -> Self {
        let minio = required("minio");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        // A directory on its one drive is a bucket to MinIO.
        fs::create_dir_all(data.join(bucket))
            .unwrap_or_else(|error| panic!("{}: {error}", data.display()));
        let program = Program::new(minio)
            .args(["server", "--quiet", "--address"])
            .arg(address.to_string())
            .arg(data);
        let program = program
            .envs([
                ("MINIO_ROOT_USER", ACCESS_KEY),
                ("MINIO_ROOT_PASSWORD", SECRET_KEY),
            ])
            .env("HOME", data);
        Self::start(program, address, bucket)
    }

    #[track_caller]
    fn start(program: Program, address: SocketAddr, bucket: &str) -> Self {
        let line = program.line();
        // It serves until it is dropped; the deadline only bounds a wait that nobody makes.
        let process = program.deadline(Duration::from_hours(1)).start();
        let mut peer = Self {
            address,
            bucket: bucket.to_owned(),
            process,
        };
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            let waits = peer.process.is_running() && begin.elapsed() < START;
            assert!(
                waits,
                "{line} does not listen on {address}: {:#?}",
                peer.process.kill_after(Duration::ZERO)
            );
            thread::sleep(Duration::from_millis(20));
        }
        peer
    }

    /// `http://127.0.0.1:port`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The bucket that exists.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// `s3://bucket/prefix`, or without a prefix where it is empty.
    #[must_use]
    pub fn location(&self, prefix: &str) -> String {
        format!("s3://{}/{prefix}", self.bucket)
            .trim_end_matches('/')
            .to_owned()
    }

    /// The variables with which AWS's tools, and ours, reach this server and nothing else.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        s3::environment(&self.endpoint(), REGION, ACCESS_KEY, SECRET_KEY)
    }
}

/// Sends a request and returns the answer's first line.
fn request(address: SocketAddr, text: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(START))?;
    stream.write_all(text.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned())
}
