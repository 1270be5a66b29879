//! Prints the page of metrics: `cargo run -p agent --example metrics > docs/metrics.md`.

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    io::stdout().write_all(agent::metrics::reference().as_bytes())
}
