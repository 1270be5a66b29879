//! How mounts are kept, and where each keeper says how its mount is.

use crate::{
    child_runner::Program,
    health::{Health, MountHealth},
    pace::Timing,
    tunnel::Credentials,
};
use jiff::Timestamp;
use std::sync::Arc;
use tokio::sync::watch;
use tracing::{info, warn};

/// How to keep mounts.
#[derive(Debug, Clone)]
pub struct Options {
    /// How to start children.
    pub child: Program,
    /// How often and how long.
    pub timing: Timing,
    /// Who signs for mounts that IAM is to know.
    pub credentials: Option<Arc<dyn Credentials>>,
}

/// Where one keeper says how its mount is.
#[derive(Debug)]
pub(crate) struct HealthReporter {
    index: usize,
    all: Arc<watch::Sender<Vec<MountHealth>>>,
}

impl HealthReporter {
    pub(crate) fn new(index: usize, all: Arc<watch::Sender<Vec<MountHealth>>>) -> Self {
        Self { index, all }
    }

    pub(crate) fn state(&self) -> Health {
        self.all.borrow()[self.index].state
    }

    /// One line for each change of the state, none for what only changes its words.
    pub(crate) fn say(&self, state: Health, detail: Option<String>) {
        self.all.send_if_modified(|all| {
            let health = &mut all[self.index];
            let changed = health.state != state;
            if changed {
                let (from, detail) = (health.state, detail.as_deref());
                if state.is_usable() || state == Health::Mounting {
                    info!(%state, %from, detail, "mount state changed");
                } else {
                    warn!(%state, %from, detail, "mount state changed");
                }
                (health.state, health.since) = (state, Timestamp::now());
            }
            let told = health.detail != detail;
            health.detail = detail;
            changed || told
        });
    }
}
