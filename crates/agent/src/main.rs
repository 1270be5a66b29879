//! `longshore-agent`: mounts, watches, switches and rolls back, and tells how the pod is.

use runtime::Env;
use std::process::ExitCode;

fn main() -> ExitCode {
    agent::run(std::env::args_os().skip(1), Env::from_process())
}
