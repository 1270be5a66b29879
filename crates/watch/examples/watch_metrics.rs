//! Prints docs/metrics-watch.md.

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    io::stdout().write_all(watch::reference().as_bytes())
}
