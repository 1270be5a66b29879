//! Prints manifests/chart/files/dashboards/issuer.json.

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    io::stdout().write_all(edge::issuer_dashboard().as_bytes())
}
