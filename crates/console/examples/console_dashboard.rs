//! Prints manifests/chart/files/dashboards/console.json.

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    io::stdout().write_all(console::dashboard().as_bytes())
}
