//! What pages are made of.

use crate::{guard::Guard, metrics::Figures, person::Person, registry::Registry};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What pages are made of.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) registry: Arc<Registry>,
    pub(crate) guard: Arc<Guard>,
    pub(crate) person: Person,
    pub(crate) figures: Arc<Figures>,
    /// The namespace of the scheduler.
    pub(crate) namespace: String,
    pub(crate) stop: CancellationToken,
}
