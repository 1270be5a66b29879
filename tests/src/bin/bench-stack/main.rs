//! What the chart's own Prometheus takes for a fleet, and what the store of logs takes for lines.

#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark makes its files itself, and has no failpoints"
)]

mod logs;
mod played;
mod prometheus;

use clap::Parser;
use e2e::ending;
use std::{error::Error, fs, io, process::ExitCode, time::Duration};

/// Measures Prometheus with a fleet that is played, and the store of logs with lines of agents.
/// Their programs are built by `tests/tools/tools DIRECTORY stack`.
#[derive(Debug, Parser)]
struct Arguments {
    /// Shops, each with all series that longshore-watch may serve of one
    #[arg(long, default_value_t = 5000)]
    shops: usize,
    /// Pods of shops, each with what rules read of its agent
    #[arg(long, default_value_t = 0)]
    pods: usize,
    /// Seconds between two questions to each target
    #[arg(long, default_value_t = 15)]
    interval: u64,
    /// For how many minutes Prometheus is watched; 0 leaves it out
    #[arg(long, default_value_t = 45)]
    minutes: u64,
    /// Lines of logs; 0 leaves the store out
    #[arg(long, default_value_t = 1_000_000)]
    lines: usize,
}

/// What a process takes.
#[derive(Debug, Clone, Copy)]
struct Usage {
    /// Memory that is resident, in bytes.
    resident: u64,
    /// The most that it was.
    peak: u64,
    /// Processor time.
    processor: Duration,
}

fn usage(process: u32) -> io::Result<Usage> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.map_or_else(
            || Err(io::Error::other(name.to_owned())),
            |kib| Ok(kib << 10),
        )
    };
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // utime and stime are the 12th and 13th field after the name, in hundredths of a second:
    // proc(5).
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|it| it.parse::<u64>().ok()).sum();
    Ok(Usage {
        resident: field("VmRSS:")?,
        peak: field("VmHWM:")?,
        processor: Duration::from_millis(ticks * 10),
    })
}

fn measure(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    if arguments.minutes > 0 {
        prometheus::measure(arguments)?;
    }
    if arguments.lines > 0 {
        logs::measure(arguments.lines)?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match measure(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => ending::fail("bench-stack", &*error),
    }
}
