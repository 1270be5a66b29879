//! `longshore-init`: pulls the release in force onto the local disk and exits, before a pod's other
//! containers start.
//!
//! ```text
//!  variables ──► store ──► trust root ──► deploy::pull::pull ──► figures, exit 0
//!      └────────────┴───────────┴──────────────┴──► last line + /dev/termination-log, exit 64 … 75
//! ```
//!
//! It may run any number of times: it does not download a complete release again, and removes what
//! a killed run left.

mod config;
mod error;

pub use config::Config;
pub use error::InitError;

use deploy::pull::{self, Figures, PullError, Pulled, Settings, Stages};
use runtime::{
    Env, FailureReport, Stop, TERMINATION_LOG, answer, caught, peak_memory, read_trust,
    telemetry::{self, Format},
    threads,
    variable::{self, Program},
};
use std::{
    ffi::OsString,
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};
use store::Options;
use tracing::{debug, info};

const NAME: &str = "longshore-init";
/// Threads that wait for disks, beside the first: one for the pull, and one for its reads from a
/// store on a disk and its look-ups.
const THREADS: usize = 2;

const USAGE: &str = "\
Puts the release in force on the local disk, makes `current` point at it, and exits.

Usage: longshore-init
       longshore-init --help | --version

Settings come from the environment. A pod that reads s3://releases/prod with the identity that its
cloud gave it:

  LONGSHORE_STORE=s3://releases/prod LONGSHORE_CHANNEL=shops/acme \\
  LONGSHORE_ROOT=/srv/shop LONGSHORE_TRUST=/etc/longshore/1.root.json longshore-init

Credentials, region and endpoint are the usual AWS variables: AWS_REGION, AWS_ENDPOINT_URL_S3 and
others.
Every failure ends with one line that has a reason code; /dev/termination-log gets the same if it
exists.

";

/// Runs the program and returns its exit code, after it has printed any error to standard error.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>, env: Env) -> ExitCode {
    let format = env
        .peek(&variable::LOG_FORMAT)
        .unwrap_or_else(Format::from_stderr);
    let result = caught(|| main(arguments, env)).unwrap_or_else(|panicked| Err(panicked.into()));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            FailureReport::new(NAME, format, TERMINATION_LOG).failure(&error, error.reason())
        }
    }
}

fn main(arguments: impl IntoIterator<Item = OsString>, env: Env) -> Result<(), InitError> {
    if let Some(text) = answer(Program::Init, USAGE, env!("CARGO_PKG_VERSION"), arguments)? {
        return io::stdout()
            .write_all(text.as_bytes())
            .map_err(InitError::Output);
    }
    let config = Config::from_env(env)?;
    telemetry::start(&config.pull.log, config.pull.format);
    // One thread for the network is enough, and costs the least memory: hashing, decompression and
    // files have threads of their own.
    let runtime = threads::start(THREADS, || ())?;
    let result = runtime.block_on(put_in_force(&config));
    // A look-up of a name that is still running must not keep a finished process.
    runtime.shutdown_background();
    tell(&config, &result?);
    Ok(())
}

async fn put_in_force(config: &Config) -> Result<Pulled, InitError> {
    let mut stop = Stop::listen().map_err(InitError::Start)?;
    let trust = read_trust(&config.pull.trust)?;
    // Opened first, so that the store's deadline passes before the pull's: its error says what the
    // store did last.
    let options = Options {
        deadline: config.pull.deadline,
        ..Options::default()
    };
    let store = tokio::select! {
        opened = store::open(&config.pull.store, &options) => {
            opened.map_err(|source| InitError::Store { location: config.pull.store.clone(), source })?
        }
        _ = stop.asked() => return Err(PullError::Interrupted.into()),
    };
    let settings = Settings {
        channel: config.pull.channel.clone(),
        root: config.pull.root.clone(),
        trust,
        source: config.source.clone(),
        floor: config.pull.floor,
        trust_floor: config.pull.trust_floor,
        places: config.places.clone(),
        cache: config.cache.clone(),
        memory: config.pull.memory,
        deadline: config.pull.deadline,
        now: jiff::Timestamp::now(),
    };
    info!(
        store = %config.pull.store,
        channel = %config.pull.channel,
        root = %config.pull.root.display(),
        "pull started"
    );
    let asked = async {
        let signal = stop.asked().await;
        info!(%signal, "asked to stop");
    };
    Ok(pull::pull(&settings, &store, &pull::log_progress, asked).await?)
}

fn tell(config: &Config, pulled: &Pulled) {
    let figures = &pulled.figures;
    info!(
        channel = %config.pull.channel,
        sequence = pulled.sequence.get(),
        manifest = %pulled.manifest,
        outcome = pulled.outcome.as_str(),
        source = pulled.origin.as_str(),
        files = figures.files,
        bytes = figures.bytes,
        reused_files = figures.reused_files,
        reused_bytes = figures.reused_bytes,
        cached_chunks = figures.cached_chunks,
        cached_bytes = figures.cached_bytes,
        cache_damaged = figures.cache_damaged,
        downloaded_bytes = figures.downloaded_bytes,
        requests = figures.requests,
        retries = figures.retries,
        peak_memory_bytes = peak_memory(),
        network_seconds = seconds(figures.network),
        verify_seconds = seconds(figures.work.verify),
        write_seconds = seconds(figures.work.write()),
        elapsed_seconds = seconds(figures.total),
        "release in force"
    );
    tell_timings(figures);
}

/// Where the time went, stage by stage, and what the threads did in the stage `transfer`.
fn tell_timings(figures: &Figures) {
    let Stages {
        offer,
        manifest,
        reuse,
        transfer,
        finish,
        durable,
        activate,
    } = figures.stages;
    let work = figures.work;
    debug!(
        offer_seconds = seconds(offer),
        manifest_seconds = seconds(manifest),
        reuse_seconds = seconds(reuse),
        transfer_seconds = seconds(transfer),
        finish_seconds = seconds(finish),
        durable_seconds = seconds(durable),
        activate_seconds = seconds(activate),
        workers = work.workers,
        idle_seconds = seconds(work.idle),
        busy_seconds = seconds(work.busy),
        verify_seconds = seconds(work.verify),
        decompress_seconds = seconds(work.decompress),
        limit = work.limit().map(display),
        "timings"
    );
}

/// Seconds to the millisecond: more digits would only look exact.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use release::Reason;
    use std::path::Path;

    #[test]
    fn help_teaches_every_variable_and_exit_code() {
        let help = USAGE.to_owned() + &runtime::help(Program::Init);
        for variable in variable::ALL
            .iter()
            .filter(|variable| variable.read_by.contains(&Program::Init))
        {
            assert!(
                help.contains(variable.name) && help.contains(variable.meaning),
                "{}",
                variable.name
            );
        }
        for trouble in release::Trouble::ALL {
            assert!(help.contains(&format!("\n  {}  ", trouble.exit_code())));
        }
    }

    fn pull_with(variables: &[(&str, &str)]) -> InitError {
        let required = [
            ("LONGSHORE_CHANNEL", "shops/acme"),
            ("LONGSHORE_DEADLINE", "5s"),
        ];
        let config = Config::from_env(Env::new(required.iter().chain(variables).copied())).unwrap();
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(put_in_force(&config))
            .unwrap_err()
    }

    #[test]
    fn what_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        let (root, store) = (format!("{path}/root"), format!("file://{path}/store"));
        let golden = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../tests/golden/v1/1.root.json")
            .canonicalize()
            .unwrap();

        let error = pull_with(&[
            ("LONGSHORE_STORE", &store),
            ("LONGSHORE_ROOT", &root),
            ("LONGSHORE_TRUST", &root),
        ]);
        assert_eq!(
            (error.reason(), error.to_string()),
            (
                Reason::Config,
                format!("cannot read the trust root {root}, which LONGSHORE_TRUST names")
            )
        );

        let error = pull_with(&[
            ("LONGSHORE_STORE", &store),
            ("LONGSHORE_ROOT", &root),
            ("LONGSHORE_TRUST", golden.to_str().unwrap()),
        ]);
        assert_eq!(
            (error.reason(), error.to_string()),
            (
                Reason::StoreMissing,
                format!("cannot open the store {store}")
            )
        );
    }
}
