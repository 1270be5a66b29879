//! Reads the halt, again and again.

use super::HaltState;
use crate::run::Controller;
use api::HALT;
use client::ApiError;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often it is read.
const EVERY: Duration = Duration::from_secs(2);

/// Asks until `stop`.
pub(in crate::run) async fn follow(controller: Arc<Controller>, stop: CancellationToken) {
    let mut known = true;
    loop {
        let answer = read(&controller).await;
        match (&answer, known) {
            (Err(error), true) => {
                warn!(error = %runtime::Chain(error), "the halt cannot be read; no shop is moved until it can");
            }
            (Ok(()), false) => {
                info!("the halt can be read again");
                // What waited for it, such as a migration, goes on.
                controller.everything();
            }
            (Ok(()), true) | (Err(_), false) => {}
        }
        known = answer.is_ok();
        if known {
            controller.read("halt");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(EVERY) => {}
        }
    }
}

async fn read(controller: &Controller) -> Result<(), ApiError> {
    let api: Api<ConfigMap> = Api::namespaced(
        controller.connections.cluster.client(),
        &controller.settings.namespace,
    );
    let at = Instant::now();
    let found = controller
        .connections
        .cluster
        .once(&format!("get ConfigMap {HALT}"), || api.get_opt(HALT))
        .await?;
    let state = if found.is_some() {
        HaltState::InForce
    } else {
        HaltState::Lifted
    };
    // First what stops writers, then those who are told to stop.
    controller.connections.halt.read(at, state);
    controller.halted(found.as_ref().map(sentence));
    Ok(())
}

/// Who halted, and why.
fn sentence(halt: &ConfigMap) -> String {
    let text = |key: &str| {
        halt.data
            .as_ref()
            .and_then(|data| data.get(key))
            .map_or("somebody", String::as_str)
    };
    format!("halted by {}: {}", text("by"), text("why"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_halt_says_who_and_why() {
        let data = [("by", "anna"), ("why", "checkout fails")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        let halt = ConfigMap {
            data: Some(data.into()),
            ..ConfigMap::default()
        };
        assert_eq!(sentence(&halt), "halted by anna: checkout fails");
        assert_eq!(
            sentence(&ConfigMap::default()),
            "halted by somebody: somebody"
        );
    }
}
