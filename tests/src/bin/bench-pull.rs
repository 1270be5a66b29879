//! `make bench`: pulls, beside what one would do without Longshore.

use clap::Parser;
use e2e::{
    bench::{self, Arguments},
    ending,
};
use std::process::ExitCode;

/// Measures how fast longshore-init makes a shop's tree, beside awscli, s5cmd, git and the least that this machine can take.
#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    arguments: Arguments,
}

fn main() -> ExitCode {
    bench::pull(&Cli::parse().arguments).map_or_else(|error| ending::fail("bench-pull", &error), |()| ExitCode::SUCCESS)
}
