//! What `make bench` compares all programs with: see [`e2e::bench::floor`].

use clap::Parser;
use e2e::{
    bench::floor::{self, Arguments},
    ending,
};
use std::{
    error::Error,
    io::{self, Write as _},
    process::ExitCode,
};

/// Creates a release's tree from memory, with nothing but SHA-256, zstd and files, and prints what
/// that took as JSON.
#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    arguments: Arguments,
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    // Whoever starts it: 0644 and 0755 come out as they are asked for.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let figures = floor::run(arguments)?;
    writeln!(io::stdout(), "{}", serde_json::to_string(&figures)?)?;
    Ok(())
}

fn main() -> ExitCode {
    run(&Cli::parse().arguments).map_or_else(
        |error| ending::fail("bench-floor", &*error),
        |()| ExitCode::SUCCESS,
    )
}
