//! `make bench`: cold pulls, beside what one would do without Longshore.

use clap::Parser;
use e2e::{
    bench::{self, Arguments},
    ending,
};
use std::process::ExitCode;

/// Measures cold pulls of the demo's shop with longshore-init, awscli and s5cmd.
#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    arguments: Arguments,
}

fn main() -> ExitCode {
    bench::pull(&Cli::parse().arguments).map_or_else(|error| ending::fail("bench-pull", &error), |()| ExitCode::SUCCESS)
}
