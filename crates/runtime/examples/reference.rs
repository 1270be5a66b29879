//! Prints the reference page: `cargo run -p runtime --example reference > docs/reference.md`.

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    io::stdout().write_all(runtime::reference().as_bytes())
}
