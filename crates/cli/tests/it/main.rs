//! The real binary, on files: what its commands for clusters print.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test sets up without failpoints, and helpers of tests fail as tests do"
)]

mod command;
#[path = "../../../render/tests/it/committed.rs"]
mod committed;
mod creating;
mod importing;
