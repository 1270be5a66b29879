//! The fourth stage: writes what has to be written.

use super::{initial_release::release_map, render::Rendered};
use crate::run::Controller;
use api::{Object, Step};
use cell::ReconcileOutcome;
use client::apply::{self, Done, Ownership, Stopped};
use release::Sha256;
use std::sync::atomic::Ordering::Relaxed;

/// How often the scheduler takes fields of a shop from another manager before it stops.
const FIGHTS: u32 = 5;

/// The outcome of the stage.
pub(super) struct Applied {
    pub(super) outcome: ReconcileOutcome,
    /// Whether the ConfigMap that tells pods which release to run was written.
    pub(super) release_map: bool,
}

impl Applied {
    /// Nothing was written.
    pub(super) fn nothing(outcome: ReconcileOutcome) -> Self {
        Self {
            outcome,
            release_map: false,
        }
    }
}

/// Takes these steps.
pub(super) async fn apply(
    controller: &Controller,
    name: &str,
    rendered: &Rendered,
    steps: Vec<Step<'_>>,
) -> Applied {
    let objects = rendered.objects.as_deref().unwrap_or_default();
    let ownership = ownership(controller, objects);
    let writer = controller.connections.writer(name);
    let (done, error) = match apply::steps(&writer, steps, ownership).await {
        Ok(done) => (done, None),
        Err(Stopped { done, error }) => (done, Some(error)),
    };
    let Done {
        written,
        deleted,
        taken,
    } = done;
    let map = release_map(name);
    let release_map = written.iter().any(|(identity, _)| *identity == map);
    let counts = &controller.counts;
    counts.writes.fetch_add(written.len() as u64, Relaxed);
    counts.deletes.fetch_add(deleted.len() as u64, Relaxed);
    counts.taken.fetch_add(taken.len() as u64, Relaxed);
    let mut state = controller.lock();
    state.wrote(name, written, &deleted);
    let Some(error) = error else {
        for object in objects {
            let prefix = format!("{}: ", object.identity());
            if taken.iter().any(|text| text.starts_with(&prefix)) {
                *state.taken.entry(object.identity().clone()).or_default() += 1;
            }
        }
        return Applied {
            outcome: ReconcileOutcome::Applied {
                digest: digest(objects),
                taken,
            },
            release_map,
        };
    };
    let reason = if error.is_owned() {
        "Conflict"
    } else if error.is_transient() {
        "Unreachable"
    } else {
        "Refused"
    };
    let message = runtime::Chain(&error).to_string();
    Applied {
        outcome: ReconcileOutcome::NotApplied { reason, message },
        release_map,
    }
}

/// If the scheduler and another manager fight over an object, the scheduler stops after a while and
/// says so.
fn ownership(controller: &Controller, objects: &[Object]) -> Ownership {
    let state = controller.lock();
    let fights = objects
        .iter()
        .filter_map(|object| state.taken.get(object.identity()))
        .max()
        .copied()
        .unwrap_or(0);
    if fights >= FIGHTS {
        Ownership::Ask
    } else {
        Ownership::Take
    }
}

fn digest(objects: &[Object]) -> String {
    let all: String = objects
        .iter()
        .map(|object| object.digest().to_string())
        .collect();
    Sha256::digest(all.as_bytes()).to_string()
}
