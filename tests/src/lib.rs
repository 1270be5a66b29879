//! The harness of the end-to-end tests: an S3 server with faults, process runners, other S3
//! servers, and trees of files.
//!
//! What is here serves tests and benchmarks only; a call that cannot do its part panics where that
//! makes a test shorter, and says so.

pub mod bench;
pub mod chart;
pub mod cluster;
pub mod corpus;
pub mod demo;
pub mod ending;
pub mod faults;
pub mod figures;
pub mod fleet;
pub mod haproxy;
pub mod interrupt;
pub mod magento;
pub mod name_server;
pub mod peers;
pub mod platform;
pub mod pod;
pub mod process;
pub mod s3;
pub mod serving;
pub mod shop;
pub mod tree;
pub mod web;
