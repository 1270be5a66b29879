//! Custom metrics of pods, for autoscalers: `custom.metrics.k8s.io`.
//!
//! ```text
//!  autoscaler ─► API server ── its front proxy's certificate ──► handshake ─► question ─► answer
//!                    └── ConfigMap extension-apiserver-authentication ──► front_proxy
//! ```
//!
//! The API server has authenticated and authorized who asks before it passes a request on, and
//! proves with its client certificate that it is the API server. So whoever has that certificate is
//! answered, and nobody else is. What is said here of a pod is what its own agent said.

mod answer;
mod front_proxy;
mod handshake;
mod question;
mod selector;

use crate::{
    collect::pods::Pods,
    fleet::Fleet,
    performance::{BusyPod, Performance},
};
use answer::{Answer, Busy};
use client::Cluster;
use handshake::Handshake;
use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use jiff::Timestamp;
use kube::core::SelectorExt as _;
use parking_lot::Mutex;
use question::{MetricQuery, PodsQuery};
use runtime::connections::{Requests, serve_through};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The metric that is served, by the name that agents export it with.
pub(crate) const METRIC: &str = "longshore_busy_workers_ratio";

/// What is counted of it.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Whether it is known how to recognize the API server.
    pub(crate) serving: AtomicBool,
    /// Questions that were answered with a list of pods.
    pub(crate) answered: AtomicU64,
    /// Those that were not.
    pub(crate) refused: AtomicU64,
    /// Connections of somebody who is not the API server, or that ended in their handshake.
    pub(crate) strangers: AtomicU64,
}

/// What answers are made of.
#[derive(Debug)]
pub(crate) struct CustomMetrics {
    pub(crate) pods: Arc<Pods>,
    pub(crate) fleet: Arc<Mutex<Fleet>>,
    pub(crate) performance: Arc<Mutex<Performance>>,
    pub(crate) counts: Arc<Counts>,
}

impl CustomMetrics {
    /// Answers the API server of this cluster until `stop`, with a certificate in this directory,
    /// or with one of its own.
    pub(crate) async fn run(
        self,
        listener: TcpListener,
        cluster: Cluster,
        certificate: Option<PathBuf>,
        stop: CancellationToken,
    ) {
        let this = Arc::new(self);
        let handshake = Arc::new(Handshake::default());
        let service = {
            let this = Arc::clone(&this);
            service_fn(move |request: Request<Incoming>| {
                let answer = this.answer(&request, Timestamp::now());
                async move { Ok::<_, Infallible>(answer) }
            })
        };
        let shake = |stream| {
            let (handshake, this) = (Arc::clone(&handshake), Arc::clone(&this));
            async move {
                let shaken = handshake.shake(stream).await;
                if shaken.is_err() {
                    this.counts.strangers.fetch_add(1, Relaxed);
                }
                shaken
            }
        };
        tokio::select! {
            () = serve_through(listener, shake, service, Requests::Many, || None, stop) => {}
            () = handshake.follow(&cluster, certificate, &this.counts.serving) => {}
        }
    }

    fn answer<B>(&self, request: &Request<B>, now: Timestamp) -> Response<Answer> {
        let answer = match question::read(request.method(), request.uri()) {
            Ok(MetricQuery::Resources) => answer::resources(),
            Ok(MetricQuery::Pods(which)) => match self.pods(&which, now) {
                Some(pods) => {
                    self.counts.answered.fetch_add(1, Relaxed);
                    return answer::pods(&which.namespace, pods);
                }
                None => answer::not_yet(),
            },
            Err(refused) => answer::refused(&refused),
        };
        if !answer.status().is_success() {
            self.counts.refused.fetch_add(1, Relaxed);
        }
        answer
    }

    /// The pods that are asked for, as far as their agents said something lately; none before pods
    /// are listed.
    fn pods(&self, which: &PodsQuery, now: Timestamp) -> Option<Vec<Busy>> {
        if !self.pods.is_listed() {
            return None;
        }
        let shop = {
            let fleet = self.fleet.lock();
            fleet.has("")?;
            fleet.of_namespace(&which.namespace).map(str::to_owned)
        };
        let Some(shop) = shop else {
            return Some(Vec::new());
        };
        let asked = |labels: &BTreeMap<String, String>, name: &str| {
            let named = which.name.as_deref().is_none_or(|it| it == name);
            named && which.selector.matches(labels)
        };
        let performance = self.performance.lock();
        let all = performance.busy_pods(&shop, now);
        let found = all.filter_map(|BusyPod { uid, at, share }| {
            let place = self.pods.place(uid)?;
            let name = place.name;
            asked(&place.labels, &name).then_some(Busy { name, at, share })
        });
        Some(found.collect())
    }
}
