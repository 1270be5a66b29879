//! One host, probed from one place: where it is, and the probe that is made again where it fails.

use super::{
    board::Board,
    dial::dial,
    edge::Addresses,
    incident::Availability,
    schedule::DueProbe,
    trust::Trust,
    verdict::{Failure, Measurement, Verdict, judge},
};
use crate::{
    fleet::{Expect, Target},
    settings::Pace,
};
use dns::{Dns, DnsProblem};
use jiff::Timestamp;
use observe::v1::Vantage;
use parking_lot::Mutex;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    sync::{Semaphore, SemaphorePermit, watch as latest},
    time::{Instant, sleep, timeout},
};

/// Probes from inside at once: the edge cuts an address that has more than 500 connections.
const INSIDE: usize = 450;
/// Those from outside.
const OUTSIDE: usize = 1000;

/// Where hosts are probed.
#[derive(Debug)]
pub(crate) struct Places {
    trust: Trust,
    /// The edge's addresses, if hosts are probed from inside.
    edge: Option<latest::Receiver<Addresses>>,
    /// Who is asked for addresses, if hosts are probed from outside.
    dns: Option<Dns>,
    outside_port: u16,
    pub(super) pace: Pace,
    inside: Semaphore,
    outside: Semaphore,
}

/// A probe that ended, made again if it failed.
pub(super) struct FinishedProbe {
    pub(super) host: Arc<str>,
    pub(super) vantage: Vantage,
    pub(super) measured: Measurement,
    pub(super) verdict: Verdict,
    /// When it was made first, and last.
    pub(super) at: (Timestamp, Timestamp),
}

impl Places {
    /// These; without an edge or DNS, not from there.
    pub(crate) fn new(
        trust: Trust,
        edge: Option<latest::Receiver<Addresses>>,
        dns: Option<Dns>,
        outside_port: u16,
        pace: Pace,
    ) -> Self {
        Self {
            trust,
            edge,
            dns,
            outside_port,
            pace,
            inside: Semaphore::new(INSIDE),
            outside: Semaphore::new(OUTSIDE),
        }
    }

    /// From where a host is probed.
    pub(super) fn vantages(&self, target: &Target) -> impl Iterator<Item = Vantage> {
        let inside = (self.edge.is_some() && target.at_edge).then_some(Vantage::Inside);
        let outside = self.dns.is_some().then_some(Vantage::Outside);
        inside.into_iter().chain(outside)
    }

    async fn permit(&self, vantage: Vantage) -> Option<SemaphorePermit<'_>> {
        let semaphore = match vantage {
            Vantage::Inside => &self.inside,
            Vantage::Outside => &self.outside,
        };
        // It is never closed.
        semaphore.acquire().await.ok()
    }

    async fn addresses(&self, host: &str, vantage: Vantage) -> Result<Vec<SocketAddr>, Failure> {
        if vantage == Vantage::Inside {
            let known = self.edge.as_ref().map(|it| it.borrow().clone());
            return known
                .unwrap_or_else(|| Ok(Vec::new()))
                .map_err(Failure::Dns);
        }
        let Some(dns) = &self.dns else {
            return Ok(Vec::new());
        };
        match timeout(self.pace.probe_deadline, dns.addresses(host)).await {
            Err(_elapsed) => Err(Failure::Dns("DNS does not answer in time".to_owned())),
            Ok(Err(DnsProblem::Ours(why))) => Err(Failure::Ours(why)),
            Ok(Err(problem)) => Err(Failure::Dns(format!("DNS has no answer: {problem}"))),
            Ok(Ok(none)) if none.is_empty() => {
                Err(Failure::Dns(format!("DNS knows no address of {host}")))
            }
            Ok(Ok(all)) => {
                let port = self.outside_port;
                Ok(all
                    .into_iter()
                    .map(|it| SocketAddr::new(it, port))
                    .collect())
            }
        }
    }

    async fn once(&self, probe: &DueProbe, vantage: Vantage) -> Measurement {
        let path = match probe.target.expect {
            Expect::Page => Some(probe.path),
            Expect::Redirect => Some("/"),
            Expect::Handshake => None,
        };
        match self.addresses(&probe.host, vantage).await {
            Ok(addresses) => {
                let deadline = self.pace.probe_deadline;
                dial(&self.trust, &addresses, &probe.host, path, deadline).await
            }
            Err(failure) => Measurement {
                certificate: None,
                answer: Err(failure),
                took: Duration::ZERO,
            },
        }
    }

    /// Probes a host, and once more if that fails and it did not fail before.
    pub(super) async fn probe(
        &self,
        probe: DueProbe,
        vantage: Vantage,
        due: Instant,
        before: Availability,
        board: &Mutex<Board>,
    ) -> FinishedProbe {
        let permit = self.permit(vantage).await;
        board.lock().began(due.elapsed());
        let first = Timestamp::now();
        let mut measured = self.once(&probe, vantage).await;
        let mut verdict = judge(probe.target.expect, &measured);
        drop(permit);
        let mut last = first;
        if matches!(verdict, Verdict::Down(..)) && before == Availability::Up {
            sleep(self.pace.retry.mul_f64(rand::random_range(1.0..2.5))).await;
            let _permit = self.permit(vantage).await;
            last = Timestamp::now();
            measured = self.once(&probe, vantage).await;
            verdict = judge(probe.target.expect, &measured);
        }
        FinishedProbe {
            host: probe.host,
            vantage,
            measured,
            verdict,
            at: (first, last),
        }
    }
}
