//! What the crate promises to those who use it: vectors of the specifications, the refusals, and
//! the files of version 1.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests stop at what they did not expect, as tests do"
)]

mod dsse;
mod faults;
mod golden;
mod keys;
mod made;
mod manifest;
mod properties;
mod statement;
