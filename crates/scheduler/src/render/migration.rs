//! The Job that brings a shop's database to a release, and the Lease that says whose turn it is.

use super::{
    Migrating, Object,
    config::Names,
    container,
    frame::Frame,
    name, path,
    pod::{self, Part},
    scripts,
};
use k8s_openapi::api::{
    batch::v1::{Job, JobSpec},
    coordination::v1::Lease,
};
use release::Migration;

/// The Lease of a shop's database. Who holds it is not rendered: the controller takes it, and gives it back.
pub(crate) const LEASE: &str = "migration";
/// Seconds after which a migration is given up: an hour.
pub(crate) const DEADLINE: i64 = 3600;

pub(crate) fn lease(frame: &Frame<'_>) -> Object {
    Object::of(&Lease { metadata: frame.meta(LEASE), ..Lease::default() })
}

/// Only while the controller holds the Lease and cron has ended: a Job runs as soon as it exists.
pub(crate) fn job(frame: &Frame<'_>, names: &Names) -> Option<Object> {
    let release = frame.release?;
    let pending = frame.moment.migrated.is_none_or(|migrated| migrated < release.sequence);
    if !scripts::migrates(frame) || release.migration == Migration::None || !pending || frame.moment.migrating != Migrating::Now {
        return None;
    }
    let init = vec![container::pull(frame), container::follower(frame)];
    let script = format!("{}/migrate.sh", path::SCRIPTS);
    let mut main = container::worker(frame, "migrate", &frame.class.sizes.job, vec!["/bin/sh".to_owned(), script]);
    // Its last lines say what is missing: they stay with the pod.
    main.termination_message_policy = Some("FallbackToLogsOnError".to_owned());
    let part = Part { component: "migration", grace: 60, restart: "Never", spread: false };
    let spec = JobSpec {
        // A migration that failed is looked at by a person: half of it may have run.
        backoff_limit: Some(0),
        active_deadline_seconds: Some(DEADLINE),
        ttl_seconds_after_finished: Some(7 * 24 * 3600),
        template: pod::template(frame, names, part, init, main),
        ..JobSpec::default()
    };
    let name = name::within(&format!("release-{}", release.sequence), name::LABEL_LIMIT);
    Some(Object::of(&Job { metadata: frame.meta(name), spec: Some(spec), ..Job::default() }))
}
