//! What is written of probes: incidents, and how many probes of a month were answered.

use crate::store::{
    Store,
    incidents::{self, Probes},
};
use jiff::{Timestamp, civil::Date};
use observe::v1::{Incident, Vantage};
use std::{collections::BTreeMap, time::Duration};
use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// What waits at most: an incident of each of 10,000 hosts, and more.
pub(crate) const QUEUE: usize = 16_384;
/// What is written at once.
const BATCH: usize = 256;
/// How long it waits after the database failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Something to write.
#[derive(Debug, Clone)]
pub(crate) enum Record {
    Begin(String, Incident),
    End(String, Vantage, Timestamp),
    Probes(BTreeMap<(String, Date), Probes>),
}

/// Writes what comes until nobody is left who could send. What the database does not take is tried
/// again, until `stop`.
pub(crate) async fn run(store: Store, mut queue: mpsc::Receiver<Record>, stop: CancellationToken) {
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        loop {
            let records = batch.clone();
            let written = store.call(move |db| {
                records.iter().try_for_each(|record| match record {
                    Record::Begin(of, incident) => incidents::begin(db, of, incident),
                    Record::End(host, vantage, at) => incidents::end(db, host, *vantage, *at),
                    Record::Probes(probes) => incidents::add(db, probes),
                })
            });
            match written.await {
                Ok(()) => break,
                Err(error) => warn!(%error, records = batch.len(), "incidents not written yet"),
            }
            if stop.run_until_cancelled(sleep(PAUSE)).await.is_none() {
                return;
            }
        }
        batch.clear();
    }
}
