//! Deployments, Jobs, CronJobs and routes: also how they are.

use super::{config, follow, replace};
use crate::run::{Controller, builds};
use cell::{LAST_BACKUP, Pods, Progress, RawWorkload, State, Workload, migration_of};
use client::{Kind, OURS, Priority};
use kube::api::Api;
use std::{collections::BTreeSet, sync::Arc};
use tokio_util::sync::CancellationToken;

pub(in crate::run) async fn workloads(
    controller: Arc<Controller>,
    kind: &'static Kind,
    end: CancellationToken,
) {
    let api: Api<RawWorkload> =
        Api::all_with(controller.connections.cluster.client(), &kind.resource());
    let keep = |object| Workload::new(kind, object);
    let one = |object: Workload| {
        let Some(shop) = object.found.shop.clone() else {
            return builds::took(&mut controller.lock(), &object);
        };
        let mut state = controller.lock();
        let changed = status(&mut state, &shop, &object);
        let news = state.see(&shop, object.found.identity, object.found.live);
        drop(state);
        if changed || news {
            controller.queue.ask(&shop, Priority::Normal);
        }
        if changed {
            controller.wake_rollouts();
        }
    };
    let all = |objects: Vec<Workload>| {
        let mut state = controller.lock();
        builds::listed(&mut state, kind, &objects);
        let mut changed = BTreeSet::new();
        for object in &objects {
            if let Some(shop) = &object.found.shop
                && status(&mut state, shop, object)
            {
                changed.insert(shop.clone());
            }
        }
        let listed = objects.iter().filter_map(|object| {
            Some((
                object.found.shop.clone()?,
                object.found.identity.name.clone(),
            ))
        });
        state.forget(kind.name, &listed.collect());
        drop(state);
        replace(
            &controller,
            kind,
            objects
                .into_iter()
                .filter_map(|object| object.found.of_shop())
                .collect(),
        );
        if controller.complete() {
            for shop in &changed {
                controller.queue.ask(shop, Priority::Normal);
            }
            if !changed.is_empty() {
                controller.wake_rollouts();
            }
        }
    };
    let gone = |object: Workload| {
        builds::gone(&mut controller.lock(), &object);
        let Some((shop, identity, _)) = object.found.of_shop() else {
            return;
        };
        let mut state = controller.lock();
        match identity.kind.as_ref() {
            "Deployment" if identity.name == "web" => {
                state.pods.remove(&shop);
            }
            "Deployment" if identity.name == "cron" => {
                state.crons.remove(&shop);
            }
            // Who deletes a Job that failed wants another one.
            "Job" => state.forget_job(&shop, &identity.name),
            "CronJob" => {
                state.backups.remove(&shop);
            }
            "Ingress" | "HTTPRoute" => {
                if let Some(routes) = state.routes.get_mut(&shop) {
                    routes.remove(&(identity.kind.to_string(), identity.name.clone()));
                }
            }
            _ => {}
        }
        state.gone(&shop, &identity);
        drop(state);
        controller.queue.ask(&shop, Priority::Normal);
    };
    let watch = (api, config().labels(OURS));
    follow(kind.name, &controller, watch, &end, keep, (all, one, gone)).await;
}

/// How a Job goes.
pub(in crate::run) fn progress(job: &Workload) -> Progress {
    let ended = |kind: &str| {
        job.status
            .conditions
            .iter()
            .any(|condition| condition.kind == kind && condition.status == "True")
    };
    match (ended("Complete"), ended("Failed")) {
        (true, _) => Progress::Done,
        (_, true) => Progress::Failed,
        _ => Progress::Runs,
    }
}

/// Takes in how a workload is; says whether that changed.
fn status(state: &mut State, shop: &str, object: &Workload) -> bool {
    let identity = &object.found.identity;
    let wanted = object.spec.replicas.unwrap_or(1);
    let current =
        object.status.observed_generation >= object.found.live.generation.unwrap_or_default();
    match (identity.kind.as_ref(), identity.name.as_str()) {
        ("Deployment", "web") => {
            let pods = Pods {
                wanted,
                ready: object.status.ready_replicas,
                updated: object.status.updated_replicas,
                current,
            };
            state.pods.insert(shop.to_owned(), pods) != Some(pods)
        }
        ("Deployment", "cron") if wanted == 0 && object.status.replicas == 0 && current => {
            state.crons.remove(shop)
        }
        ("Deployment", "cron") => state.crons.insert(shop.to_owned()),
        (kind @ ("Ingress" | "HTTPRoute"), name) => {
            let route = object.status.route();
            let routes = state.routes.entry(shop.to_owned()).or_default();
            let key = (kind.to_owned(), name.to_owned());
            routes.insert(key, route.clone()).as_ref() != Some(&route)
        }
        ("Job", name) => {
            let progress = progress(object);
            if name.starts_with(LAST_BACKUP) {
                return state
                    .last_backups
                    .entry(shop.to_owned())
                    .or_default()
                    .insert(name.to_owned(), progress)
                    != Some(progress);
            }
            let Some(sequence) = migration_of(name) else {
                return false;
            };
            state
                .migrations
                .entry(shop.to_owned())
                .or_default()
                .insert(sequence, progress)
                != Some(progress)
        }
        ("CronJob", "backup") => {
            let last = object
                .status
                .last_successful_time
                .as_ref()
                .map(|time| time.0);
            state.backups.insert(shop.to_owned(), last) != Some(last)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
