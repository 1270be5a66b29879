//! `make demo`: the main job on real PHP sources, from keys to a refused forgery.

use e2e::demo::{self, DemoError};
use std::{
    error::Error,
    io::{self, Write as _},
    iter,
    process::ExitCode,
};

fn main() -> ExitCode {
    let Err(error) = demo::play() else { return ExitCode::SUCCESS };
    let causes = iter::successors(error.source(), |&cause| cause.source());
    let chain = causes.fold(error.to_string(), |chain, cause| format!("{chain}: {cause}"));
    // A closed standard error leaves the exit code to say it.
    writeln!(io::stderr(), "demo: {chain}").unwrap_or_default();
    match error {
        DemoError::Interrupted(_) => ExitCode::from(130),
        _ => ExitCode::FAILURE,
    }
}
