//! Proofs of domains: looks up which shop the owner of each domain names, and keeps what it found
//! in the Shops' status, from which every process decides whose a host is.
//!
//! ```text
//!  Shops of classes that ask ──► lookups ──► DNS ──► status.provenHosts ──► claims ──► routes
//! ```
//!
//! The process that leads does so. The next one reads what was written, so that no start waits for
//! DNS.

use super::Controller;
use api::proof;
use cell::proof::{DnsAnswer, wanted};
use client::Priority;
use dns::{Dns, DnsProblem};
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// How long answers and changes are gathered: a look goes over all shops.
const GATHER: Duration = Duration::from_millis(100);
/// The longest pause: what could not be written is written then.
const EVERY: Duration = Duration::from_secs(30);
/// Statuses that are written at once.
const WRITES: usize = 8;

pub(super) async fn run(
    controller: Arc<Controller>,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    let dns = Dns::new(controller.settings.dns)
        .map_err(|problem| runtime::Chain(&problem).to_string())
        .inspect_err(|problem| error!(problem, "domains cannot be proven"));
    let mut questions = JoinSet::new();
    loop {
        let now = Timestamp::now();
        let mut pause = EVERY;
        if controller.complete() {
            let (due, next) = look(&controller, now);
            for host in due {
                let dns = dns.clone();
                questions.spawn(async move {
                    let answer = ask(dns, &host).await;
                    (host, answer)
                });
            }
            write(&controller).await;
            let next = next.and_then(|next| next.duration_since(now).try_into().ok());
            pause = next.map_or(EVERY, |next: Duration| next.min(EVERY));
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = controller.proofs.notified() => {}
            Some(answered) = questions.join_next() => {
                take(&controller, answered);
            }
            () = sleep(pause) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = sleep(GATHER) => {}
        }
        while let Some(answered) = questions.try_join_next() {
            take(&controller, answered);
        }
    }
}

/// The hosts that are looked up now, and when the next one is due.
fn look(controller: &Controller, now: Timestamp) -> (Vec<String>, Option<Timestamp>) {
    let mut state = controller.lock();
    let wanted = if controller.connections.leads() {
        wanted(&state.fleet, &state.claims)
    } else {
        // What was found would be old if this process led again.
        BTreeMap::new()
    };
    state.proofs.due(wanted, now)
}

async fn ask(dns: Result<Dns, String>, host: &str) -> DnsAnswer {
    let texts = match dns {
        Ok(dns) => dns.texts(&proof::record(host)).await,
        Err(problem) => Err(DnsProblem::Ours(problem)),
    };
    match texts {
        Ok(texts) => DnsAnswer::Named(proof::named(&texts)),
        Err(problem) => DnsAnswer::Unknown(problem.to_string()),
    }
}

fn take(controller: &Controller, answered: Result<(String, DnsAnswer), tokio::task::JoinError>) {
    let (host, answer) = match answered {
        Ok(answered) => answered,
        // A bug: the process ends with it.
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    };
    controller.counts.proof_lookups.fetch_add(1, Relaxed);
    if let DnsAnswer::Unknown(_) = &answer {
        controller.counts.failed_proof_lookups.fetch_add(1, Relaxed);
    }
    let mut state = controller.lock();
    let news = state.proofs.answered(&host, answer, Timestamp::now());
    let shops = state.claims.shops_that_name(&host);
    drop(state);
    // Their conditions say what was found.
    for shop in shops.iter().filter(|_| news) {
        controller.queue.ask(shop, Priority::Normal);
    }
}

/// Shops of which something else is proven than their status says, with what is.
fn changes(controller: &Controller) -> Vec<(String, Vec<String>)> {
    if !controller.connections.leads() {
        return Vec::new();
    }
    let state = controller.lock();
    let change = |(name, shop): (&String, &api::Shop)| {
        let class = state.fleet.classes.get(&shop.spec.class)?;
        let old = shop.status.as_ref().map(|status| &status.proven_hosts);
        let old = old.map_or(&[][..], Vec::as_slice);
        if class.spec.domain_proof.is_none() && old.is_empty() {
            return None;
        }
        let needed = proof::needed(shop, Some(class));
        let new = state.proofs.proven(name, needed, old);
        (new != old).then(|| (name.clone(), new))
    };
    state.fleet.shops.iter().filter_map(change).collect()
}

async fn write(controller: &Controller) {
    let write = |(shop, hosts): (String, Vec<String>)| async move {
        let patch = json!({ "status": { "provenHosts": hosts } });
        let writer = controller.connections.writer(&shop);
        match writer
            .merge(&client::shop(&shop), Some("status"), &patch)
            .await
        {
            Ok(true) => {
                controller.counts.statuses.fetch_add(1, Relaxed);
                info!(shop, ?hosts, "proofs of domains changed");
                let concerned = controller.lock().proved(&shop, hosts);
                tell(controller, &concerned);
            }
            // It was deleted meanwhile.
            Ok(false) => {}
            Err(error) => {
                warn!(shop, error = %runtime::Chain(&error), "proofs are not written");
            }
        }
    };
    stream::iter(changes(controller))
        .for_each_concurrent(WRITES, write)
        .await;
}

/// Something else is proven of hosts that these shops name.
pub(super) fn tell(controller: &Controller, concerned: &BTreeSet<String>) {
    controller.edge.notify_one();
    controller.proofs.notify_one();
    for shop in concerned {
        controller.queue.ask(shop, Priority::Urgent);
    }
}

#[cfg(test)]
mod tests;
