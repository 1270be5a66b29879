//! A controller for tests of its loops: it leads everything, has read everything, and speaks to a
//! scripted API server.

use super::{Controller, Settings, halt::HaltState};
use api::fixtures;
use client::{KINDS, lease::Leadership, scripted::Script};
use jiff::{SignedDuration, Timestamp};
use plan::guard::Limit;
use release::Migration;
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};
use tokio::time::Instant;

/// A moment.
pub(super) fn now() -> Timestamp {
    "2026-11-30T12:00:00Z".parse().expect("a time")
}

/// The controller, with the class `php` and the releases 41 and 42 of `shops/acme`.
pub(super) fn controller(script: &Script) -> Controller {
    let settings = Settings {
        namespace: "longshore-system".to_owned(),
        identity: "test".to_owned(),
        at_once: 1,
        listen: ([127, 0, 0, 1], 0).into(),
        limit: Limit::Default,
        grace: SignedDuration::ZERO,
        agents: true,
        dns: None,
        platform_hosts: Vec::new(),
    };
    let cluster = script.cluster().patient(Duration::ZERO);
    let mut controller = Controller::new(&cluster, settings, &BTreeSet::new());
    controller.connections.leadership = Leadership::leading();
    controller
        .connections
        .halt
        .read(Instant::now(), HaltState::Lifted);
    let mut state = controller.lock();
    state.unread.clear();
    state.class(fixtures::class("php", json!({})));
    for sequence in [41, 42] {
        let release = fixtures::release(sequence, Migration::None);
        let channel = state.fleet.releases.entry(release.channel.clone());
        channel.or_default().insert(sequence, release);
    }
    drop(state);
    controller
}

/// Takes in the shop `acme`, which is assigned the release `sequence`, with a Deployment.
pub(super) fn has_acme(controller: &Controller, sequence: u64) {
    let mut acme = fixtures::shop("acme", json!({}));
    let release = fixtures::release(sequence, Migration::None);
    let assigned = render::assign::record(&release, now());
    acme.status.get_or_insert_default().release = Some(assigned);
    controller.lock().shop(acme);
    has_workload(controller, "acme");
}

/// The cluster has a Deployment of the shop.
pub(super) fn has_workload(controller: &Controller, shop: &str) {
    let kind = KINDS.iter().find(|kind| kind.name == "Deployment");
    let kind = kind.expect("a kind");
    let identity = kind.identity(Some(api::namespace(shop)), "web".to_owned());
    let live = fixtures::live(shop, Timestamp::UNIX_EPOCH);
    controller.lock().see(shop, identity, live);
}
