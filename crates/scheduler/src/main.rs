//! `longshore-scheduler`: see `longshore-scheduler --help`.

fn main() {}
