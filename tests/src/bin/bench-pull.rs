//! `make bench`: pulls, beside what one would do without Longshore.

use clap::Parser;
use e2e::{
    bench::{self, Arguments},
    ending,
};
use std::{ffi::OsString, process::ExitCode};

/// Measures how fast longshore-init makes a shop's tree, beside awscli, s5cmd, git and the least
/// that this machine can take.
#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    arguments: Arguments,
    /// Only run this program, and write what it took behind its output
    #[arg(long, hide = true, num_args = 1.., allow_hyphen_values = true)]
    launch: Option<Vec<OsString>>,
}

fn main() -> ExitCode {
    let Cli { arguments, launch } = Cli::parse();
    let done = launch.map_or_else(
        || bench::pull(&arguments),
        |program| bench::launch(&program),
    );
    done.map_or_else(
        |error| ending::fail("bench-pull", &error),
        |()| ExitCode::SUCCESS,
    )
}
