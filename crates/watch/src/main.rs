//! `longshore-watch`: see `longshore-watch --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    watch::run(std::env::args_os())
}
