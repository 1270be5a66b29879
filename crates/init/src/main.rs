//! `longshore-init`: pulls the release in force onto the local disk and exits.

use runtime::Env;
use std::process::ExitCode;

fn main() -> ExitCode {
    init::run(std::env::args_os().skip(1), Env::from_process())
}
