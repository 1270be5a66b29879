//! Prints manifests/chart/files/dashboards/shops.json.

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    io::stdout().write_all(watch::dashboard().as_bytes())
}
