//! `longshore-console`: see `longshore-console --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    console::run(std::env::args_os())
}
