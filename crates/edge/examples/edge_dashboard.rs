//! Prints manifests/chart/files/dashboards/edge.json.

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    io::stdout().write_all(edge::dashboard().as_bytes())
}
