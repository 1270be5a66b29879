//! What `longshore-watch` holds against a release that is on its way.

use super::observe::Observation;
use crate::run::Controller;
use api::{EvidencePolicy, WATCH};
use http::{Request, StatusCode};
use jiff::Timestamp;
use kube::client::Body;
use observe::v1;
use plan::rollout::{Assigned, Evidence};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use tracing::warn;

/// How often it is asked of each rollout.
const EVERY: Duration = Duration::from_secs(5);
/// Bytes of its answer at most.
const LIMIT: usize = 256 << 10;
/// Shops of either side that it is asked about: those of a wave are seldom more, and as many are
/// control enough.
const SHOPS: usize = 500;

/// What was said of each rollout, by its name.
pub(super) type Said = HashMap<String, (Instant, Evidence)>;

/// What is held against the release of a rollout, if that asks for it.
pub(super) async fn evidence(
    controller: &Controller,
    name: &str,
    seen: &Observation,
    said: &mut Said,
    now: Timestamp,
) -> Evidence {
    let moved = shops(seen, Assigned::This);
    if seen.rollout.spec.evidence == EvidencePolicy::None || moved.is_empty() {
        said.remove(name);
        return Evidence::NotAsked;
    }
    if let Some((asked, last)) = said.get(name)
        && asked.elapsed() < EVERY
    {
        return last.clone();
    }
    let trial = v1::Trial {
        sequence: seen.release.sequence.get(),
        canaries: seen
            .rollout
            .spec
            .canaries
            .iter()
            .filter(|shop| moved.contains(shop))
            .cloned()
            .collect(),
        moved,
        control: shops(seen, Assigned::Other),
    };
    let evidence = match ask(controller, &trial).await {
        Ok(answer) => Evidence::from(&answer),
        Err(problem) => {
            let since = if let Some((_, Evidence::Away(since))) = said.get(name) {
                *since
            } else {
                warn!(
                    rollout = name,
                    problem, "no evidence: longshore-watch does not answer"
                );
                now
            };
            Evidence::Away(since)
        }
    };
    said.insert(name.to_owned(), (Instant::now(), evidence.clone()));
    evidence
}

fn shops(seen: &Observation, assigned: Assigned) -> Vec<String> {
    let shops = seen
        .views
        .iter()
        .filter(|(_, view)| view.assigned == assigned)
        .map(|(shop, _)| shop.clone());
    shops.take(SHOPS).collect()
}

/// Through the API server, as people ask: this needs no name of DNS, and no way through the
/// cluster's network.
async fn ask(controller: &Controller, trial: &v1::Trial) -> Result<v1::Evidence, String> {
    let body = serde_json::to_vec(trial).map_err(|error| error.to_string())?;
    let path = format!("/api/v1/namespaces/{WATCH}/services/longshore-watch:api/proxy/v1/evidence");
    let request = Request::post(path)
        .header("content-type", "application/json")
        .body(Body::from(body))
        .map_err(|error| error.to_string())?;
    let (code, answer) = controller
        .connections
        .cluster
        .answer_of_service("ask longshore-watch for evidence", request, LIMIT)
        .await
        .map_err(|error| runtime::Chain(&error).to_string())?;
    if code != StatusCode::OK {
        let text = String::from_utf8_lossy(&answer);
        let short: String = text.chars().take(200).collect();
        return Err(format!("code {}: {short}", code.as_u16()));
    }
    serde_json::from_slice(&answer).map_err(|error| error.to_string())
}
