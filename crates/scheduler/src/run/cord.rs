//! The andon cord: a ConfigMap that is there, or is not.
//!
//! It is asked for every two seconds by every process, and not watched: a connection that is half open looks like a cord that nobody pulls.
//! Who has not read it for [`FRESH`] moves no shop and begins no migration, as nobody knows whether it may.

use super::Controller;
use api::HALT;
use client::ApiError;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often it is asked for.
const EVERY: Duration = Duration::from_secs(2);
/// How long what was read counts. With the time that one request may take, a halt is obeyed within 10 s, or no API server is there to write to.
const FRESH: Duration = Duration::from_secs(6);

/// When the cord was last read, and whether it was pulled then.
#[derive(Debug, Clone, Default)]
pub(super) struct Cord(Arc<Mutex<Option<(Instant, bool)>>>);

impl Cord {
    /// Whether what is known of it still counts.
    pub(super) fn fresh(&self) -> bool {
        self.known().is_some()
    }

    /// Whether shops may be moved: it is not pulled, and somebody knows.
    pub(super) fn lets(&self) -> bool {
        self.known() == Some(false)
    }

    fn known(&self) -> Option<bool> {
        let read = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        read.filter(|(at, _)| at.elapsed() < FRESH).map(|(_, pulled)| pulled)
    }

    fn read(&self, at: Instant, pulled: bool) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, pulled));
    }
}

/// Asks until `stop`.
pub(super) async fn follow(controller: Arc<Controller>, stop: CancellationToken) {
    let mut known = true;
    loop {
        let answer = look(&controller).await;
        match (&answer, known) {
            (Err(error), true) => warn!(error = %runtime::Chain(error), "the andon cord cannot be read; no shop is moved until it can"),
            (Ok(()), false) => {
                info!("the andon cord can be read again");
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

async fn look(controller: &Controller) -> Result<(), ApiError> {
    let api: Api<ConfigMap> = Api::namespaced(controller.cluster.client(), &controller.settings.namespace);
    let at = Instant::now();
    let found = controller.cluster.once(&format!("get ConfigMap {HALT}"), || api.get_opt(HALT)).await?;
    // First what stops writers, then those who are told to stop.
    controller.cord.read(at, found.is_some());
    controller.halted(found.as_ref().map(sentence));
    Ok(())
}

/// Who pulled it, and why.
fn sentence(cord: &ConfigMap) -> String {
    let text = |key: &str| cord.data.as_ref().and_then(|data| data.get(key)).map_or("somebody", String::as_str);
    format!("halted by {}: {}", text("by"), text("why"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_read_counts_for_six_seconds_and_nothing_counts_before() {
        let cord = Cord::default();
        assert!(!cord.fresh() && !cord.lets());
        cord.read(Instant::now(), true);
        assert!(cord.fresh() && !cord.lets());
        cord.read(Instant::now(), false);
        assert!(cord.fresh() && cord.lets());
        tokio::time::advance(FRESH).await;
        assert!(!cord.fresh() && !cord.lets());
    }

    #[test]
    fn a_cord_says_who_and_why() {
        let data = [("by", "anna"), ("why", "checkout fails")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        let cord = ConfigMap { data: Some(data.into()), ..ConfigMap::default() };
        assert_eq!(sentence(&cord), "halted by anna: checkout fails");
        assert_eq!(sentence(&ConfigMap::default()), "halted by somebody: somebody");
    }
}
