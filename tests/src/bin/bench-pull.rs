//! `make bench`: cold pulls, beside what one would do without Longshore.

use clap::Parser;
use e2e::bench::{self, Arguments};
use std::error::Error;

/// Measures cold pulls of the demo's shop with longshore-init, awscli and s5cmd.
#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    arguments: Arguments,
}

fn main() -> Result<(), Box<dyn Error>> {
    Ok(bench::pull(&Cli::parse().arguments)?)
}
