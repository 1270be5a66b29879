//! A program that takes its settings from arguments: from the command line to the exit code.

use crate::{
    FailureReport, Setting as _, Stop, TERMINATION_LOG, caught,
    telemetry::{self, Filter, Format},
};
use clap::{Parser, error::ErrorKind};
use release::{Reason, Trouble};
use std::{error::Error, ffi::OsString, io, pin::pin, process::ExitCode};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Runs the whole of `program` with these arguments, its name first: help and version are results,
/// a mistake in the arguments is exit code 64, and an error is reported with its reason.
pub fn run<A: Parser, E: Error + 'static>(
    program: &'static str,
    arguments: impl IntoIterator<Item = OsString>,
    execute: impl FnOnce(A) -> Result<(), E>,
    reason: impl FnOnce(&E) -> Reason,
) -> ExitCode {
    let arguments = match A::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let report = FailureReport::new(program, Format::Text, TERMINATION_LOG);
    match caught(|| execute(arguments)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => report.failure(&error, reason(&error)),
        Err(panicked) => report.failure(&panicked, Reason::Bug),
    }
}

/// The process cannot wait for the network, or for signals.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the runtime")]
pub struct StartError(#[source] io::Error);

/// Logs what `filter` lets through, and does `work` on two threads. A request to stop cancels the
/// token of the work, which then ends by itself.
///
/// # Errors
///
/// Those of the work, and [`StartError`].
pub fn serve<E: From<StartError>, W: Future<Output = Result<(), E>>>(
    filter: &str,
    work: impl FnOnce(CancellationToken) -> W,
) -> Result<(), E> {
    if let Some(filter) = Filter::read(filter) {
        telemetry::start(&filter, Format::from_stderr());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(StartError)?;
    runtime.block_on(async {
        let mut signals = Stop::listen().map_err(StartError)?;
        let stop = CancellationToken::new();
        let mut work = pin!(work(stop.clone()));
        tokio::select! {
            ended = &mut work => return ended,
            signal = signals.asked() => info!(%signal, "asked to stop"),
        }
        stop.cancel();
        work.await
    })
}

/// Prints what clap says. Help and version are results; anything else is a mistake in the
/// arguments.
#[must_use]
pub fn usage(error: &clap::Error) -> ExitCode {
    // A terminal that went away before the help was written needs no second message.
    error.print().ok();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(Trouble::Configuration.exit_code()),
    }
}

/// The value of `--log`, if it is a filter.
///
/// # Errors
///
/// Says what is expected.
pub fn filter(text: &str) -> Result<String, String> {
    Filter::read(text)
        .map(|_| text.to_owned())
        .ok_or_else(|| format!("expected {}", Filter::EXPECTED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Panicked;

    #[derive(Debug, Parser)]
    #[command(version)]
    struct Arguments {
        #[arg(long, value_parser = filter)]
        log: Option<String>,
    }

    fn ended(arguments: &[&str], execute: fn(Arguments) -> Result<(), Panicked>) -> ExitCode {
        let arguments = ["test"].iter().chain(arguments).map(OsString::from);
        run("test", arguments, execute, Panicked::reason)
    }

    #[test]
    fn each_end_has_its_exit_code() {
        let fine = |_| Ok(());
        for good in [&[][..], &["--help"], &["--version"], &["--log", "warn"]] {
            assert_eq!(ended(good, fine), ExitCode::SUCCESS, "{good:?}");
        }
        for bad in [&["--lgo"][..], &["--log", "loud"]] {
            assert_eq!(ended(bad, fine), ExitCode::from(64), "{bad:?}");
        }
        assert_eq!(ended(&[], |_| caught(|| panic!("no"))), ExitCode::from(70));
        assert_eq!(ended(&[], |_| panic!("no")), ExitCode::from(70));
    }
}
