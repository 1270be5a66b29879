//! `make demo`: the main job on real PHP sources, from keys to a refused forgery.

use e2e::{demo, ending};
use std::process::ExitCode;

fn main() -> ExitCode {
    demo::play().map_or_else(|error| ending::fail("demo", &error), |()| ExitCode::SUCCESS)
}
