//! One host: from what is checked before to the certificate that is kept. All of it is done side by
//! side with other hosts.

use super::{
    Settings,
    acme::{Ca, Pending},
    figures::Figures,
    http::Http,
    limits::{Limits, OrderKind, Wait},
    precheck::{self, Issuer},
    problem::{Blame, Problem},
    store::Store,
};
use crate::certificate::{CertificateProblem, Checked, check};
use client::{Cluster, lease::Leadership};
use dns::Dns;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};

/// Orders on their way at once. One whose host the CA reaches slowly takes a minute.
const ORDERS: usize = 50;
/// How long an order may take in all.
const ORDER: Duration = Duration::from_mins(5);
/// How long it is tried to store what the CA has issued, beside what each call tries itself.
const STORE: u32 = 5;

/// How far the clock of a CA may be ahead.
const AHEAD: SignedDuration = SignedDuration::from_hours(1);

/// What all hosts share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) store: Store,
    pub(super) limits: Mutex<Limits>,
    /// Orders on their way, also those that another process began.
    pub(super) begun: Mutex<BTreeMap<String, Pending>>,
    pub(super) figures: Figures,
    http: Http,
    dns: Dns,
    held: Leadership,
    places: Semaphore,
}

/// Which account of the CA is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AccountChoice {
    /// The one that is kept, or a new one if none is.
    Kept,
    /// Another one than that which is kept.
    New,
}

/// What came of a host.
#[derive(Debug)]
pub(super) struct IssueOutcome {
    /// Whether an order was made that counts against limits.
    pub(super) counts: bool,
    pub(super) end: End,
}

#[derive(Debug)]
pub(super) enum End {
    /// There is a new certificate, and it is kept.
    Issued(Checked),
    /// A limit is met.
    Waits(Wait),
    /// Something is wrong.
    Failed(Problem),
}

impl From<Problem> for End {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

impl Shared {
    pub(super) fn new(
        cluster: &Cluster,
        settings: Settings,
        http: Http,
        dns: Dns,
        held: Leadership,
    ) -> Arc<Self> {
        Arc::new(Self {
            settings,
            store: Store(cluster.fenced(held.fence())),
            limits: Mutex::default(),
            begun: Mutex::default(),
            figures: Figures::default(),
            http,
            dns,
            held,
            places: Semaphore::new(ORDERS),
        })
    }

    /// The CA, with an account of which the agents know.
    ///
    /// # Errors
    ///
    /// Where the CA or the API server does not do it.
    pub(super) async fn open(&self, account: AccountChoice) -> Result<Ca, Problem> {
        let kept = match account {
            AccountChoice::Kept => {
                let failed = |it: client::ApiError| Problem::us("account-not-read", it.to_string());
                self.store.account().await.map_err(failed)?
            }
            AccountChoice::New => None,
        };
        let (ca, new) = Ca::open(&self.http, &self.settings, kept.as_ref()).await?;
        let failed = |it: client::ApiError| Problem::us("account-not-kept", it.to_string());
        if let Some(new) = new {
            self.store.keep_account(&new).await.map_err(failed)?;
        }
        self.store.publish(ca.thumbprint()).await.map_err(failed)?;
        // Also where it was there before: it may have been written just before we started.
        sleep(self.settings.pace.publish).await;
        Ok(ca)
    }

    /// Gets a certificate for a host, in place of the one with the identifier `replaces`.
    pub(super) async fn obtain(&self, ca: &Ca, host: &str, replaces: Option<&str>) -> IssueOutcome {
        let mut counts = false;
        let end = match self.pass(ca, host, replaces, &mut counts).await {
            Ok(checked) => End::Issued(checked),
            Err(end) => end,
        };
        IssueOutcome { counts, end }
    }

    async fn pass(
        &self,
        ca: &Ca,
        host: &str,
        replaces: Option<&str>,
        counts: &mut bool,
    ) -> Result<Checked, End> {
        let begun = self.begun.lock().get(host).cloned();
        if let Some(begun) = begun.filter(|it| it.account == ca.account()) {
            match self.finish(ca, host, &begun).await {
                // It is over without an end, such as where nobody went on with it for a week.
                Err(problem) if matches!(problem.code, "ca-order-gone" | "order-invalid") => {}
                ended => return Ok(ended?),
            }
        }
        let issuer = Issuer {
            identities: &ca.identities,
            account: ca.account(),
            thumbprint: ca.thumbprint(),
        };
        precheck::check(host, &self.dns, &self.settings, issuer).await?;
        // Nobody closes it.
        let _place = self.places.acquire().await;
        let kind = if replaces.is_some() {
            OrderKind::Renewal
        } else {
            OrderKind::New
        };
        let now = Timestamp::now();
        {
            let mut limits = self.limits.lock();
            limits.order(host, kind, now).map_err(End::Waits)?;
            if kind == OrderKind::New {
                limits.ordered(host, now);
            }
        }
        if !self.held.is() {
            return Err(Problem::us("not-leading", "another process leads now").into());
        }
        let pending = ca.begin(host, replaces).await?;
        *counts = kind == OrderKind::New;
        self.store
            .order(host, Some(&pending))
            .await
            .map_err(|it| Problem::us("order-not-kept", it.to_string()))?;
        self.begun.lock().insert(host.to_owned(), pending.clone());
        Ok(self.finish(ca, host, &pending).await?)
    }

    /// Goes on with an order to its end, and keeps what comes of it.
    async fn finish(&self, ca: &Ca, host: &str, pending: &Pending) -> Result<Checked, Problem> {
        let ended = timeout(ORDER, ca.finish(host, pending)).await;
        let ended = ended.unwrap_or_else(|_elapsed| {
            Err(Problem::ca(
                "ca-slow",
                "the CA did not end an order in time",
            ))
        });
        let pem = match ended {
            Ok(pem) => pem,
            Err(problem) => {
                // Where nobody is to blame for it, the order goes on another time.
                if matches!(problem.blame, Blame::Host | Blame::Validation) {
                    self.forget(host).await;
                }
                return Err(problem);
            }
        };
        let checked = match usable(&pem, host, Timestamp::now()) {
            Ok(checked) => checked,
            Err(problem) => {
                self.forget(host).await;
                return Err(Problem::host(
                    "ca-bad-certificate",
                    format!("what the CA issued for {host} is not usable: {problem}"),
                ));
            }
        };
        self.keep(host, &checked.pem).await?;
        self.forget(host).await;
        Ok(checked)
    }

    /// An order of a host that nobody wants any more, and of others that are over.
    pub(super) async fn forget(&self, host: &str) {
        self.begun.lock().remove(host);
        // One that stays by mistake is found to be over the next time.
        if let Err(error) = self.store.order(host, None).await {
            tracing::warn!(host, %error, "order is not forgotten");
        }
    }

    async fn keep(&self, host: &str, pem: &str) -> Result<(), Problem> {
        let mut tries = 0;
        loop {
            match self.store.certificate(host, pem).await {
                Err(problem) if problem.blame == Blame::Us && tries < STORE && self.held.is() => {
                    tries += 1;
                    sleep(Duration::from_secs(1) * tries).await;
                }
                kept => return kept,
            }
        }
    }
}

/// Whether what the CA issued is good. Its clock may be ahead of ours: what begins within the hour
/// is kept, and used once it begins.
fn usable(pem: &str, host: &str, now: Timestamp) -> Result<Checked, CertificateProblem> {
    match check(pem.as_bytes(), host, now) {
        Err(CertificateProblem::NotYetValid { from }) if from.duration_since(now) < AHEAD => {
            check(pem.as_bytes(), host, from)
        }
        checked => checked,
    }
}
