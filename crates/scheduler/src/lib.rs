//! `longshore-scheduler`: shops as Kubernetes workloads.

pub mod crd;
pub mod render;
pub mod schedule;
