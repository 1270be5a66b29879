//! The whole platform on a real Kubernetes cluster: `make test-cluster` starts one for it and runs
//! this binary inside.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails there, also inside a function that it calls"
)]
#![allow(
    clippy::print_stdout,
    reason = "what was measured is read in the log of the run"
)]

mod backup;
mod boot;
mod console;
mod edge;
mod eviction;
mod lifecycle;
mod magento;
mod reach;
mod scale;
mod shops;
mod stack;
mod switch;
mod upgrade;
mod watch;
