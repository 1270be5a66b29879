//! `longshore-edge`: see `longshore-edge --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    edge::run(std::env::args_os())
}
