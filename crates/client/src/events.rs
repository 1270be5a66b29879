//! Events, for who looks with `kubectl describe`: few, and never so many that they are a load.

use api::{Identity, Rollout, Shop};
use kube::{
    Client, Resource as _,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use parking_lot::Mutex;
use std::{collections::HashMap, fmt, time::Duration};
use tokio::time::{Instant, timeout};
use tracing::debug;

/// The same reason for the same resource is told again after this time.
const AGAIN: Duration = Duration::from_mins(10);
/// Events of all resources in a minute at most.
const MINUTE: usize = 60;
/// How long one event may take.
const CALL: Duration = Duration::from_secs(3);

/// Writes events.
pub struct Events {
    recorder: Recorder,
    told: Mutex<HashMap<(String, String), Instant>>,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl Events {
    /// A writer in the name of this process.
    #[must_use]
    pub fn new(client: Client, identity: &str) -> Self {
        let reporter = Reporter {
            controller: "longshore-scheduler".to_owned(),
            instance: Some(identity.to_owned()),
        };
        Self {
            recorder: Recorder::new(client, reporter),
            told: Mutex::default(),
        }
    }

    /// A shop needs somebody.
    pub async fn warn(&self, shop: &Shop, reason: &str, note: &str) {
        let name = shop.metadata.name.clone().unwrap_or_default();
        let about = shop.object_ref(&());
        self.publish(EventType::Warning, name, &about, reason, note)
            .await;
    }

    /// A shop is somewhere else, as somebody wanted.
    pub async fn note(&self, shop: &Shop, reason: &str, note: &str) {
        let name = shop.metadata.name.clone().unwrap_or_default();
        let about = shop.object_ref(&());
        self.publish(EventType::Normal, name, &about, reason, note)
            .await;
    }

    /// A rollout is somewhere else.
    pub async fn rollout(&self, type_: EventType, rollout: &Rollout, reason: &str, note: &str) {
        let name = format!(
            "rollout/{}",
            rollout.metadata.name.clone().unwrap_or_default()
        );
        self.publish(type_, name, &rollout.object_ref(&()), reason, note)
            .await;
    }

    /// Another resource of ours needs somebody.
    pub async fn about(&self, identity: &Identity, reason: &str, note: &str) {
        let about = k8s_openapi::api::core::v1::ObjectReference {
            api_version: Some(identity.api_version.to_string()),
            kind: Some(identity.kind.to_string()),
            name: Some(identity.name.clone()),
            ..Default::default()
        };
        let name = identity.to_string();
        self.publish(EventType::Warning, name, &about, reason, note)
            .await;
    }

    async fn publish(
        &self,
        type_: EventType,
        name: String,
        about: &k8s_openapi::api::core::v1::ObjectReference,
        reason: &str,
        note: &str,
    ) {
        if !self.may(name, reason) {
            return;
        }
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(note.chars().take(900).collect()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        // An event that is lost is a pity, and nothing more: conditions say the same.
        match timeout(CALL, self.recorder.publish(&event, about)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%error, "event not written"),
            Err(_elapsed) => debug!("event not written: no answer"),
        }
    }

    fn may(&self, name: String, reason: &str) -> bool {
        let now = Instant::now();
        let mut told = self.told.lock();
        told.retain(|_, at| now.duration_since(*at) < AGAIN);
        let recent = told
            .values()
            .filter(|at| now.duration_since(**at) < Duration::from_mins(1))
            .count();
        let key = (name, reason.to_owned());
        if recent >= MINUTE || told.contains_key(&key) {
            return false;
        }
        told.insert(key, now);
        true
    }
}
