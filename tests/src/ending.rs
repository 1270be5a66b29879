//! How the harness's own programs end when they fail.

use std::{
    error::Error,
    io::{self, Write as _},
    iter,
    process::ExitCode,
};

/// Writes the error and its causes to standard error as one line.
pub fn fail(program: &str, error: &dyn Error) -> ExitCode {
    let causes = iter::successors(error.source(), |&cause| cause.source());
    let chain = causes.fold(error.to_string(), |chain, cause| {
        format!("{chain}: {cause}")
    });
    // A closed standard error leaves the exit code to say it.
    writeln!(io::stderr(), "{program}: {chain}").unwrap_or_default();
    ExitCode::FAILURE
}
