//! Starts the watches and the candidate for the Lease, and gives the Lease back.

use super::{Candidate, Controller, halt, watch};
use api::LEASE;
use client::KINDS;
use runtime::Tasks;
use std::{collections::BTreeSet, convert::Infallible, sync::Arc};
use tracing::Span;

pub(super) fn watches(
    tasks: &mut Tasks<Infallible>,
    controller: &Arc<Controller>,
    optional: &BTreeSet<&'static str>,
) {
    macro_rules! spawn {
        ($name:literal, $task:expr) => {{
            let shared = Arc::clone(controller);
            tasks.spawn($name, Span::current(), move |stop| async move {
                let task: std::pin::Pin<Box<dyn Future<Output = ()> + Send>> =
                    Box::pin($task(shared, stop));
                task.await;
                Ok(())
            });
        }};
    }
    spawn!("watch shops", watch::shops);
    spawn!("watch classes", watch::classes);
    spawn!("watch releases", watch::releases);
    spawn!("watch rollouts", watch::rollouts);
    spawn!("watch certificates", watch::certificates);
    spawn!("watch visits", watch::visits);
    spawn!("halt", halt::follow);
    for kind in KINDS.iter().filter(|kind| !optional.contains(kind.name)) {
        if matches!(
            kind.name,
            "Deployment" | "Job" | "CronJob" | "Ingress" | "HTTPRoute"
        ) {
            spawn!("watch workloads", |controller, stop| watch::workloads(
                controller, kind, stop
            ));
        } else {
            spawn!("watch objects", |controller, stop| watch::objects(
                controller, kind, stop
            ));
        }
    }
}

pub(super) fn lease(tasks: &mut Tasks<Infallible>, controller: &Arc<Controller>) {
    let candidate = Candidate {
        cluster: controller.connections.cluster.clone(),
        namespace: controller.settings.namespace.clone(),
        name: LEASE.to_owned(),
        identity: controller.settings.identity.clone(),
        held: controller.connections.leadership.clone(),
    };
    let shared = Arc::clone(controller);
    tasks.spawn("lease", Span::current(), move |stop| async move {
        let changed = |leads| {
            if leads {
                shared.everything();
            }
        };
        candidate.run(changed, stop).await;
        Ok(())
    });
}

pub(super) async fn give_back(controller: &Controller) {
    let (connections, settings) = (&controller.connections, &controller.settings);
    if connections.leads() {
        connections.leadership.give_up();
        Candidate::give_back(
            &connections.cluster,
            &settings.namespace,
            LEASE,
            &settings.identity,
        )
        .await;
    }
}
