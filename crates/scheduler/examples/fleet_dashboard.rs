//! Prints manifests/chart/files/dashboards/fleet.json.

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    io::stdout().write_all(scheduler::dashboard().as_bytes())
}
