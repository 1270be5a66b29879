//! Objects that are as they should be when they are as we wrote them: watched by their metadata
//! alone.

use super::{config, follow, replace};
use crate::run::{Controller, edge};
use client::{Kind, OURS, ObjectSummary, Priority};
use kube::{
    api::{Api, DynamicObject},
    core::PartialObjectMeta,
};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub(in crate::run) async fn objects(
    controller: Arc<Controller>,
    kind: &'static Kind,
    stop: CancellationToken,
) {
    let api: Api<PartialObjectMeta<DynamicObject>> =
        Api::all_with(controller.connections.cluster.client(), &kind.resource());
    let keep = |item: PartialObjectMeta<DynamicObject>| ObjectSummary::new(kind, item.metadata);
    let one = |object: ObjectSummary| {
        edge::took(&controller, &object);
        if let Some((shop, identity, live)) = object.of_shop()
            && controller.lock().see(&shop, identity, live)
        {
            controller.queue.ask(&shop, Priority::Normal);
        }
    };
    let all = |objects: Vec<ObjectSummary>| {
        edge::listed(&controller, kind, &objects);
        replace(
            &controller,
            kind,
            objects
                .into_iter()
                .filter_map(ObjectSummary::of_shop)
                .collect(),
        );
    };
    let gone = |object: ObjectSummary| {
        edge::gone(&controller, &object);
        if let Some((shop, identity, _)) = object.of_shop() {
            controller.lock().gone(&shop, &identity);
            controller.queue.ask(&shop, Priority::Normal);
        }
    };
    let watch = (api, config().labels(OURS));
    follow(kind.name, &controller, watch, &stop, keep, (all, one, gone)).await;
}

#[cfg(test)]
mod tests;
