//! Starts the watches and the candidates for Leases, and gives Leases back.

use super::{Candidate, Controller, halt, watch};
use client::KINDS;
use client::shard_balance::ShardBalance;
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

fn lease_name(shard: usize, shards: u32) -> String {
    format!("longshore-scheduler-{shard}-of-{shards}")
}

pub(super) fn leases(tasks: &mut Tasks<Infallible>, controller: &Arc<Controller>) {
    let holders = ShardBalance::default();
    for (shard, held) in controller.connections.held.iter().enumerate() {
        let candidate = Candidate {
            cluster: controller.connections.cluster.clone(),
            namespace: controller.settings.namespace.clone(),
            name: lease_name(shard, controller.settings.shards),
            identity: controller.settings.identity.clone(),
            held: held.clone(),
            shard,
            balance: holders.clone(),
        };
        let shared = Arc::clone(controller);
        tasks.spawn("lease", Span::current(), move |stop| async move {
            candidate
                .run(
                    |leads| {
                        if leads {
                            shared.everything();
                        }
                    },
                    stop,
                )
                .await;
            Ok(())
        });
    }
}

pub(super) async fn give_back(controller: &Controller) {
    for (shard, held) in controller
        .connections
        .held
        .iter()
        .enumerate()
        .filter(|(_, held)| held.is())
    {
        held.give_up();
        let (settings, name) = (
            &controller.settings,
            lease_name(shard, controller.settings.shards),
        );
        Candidate::give_back(
            &controller.connections.cluster,
            &settings.namespace,
            &name,
            &settings.identity,
        )
        .await;
    }
}
