//! `longshore-scheduler`: the controller. It keeps a cluster as its registry says, and moves
//! releases through the shops in waves.
//!
//! What to run is signed by CI and verified by the pods; this program decides when, and holds no
//! key.

mod command;
mod run;

pub use command::run;
pub use run::metrics::reference;
