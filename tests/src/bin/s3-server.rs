//! The S3 server of the tests, as a process of its own.

use bytes::Bytes;
use clap::Parser;
use e2e::s3::{Effect, Fault, Faults, Options, Server};
use std::{
    collections::{HashMap, hash_map::Entry},
    error::Error,
    fs,
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    thread,
};

/// An S3 server that keeps its objects in memory and lets things go wrong on demand.
///
/// It prints its endpoint on one line, and serves until it is killed. While it runs, /-/faults and
/// /-/stats on the same port take and give JSON.
#[derive(Debug, Parser)]
struct Arguments {
    /// Address and port; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The bucket that exists from the start
    #[arg(long, default_value = "releases")]
    bucket: String,
    /// Region of the bucket
    #[arg(long, default_value = "us-east-1")]
    region: String,
    /// The access key that may sign
    #[arg(long, default_value = "AKIALONGSHORE")]
    access_key: String,
    /// Its secret
    #[arg(long, default_value = "longshore-secret")]
    secret_key: String,
    /// Load every file below this directory as an object; its path becomes the key. Nothing is
    /// written there
    #[arg(long)]
    directory: Option<PathBuf>,
    /// Every answer's first byte waits so many milliseconds
    #[arg(long)]
    latency_ms: Option<u64>,
    /// Bytes a second, each way, over all connections
    #[arg(long)]
    bandwidth: Option<u64>,
    /// Bytes a second, each way, of one connection
    #[arg(long)]
    connection_bandwidth: Option<u64>,
    /// One fault as JSON, such as {"effect": {"reset": {"after": 65536}}, "keys": "blobs/"}; may
    /// be given again
    #[arg(long = "fault", value_parser = fault)]
    faults: Vec<Fault>,
    /// Seed of the faults' probabilities
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Threads that serve
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

fn fault(json: &str) -> Result<Fault, serde_json::Error> {
    serde_json::from_str(json)
}

/// Contents by device and inode: what has several names is in memory once.
type Known = HashMap<(u64, u64), Bytes>;

fn load(server: &Server, known: &mut Known, root: &Path, directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            load(server, known, root, &path)?;
        } else if let Some(key) = path.strip_prefix(root).ok().and_then(Path::to_str) {
            let metadata = entry.metadata()?;
            let content = match known.entry((metadata.dev(), metadata.ino())) {
                Entry::Occupied(known) => known.get().clone(),
                Entry::Vacant(new) => new.insert(fs::read(&path)?.into()).clone(),
            };
            server.put(key, content);
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let mut faults = arguments.faults;
    faults.extend(
        arguments
            .latency_ms
            .map(|ms| Fault::new(Effect::Latency { ms })),
    );
    let Arguments {
        listen,
        bucket,
        region,
        access_key,
        secret_key,
        bandwidth,
        connection_bandwidth,
        seed,
        threads,
        ..
    } = arguments;
    let faults = Faults {
        bandwidth,
        connection_bandwidth,
        refuse: false,
        seed,
        faults,
    };
    let server = Server::start(Options {
        listen,
        bucket,
        region,
        access_key,
        secret_key,
        faults,
        threads,
    })?;
    if let Some(directory) = &arguments.directory {
        load(&server, &mut Known::new(), directory, directory)?;
    }
    let mut out = io::stdout();
    writeln!(out, "{}", server.endpoint())?;
    out.flush()?;
    loop {
        thread::park();
    }
}
