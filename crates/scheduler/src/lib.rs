//! `longshore-scheduler`: shops as Kubernetes workloads.

pub mod crd;
pub mod guard;
pub mod plan;
pub mod render;
pub mod schedule;
