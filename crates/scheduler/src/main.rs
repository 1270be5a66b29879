//! `longshore-scheduler`: see `longshore-scheduler --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    scheduler::run(std::env::args_os())
}
