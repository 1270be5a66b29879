//! `longshore-scheduler`: the controller. It keeps a cluster in the state that its registry asks
//! for, and moves shops to releases in waves.
//!
//! CI signs what may run, and the pods verify it. This program decides when it runs, and holds no
//! key.

mod command;
mod run;

pub use command::run;
pub use run::metrics::{dashboard, reference};
