//! Who leads: the process that holds the Lease. Whoever cannot renew it in time stops writing
//! before another one begins.
//!
//! ```text
//!  renewed ─────── fence: we stop writing (7 s) ─────── expired: others take it (15 s)
//! ```
//!
//! What counts as expired is how long *we* have seen a Lease unchanged, by our own monotonic clock:
//! clocks of two nodes need not agree.

use crate::{ApiError, Cluster, Fence, MANAGER, REQUEST};
use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    api::{Api, PostParams},
    core::ObjectMeta,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long a Lease is valid after it was renewed.
const VALID: Duration = Duration::from_secs(15);
/// How long after a renewal this process writes. A request that begins then ends before the Lease
/// does.
const WRITES: Duration = Duration::from_secs(7);
/// How often it is renewed, or looked at.
const EVERY: Duration = Duration::from_secs(2);
const _: () = assert!(
    WRITES.as_secs() + REQUEST.as_secs() <= VALID.as_secs(),
    "a write may outlive the Lease"
);

/// Whether this process leads, as a time until which it does.
#[derive(Debug, Clone)]
pub struct Leadership {
    start: Instant,
    /// Milliseconds after `start`; 0 if it does not lead.
    until: Arc<AtomicU64>,
}

impl Default for Leadership {
    /// It does not lead yet.
    fn default() -> Self {
        Self {
            start: Instant::now(),
            until: Arc::new(AtomicU64::new(0)),
        }
    }
}

impl Leadership {
    /// Whether it leads now.
    #[must_use]
    pub fn is(&self) -> bool {
        milliseconds(self.start.elapsed()) < self.until.load(SeqCst)
    }

    /// One that leads as long as it lives, for tests.
    #[cfg(any(test, feature = "fixtures"))]
    #[must_use]
    pub fn leading() -> Self {
        let leading = Self::default();
        leading.until.store(u64::MAX, SeqCst);
        leading
    }

    fn renewed(&self, at: Instant) {
        let until = milliseconds((at + WRITES).duration_since(self.start));
        self.until.store(until.max(1), SeqCst);
    }

    /// Stops writing at once.
    pub fn give_up(&self) {
        self.lost();
    }

    fn lost(&self) {
        self.until.store(0, SeqCst);
    }

    /// Lets writes through as long as it leads.
    #[must_use]
    pub fn fence(&self) -> Fence {
        let held = self.clone();
        Arc::new(move || held.is())
    }
}

/// Whole milliseconds; no process lives for the 500 million years that do not fit.
fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What we saw of a Lease, and when it last changed.
#[derive(Debug)]
struct LeaseObservation {
    version: String,
    since: Instant,
}

/// One candidate for one Lease.
#[derive(Debug)]
pub struct Candidate {
    /// Where the Lease is.
    pub cluster: Cluster,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// This process.
    pub identity: String,
    /// Whether it is held.
    pub held: Leadership,
}

impl Candidate {
    /// Holds the Lease whenever nobody else does, until `stop`; gives it back then.
    pub async fn run(self, mut changed: impl FnMut(bool), stop: CancellationToken) {
        let mut seen: Option<LeaseObservation> = None;
        let mut led = false;
        while !stop.is_cancelled() {
            let at = Instant::now();
            match timeout(REQUEST, self.attempt(&mut seen)).await {
                Ok(Ok(true)) => {
                    // Also where it ran out unseen, while we waited for an answer: what was left
                    // undone then has to be done.
                    led &= self.held.is();
                    self.held.renewed(at);
                }
                Ok(Ok(false)) => self.held.lost(),
                // Nobody knows: what we hold runs out by itself.
                Ok(Err(error)) => warn!(lease = self.name, %error, "lease not renewed"),
                Err(_elapsed) => warn!(lease = self.name, "lease not renewed: no answer"),
            }
            if self.held.is() != led {
                led = !led;
                info!(lease = self.name, leads = led, "leadership changed");
                changed(led);
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(EVERY) => {}
            }
        }
    }

    /// Gives the Lease back, so that the next one need not wait for its end. Called when nothing is
    /// written any more.
    pub async fn give_back(cluster: &Cluster, namespace: &str, name: &str, identity: &str) {
        let leases: Api<Lease> = Api::namespaced(cluster.client(), namespace);
        let given = async {
            let mut lease = leases.get(name).await?;
            if lease
                .spec
                .as_ref()
                .and_then(|spec| spec.holder_identity.as_deref())
                == Some(identity)
            {
                lease.spec = Some(LeaseSpec {
                    holder_identity: None,
                    renew_time: None,
                    ..lease.spec.unwrap_or_default()
                });
                leases.replace(name, &PostParams::default(), &lease).await?;
            }
            Ok::<_, kube::Error>(())
        };
        match timeout(REQUEST, given).await {
            Ok(Ok(())) => info!(lease = name, "lease given back"),
            Ok(Err(error)) => warn!(lease = name, %error, "lease not given back"),
            Err(_elapsed) => warn!(lease = name, "lease not given back: no answer"),
        }
    }

    /// Whether the Lease is ours now.
    async fn attempt(&self, seen: &mut Option<LeaseObservation>) -> Result<bool, ApiError> {
        let leases: Api<Lease> = Api::namespaced(self.cluster.client(), &self.namespace);
        let what = format!("Lease {}/{}", self.namespace, self.name);
        let failed = |error| ApiError::new(&what, error);
        let Some(lease) = leases.get_opt(&self.name).await.map_err(failed)? else {
            let lease = self.claimed(Lease {
                metadata: ObjectMeta {
                    name: Some(self.name.clone()),
                    ..ObjectMeta::default()
                },
                spec: None,
            });
            return written(leases.create(&params(), &lease).await).map_err(failed);
        };
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        if seen.as_ref().is_none_or(|seen| seen.version != version) {
            *seen = Some(LeaseObservation {
                version,
                since: Instant::now(),
            });
        }
        let holder = lease
            .spec
            .as_ref()
            .and_then(|spec| spec.holder_identity.clone())
            .unwrap_or_default();
        let age = seen
            .as_ref()
            .map_or(Duration::ZERO, |seen| seen.since.elapsed());
        let (ours, free) = (holder == self.identity, holder.is_empty() || age >= VALID);
        if !free && !ours {
            return Ok(false);
        }
        // The version in the object makes it fail if somebody else was faster.
        written(
            leases
                .replace(&self.name, &params(), &self.claimed(lease))
                .await,
        )
        .map_err(failed)
    }

    fn claimed(&self, mut lease: Lease) -> Lease {
        let now = MicroTime(Timestamp::now());
        let old = lease.spec.take().unwrap_or_default();
        let ours = old.holder_identity.as_deref() == Some(&self.identity);
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(15),
            acquire_time: if ours {
                old.acquire_time
            } else {
                Some(now.clone())
            },
            renew_time: Some(now),
            lease_transitions: Some(old.lease_transitions.unwrap_or_default() + i32::from(!ours)),
            ..LeaseSpec::default()
        });
        lease
    }
}

fn params() -> PostParams {
    PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    }
}

/// A write that came second is no error.
fn written<T>(result: Result<T, kube::Error>) -> Result<bool, kube::Error> {
    match result {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
