//! What is known when one begins to lead.

use super::{AGAIN, Session};
use crate::{
    certificate::CertificateState,
    issue::{
        host::{AccountChoice, Shared},
        limits::Limits,
        plan,
        watch::DesiredCertificates,
    },
};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

impl<'a> Session<'a> {
    /// Takes in what is kept; nothing where it is to stop before that is read.
    pub(super) async fn load(shared: &'a Arc<Shared>, stop: &CancellationToken) -> Option<Self> {
        let loaded = loop {
            let loaded = tokio::select! {
                () = stop.cancelled() => return None,
                loaded = shared.store.load(Timestamp::now()) => loaded,
            };
            match loaded {
                Ok(loaded) => break loaded,
                Err(error) => warn!(%error, "certificates cannot be read"),
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                () = sleep(AGAIN) => {}
            }
        };
        let now = Timestamp::now();
        let (mut records, mut dirty) = (loaded.records, BTreeSet::new());
        for (host, certificate) in &loaded.certificates {
            let record = records.entry(host.clone()).or_default();
            let known = record.not_after == Some(certificate.not_after);
            if record.state != CertificateState::Own && !known {
                // Whoever stored it ended before it could say so.
                plan::certified(record, now);
                plan::issued(record, host, certificate);
                dirty.insert(host.clone());
            }
        }
        for (host, record) in &mut records {
            let issued = record.state == CertificateState::Issued;
            if issued && !loaded.certificates.contains_key(host) {
                warn!(host, "certificate is lost, or over");
                plan::lost(record);
                dirty.insert(host.clone());
            }
        }
        info!(
            records = records.len(),
            certificates = loaded.certificates.len(),
            orders = loaded.orders.len(),
            "leads"
        );
        *shared.limits.lock() = Limits::from_records(&records, now);
        *shared.begun.lock() = loaded.orders;
        Some(Self {
            shared,
            wanted: DesiredCertificates::default(),
            records,
            dirty,
            ca: None,
            account: AccountChoice::Kept,
            ca_failures: 0,
            ca_failed: BTreeSet::new(),
            tasks: JoinSet::new(),
            about: BTreeMap::new(),
            busy: BTreeSet::new(),
            polls: BTreeMap::new(),
            polling: BTreeSet::new(),
            windows: true,
            own_checked: Timestamp::UNIX_EPOCH,
            found: BTreeMap::new(),
        })
    }
}
