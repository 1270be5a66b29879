//! What tests of watches begin with: what the API server tells of one kind, and whom that wakes.

use crate::run::{Controller, testing::controller};
use client::{
    KINDS, Kind, Priority, ReconcileEnd,
    scripted::{Exchange, Script, expect},
};
use futures_util::FutureExt as _;
use serde::Serialize;
use serde_json::{Value, json};
use std::{iter, sync::Arc, time::Duration};
use tokio::{sync::Notify, time::timeout};
use tokio_util::sync::CancellationToken;

/// Long enough for what is told at once, and for the pause after a failure. A watch that hears
/// nothing goes on for longer: kube asks for it again after 295 s.
pub(super) const SOON: Duration = Duration::from_mins(1);
/// Long enough for that.
const LATER: Duration = Duration::from_mins(5);
/// The version of a first list.
const FIRST: usize = 7;

/// A kind of generated objects.
pub(super) fn kind(name: &str) -> &'static Kind {
    let kind = KINDS.iter().find(|kind| kind.name == name);
    kind.expect("a kind")
}

/// Where the API server has those of a kind that are ours, whatever their namespace.
pub(super) fn ours(kind: &Kind) -> String {
    let resource = kind.resource();
    let api = if resource.group.is_empty() {
        "api"
    } else {
        "apis"
    };
    let (version, plural) = (resource.api_version, resource.plural);
    format!("/{api}/{version}/{plural} labelSelector=app.kubernetes.io%2Fmanaged-by%3Dlongshore")
}

/// An object, as the API server has it.
pub(super) fn value(object: &impl Serialize) -> Value {
    serde_json::to_value(object).expect("an object")
}

/// This version of an object.
pub(super) fn at(version: usize, object: &Value) -> Value {
    let mut object = object.clone();
    object["metadata"]["resourceVersion"] = version.to_string().into();
    object
}

/// A change of an object, which makes this version of it.
pub(super) fn event(change: &str, version: usize, object: &Value) -> Value {
    json!({ "type": change, "object": at(version, object) })
}

/// A failure that the API server tells of in the middle of a watch.
pub(super) fn failure(code: u16, reason: &str) -> Value {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "reason": reason, "message": "told by a test", "code": code,
    });
    json!({ "type": "ERROR", "object": status })
}

/// A page of a list of this version, and where the next one begins.
pub(super) fn page(objects: &[Value], version: usize, next: Option<&str>) -> Value {
    json!({
        "apiVersion": "v1", "kind": "List", "items": objects,
        "metadata": { "resourceVersion": version.to_string(), "continue": next },
    })
}

/// Expects the first page of a list to be asked for.
pub(super) fn lists(path: &str) -> Exchange {
    expect(&format!("GET {path} limit=100"))
}

/// Expects the page to be asked for that begins at `next`.
pub(super) fn lists_on(path: &str) -> Exchange {
    expect(&format!("GET {path} limit=100 continue=next"))
}

/// Expects a watch from this version on.
pub(super) fn watches(path: &str, version: usize) -> Exchange {
    expect(&format!("GET {path} watch=true resourceVersion={version}"))
}

/// Lets a watch hear what is told at once. It does not end by itself.
pub(super) async fn hears<F: Future<Output = ()>>(
    script: &Script,
    controller: &Arc<Controller>,
    watch: impl FnOnce(Arc<Controller>, CancellationToken) -> F,
) {
    let watching = Box::pin(watch(Arc::clone(controller), CancellationToken::new()));
    let ended = timeout(SOON, watching).await;
    script.end();
    assert!(ended.is_err(), "the watch ended");
}

/// What comes of a list of these objects. `prepare` makes what the controller knows before.
pub(super) async fn listed<F: Future<Output = ()>>(
    path: &str,
    objects: &[Value],
    prepare: impl FnOnce(&Controller),
    watch: impl FnOnce(Arc<Controller>, CancellationToken) -> F,
) -> Arc<Controller> {
    let script = Script::new([
        lists(path).answers(page(objects, FIRST, None)),
        watches(path, FIRST).stays_silent(),
    ]);
    let controller = Arc::new(controller(&script));
    prepare(&controller);
    hears(&script, &controller, watch).await;
    controller
}

/// What comes of changes that are told some time after a list of `objects`.
pub(super) async fn changed<F: Future<Output = ()>>(
    path: &str,
    objects: &[Value],
    changes: &[(&str, usize, Value)],
    prepare: impl FnOnce(&Controller),
    watch: impl FnOnce(Arc<Controller>, CancellationToken) -> F,
) -> Arc<Controller> {
    let last = changes.last().map_or(FIRST, |(_, version, _)| *version);
    let events = changes
        .iter()
        .map(|(change, version, object)| event(change, *version, object));
    let script = Script::new([
        lists(path).answers(page(objects, FIRST, None)),
        watches(path, FIRST).stays_silent(),
        watches(path, FIRST).tells(events),
        watches(path, last).stays_silent(),
    ]);
    later(&script, prepare, watch).await
}

/// What comes of a list of `after`. It follows a list of `before`, because the API server no longer
/// knows what has changed in between (410 Gone).
pub(super) async fn relisted<F: Future<Output = ()>>(
    path: &str,
    (before, after): (&[Value], &[Value]),
    prepare: impl FnOnce(&Controller),
    watch: impl FnOnce(Arc<Controller>, CancellationToken) -> F,
) -> Arc<Controller> {
    let script = Script::new([
        lists(path).answers(page(before, FIRST, None)),
        watches(path, FIRST).stays_silent(),
        watches(path, FIRST).tells([failure(410, "Expired")]),
        lists(path).answers(page(after, 20, None)),
        watches(path, 20).stays_silent(),
    ]);
    later(&script, prepare, watch).await
}

/// What comes of the end of a script, after a list and a watch that says nothing.
async fn later<F: Future<Output = ()>>(
    script: &Script,
    prepare: impl FnOnce(&Controller),
    watch: impl FnOnce(Arc<Controller>, CancellationToken) -> F,
) -> Arc<Controller> {
    let controller = Arc::new(controller(script));
    prepare(&controller);
    let mut watching = Box::pin(watch(Arc::clone(&controller), CancellationToken::new()));
    let ended = timeout(SOON, watching.as_mut()).await;
    assert!(ended.is_err(), "the watch ended");
    // Whom the first list woke is another test's.
    asked(&controller);
    for loops in [&controller.edge, &controller.proofs, &controller.rollouts] {
        woken(loops);
    }
    let ended = timeout(LATER, watching).await;
    script.end();
    assert!(ended.is_err(), "the watch ended");
    controller
}

/// Nothing is known before.
pub(super) fn unprepared(_: &Controller) {}

/// Shops that were asked for since the last call, in the order of their turns, such as
/// `Urgent acme`.
pub(super) fn asked(controller: &Controller) -> Vec<String> {
    let mut asked = Vec::new();
    for priority in [Priority::Urgent, Priority::Normal, Priority::Slow] {
        // No shop has this name: it is the end of its line.
        controller.queue.ask("", priority);
        let line: Vec<_> = iter::from_fn(|| controller.queue.take(1000))
            .take_while(|shop| !shop.is_empty())
            .collect();
        controller.queue.done("", ReconcileEnd::Settled);
        for shop in line {
            controller.queue.done(&shop, ReconcileEnd::Settled);
            asked.push(format!("{priority:?} {shop}"));
        }
    }
    asked
}

/// Whether a loop was woken since.
pub(super) fn woken(waits: &Notify) -> bool {
    waits.notified().now_or_never().is_some()
}
