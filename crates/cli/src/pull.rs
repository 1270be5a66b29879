//! `longshore pull`: what `longshore-init` does, on a laptop.

mod timings;

use crate::{
    CommandError, Context, files,
    remote::{StoreArguments, duration},
};
use clap::Args;
use deploy::{
    Places, cache,
    pull::{MEMORY, Origin, Progress, PullOutcome, Pulled, Settings, Source, pull},
};
use release::{ChannelName, Sequence, Sha256};
use runtime::{ByteSize, Setting, Stop};
use serde::Serialize;
use std::{fmt, path::PathBuf, time::Duration};
use timings::Timings;

/// Arguments of `pull`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  longshore pull --store s3://releases/prod --channel shops/acme --trust 1.root.json shop
  longshore pull --timings --store s3://releases/prod --channel shops/acme --trust 1.root.json shop
  longshore pull --sequence 41 --store s3://releases/prod --channel shops/acme \\
    --trust 1.root.json shop
  ls shop/current/
The directory is a release root: `current` points at the tree; older trees and the state are beside
it. Running it again downloads nothing when nothing changed.")]
pub(crate) struct PullCommand {
    /// The release root; made if it does not exist
    directory: PathBuf,
    #[command(flatten)]
    store: StoreArguments,
    /// The channel, such as shops/acme
    #[arg(long, env = "LONGSHORE_CHANNEL", hide_env_values = true)]
    channel: ChannelName,
    /// Trust root that you believe
    #[arg(
        long,
        env = "LONGSHORE_TRUST",
        hide_env_values = true,
        value_name = "FILE"
    )]
    trust: PathBuf,
    /// A sequence of your choice, older or rejected ones included, instead of the one in force
    #[arg(long)]
    sequence: Option<Sequence>,
    /// Lowest sequence to accept
    #[arg(long, env = "LONGSHORE_FLOOR", hide_env_values = true)]
    floor: Option<Sequence>,
    /// A cache that pulls of this machine share: whatever one downloaded, no other does
    #[arg(
        long,
        env = "LONGSHORE_CACHE",
        hide_env_values = true,
        value_name = "DIRECTORY"
    )]
    cache: Option<PathBuf>,
    /// How much the cache may hold
    #[arg(
        long,
        env = "LONGSHORE_CACHE_LIMIT",
        hide_env_values = true,
        default_value = "20GiB",
        value_parser = size
    )]
    cache_limit: u64,
    /// Ceiling of the buffers
    #[arg(
        long,
        env = "LONGSHORE_MEMORY",
        hide_env_values = true,
        default_value = "64MiB",
        value_parser = size
    )]
    memory: u64,
    /// Say where the time went, and what to make faster
    #[arg(long)]
    timings: bool,
    /// How long the pull may take before it is given up
    #[arg(long, default_value = "10m", value_parser = duration)]
    pull_deadline: Duration,
}

// What `--memory` and `--cache-limit` say where they are left out.
const _: () = assert!(MEMORY == 64 << 20 && cache::LIMIT == 20 << 30);

/// Reads a number of bytes with its unit.
///
/// # Errors
///
/// Says what was expected.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    ByteSize::read(text)
        .map(ByteSize::bytes)
        .ok_or_else(|| format!("expected {}", ByteSize::EXPECTED))
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    outcome: &'static str,
    source: &'static str,
    sequence: Sequence,
    manifest: Sha256,
    files: u64,
    bytes: u64,
    downloaded_bytes: u64,
    reused_files: u64,
    cached_chunks: u64,
    cached_bytes: u64,
    requests: u64,
    retries: u64,
    network_seconds: f64,
    verify_seconds: f64,
    write_seconds: f64,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    timings: Option<Timings>,
}

impl From<Pulled> for Report {
    fn from(
        Pulled {
            sequence,
            manifest,
            outcome,
            origin,
            figures,
        }: Pulled,
    ) -> Self {
        Self {
            outcome: outcome.as_str(),
            source: origin.as_str(),
            sequence,
            manifest,
            files: figures.files,
            bytes: figures.bytes,
            downloaded_bytes: figures.downloaded_bytes,
            reused_files: figures.reused_files,
            cached_chunks: figures.cached_chunks,
            cached_bytes: figures.cached_bytes,
            requests: figures.requests,
            retries: figures.retries,
            network_seconds: figures.network.as_secs_f64(),
            verify_seconds: figures.work.verify.as_secs_f64(),
            write_seconds: figures.work.write().as_secs_f64(),
            seconds: figures.total.as_secs_f64(),
            timings: None,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            outcome,
            sequence,
            files,
            bytes,
            downloaded_bytes,
            reused_files,
            ..
        } = self;
        writeln!(f, "sequence {sequence} is active ({outcome})")?;
        if self.source == Origin::Cache.as_str() {
            writeln!(
                f,
                "  source    the cache's last release: the store cannot be reached"
            )?;
        }
        if *outcome == PullOutcome::Fresh.as_str() {
            writeln!(
                f,
                "  content   {files} files, {bytes} bytes; {reused_files} files linked from the \
                 tree before"
            )?;
            if self.cached_chunks > 0 {
                writeln!(
                    f,
                    "  cache     {} bytes, {} chunks",
                    self.cached_bytes, self.cached_chunks
                )?;
            }
            writeln!(
                f,
                "  network   {downloaded_bytes} bytes, {} requests, {} retries",
                self.requests, self.retries
            )?;
        }
        writeln!(f, "  manifest  sha256:{}", self.manifest)?;
        writeln!(f, "  time      {:.2} s", self.seconds)?;
        self.timings
            .iter()
            .try_for_each(|timings| write!(f, "{timings}"))
    }
}

/// Runs `longshore pull`.
///
/// # Errors
///
/// As `longshore-init`: the release that was active stays so.
pub(crate) async fn run(arguments: PullCommand, context: &Context) -> Result<(), CommandError> {
    let absolute = |path: PathBuf| {
        std::path::absolute(&path).map_err(|source| CommandError::Write { path, source })
    };
    let root = absolute(arguments.directory)?;
    let cache = arguments.cache.map(absolute).transpose()?;
    let cache = cache.map(|directory| cache::Settings {
        directory,
        limit: arguments.cache_limit,
    });
    let settings = Settings {
        channel: arguments.channel,
        root,
        trust: files::trust_root(&arguments.trust)?,
        source: arguments.sequence.map_or(Source::Channel, Source::Chosen),
        floor: arguments.floor,
        trust_floor: 0,
        // Nothing is mounted for a tree that somebody looks at.
        places: Places::default(),
        cache,
        memory: arguments.memory,
        deadline: arguments.pull_deadline,
        now: context.now,
    };
    let store = arguments.store.open().await?;
    let mut stop = Stop::listen().map_err(CommandError::Signals)?;
    let stop = async {
        stop.asked().await;
    };
    // The manifest tells how long the bar is, so its length comes with the first report.
    let bar = context.progress.bar("pulling", 0);
    let report = |progress: Progress| {
        bar.grow_to(progress.bytes_total);
        bar.reach(progress.bytes);
    };
    let pulled = pull(&settings, &store, &report, stop).await?;
    drop(bar);
    let timings = arguments.timings.then(|| Timings::from(&pulled.figures));
    context.output.show(&Report {
        timings,
        ..Report::from(pulled)
    })
}
