//! Prints docs/metrics-edge.md.

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    io::stdout().write_all(edge::reference().as_bytes())
}
