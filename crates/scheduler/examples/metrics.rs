//! Prints docs/metrics-scheduler.md.

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    io::stdout().write_all(scheduler::reference().as_bytes())
}
