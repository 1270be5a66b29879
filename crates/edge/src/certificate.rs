//! The certificates of hosts: which Secret holds them, and whether one is good.

mod check;
mod problem;

pub use api::edge::certificate::{
    CertificateRecord, CertificateState, LABEL, SHARDS, host_of, key_of, shard_name, shard_of, why,
};
pub use check::{Checked, SIZE_LIMIT, check};
pub use problem::CertificateProblem;
