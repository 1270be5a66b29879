//! Prints docs/metrics-console.md.

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    io::stdout().write_all(console::reference().as_bytes())
}
