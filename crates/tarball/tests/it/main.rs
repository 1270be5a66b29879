//! Tests of the crate through its interface.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test sets up without failpoints, and helpers of tests fail as tests do"
)]

mod archive;
mod cuts;
mod fingerprint;
mod frames;
mod golden;
mod hostile;
mod pack;
mod peers;
mod refusals;
mod round;
