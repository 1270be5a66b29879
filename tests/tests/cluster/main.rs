//! Tests on a real Kubernetes cluster: `make test-cluster` starts it and runs this binary inside.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails there, also inside a function that it calls"
)]

mod cluster;
mod edge;
mod faults;
mod image;
mod scheduler;
mod watch;
