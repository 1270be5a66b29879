//! What is generated, compared with what is committed; and what its checks find.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test sets up without failpoints, and helpers of tests fail as tests do"
)]

mod chart;
mod checks;
mod committed;
mod crds;
mod environment;
mod golden;
mod made;
mod magento;
mod media;
mod own_edge;
mod probe;
mod programs;
mod properties;
mod withheld;
