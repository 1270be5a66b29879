//! Who visits shops that may be scaled to zero: what the agent tells the scheduler of it.

use super::{endpoints::State, model::Model};
use api::edge::{
    NAMESPACE,
    visits::{NAME, PERIOD, SHOPS, VisitsReport, WINDOW},
};
use client::{ApiError, Cluster};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// How old the report of another replica is when that replica is gone for good.
const GONE: SignedDuration = SignedDuration::from_hours(1);

/// When the last visitor of each shop came, by its namespace, as far as HAProxy remembers.
pub type Last = BTreeMap<String, Instant>;

/// Whether visitors of a shop that may be scaled to zero wait for a pod, because none is ready.
#[must_use]
pub fn waits(model: &Model, shop: &str) -> bool {
    !model.pods(shop).any(|(_, pod)| pod.state == State::Ready)
}

/// When this replica wrote what.
#[derive(Debug, Default)]
pub struct Reports {
    written: Option<Instant>,
}

impl Reports {
    /// The report that is to be written now, if one is: nobody writes where no shop may be scaled
    /// to zero, and nobody waits with one for which a visitor waits.
    #[must_use]
    pub fn due(&self, model: &Model, last: &Last, now: Instant) -> Option<BTreeMap<String, u32>> {
        let mut may = model.to_zero().peekable();
        may.peek()?;
        let mut urgent = false;
        let mut seconds = BTreeMap::new();
        for shop in may {
            let Some(at) = last.get(shop) else { continue };
            let ago = now.saturating_duration_since(*at);
            if ago >= WINDOW {
                continue;
            }
            seconds.insert(shop.to_owned(), u32::try_from(ago.as_secs()).unwrap_or(0));
            let told = self.written.is_some_and(|written| *at <= written);
            urgent |= !told && waits(model, shop);
        }
        let due = self
            .written
            .is_none_or(|written| now.duration_since(written) >= PERIOD);
        (due || urgent).then_some(seconds)
    }

    /// Whether there is anything to take back.
    #[must_use]
    pub const fn wrote_any(&self) -> bool {
        self.written.is_some()
    }

    /// Takes in that what was due at that moment was written.
    pub const fn wrote(&mut self, at: Instant) {
        self.written = Some(at);
    }
}

/// Writes the reports of one replica into the ConfigMap, in which each replica has a key.
#[derive(Debug)]
pub struct Reporter {
    cluster: Cluster,
    replica: String,
}

impl Reporter {
    /// That of this replica.
    #[must_use]
    pub const fn new(cluster: Cluster, replica: String) -> Self {
        Self { cluster, replica }
    }

    /// Writes a report, and removes those of replicas that are gone.
    ///
    /// # Errors
    ///
    /// The API server does not do it.
    pub async fn write(
        &self,
        seconds: BTreeMap<String, u32>,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let api = self.api();
        let there = self.cluster.call("get visits", || api.get(NAME)).await?;
        let patch = patch(&self.replica, &there.data.unwrap_or_default(), seconds, now);
        self.patch(&json!({ "data": patch })).await
    }

    /// Removes this replica's report: it has no visitors any more.
    ///
    /// # Errors
    ///
    /// The API server does not do it.
    pub async fn leave(&self) -> Result<(), ApiError> {
        let own = Map::from_iter([(self.replica.clone(), Value::Null)]);
        self.patch(&json!({ "data": own })).await
    }

    async fn patch(&self, patch: &Value) -> Result<(), ApiError> {
        let (api, patch) = (self.api(), Patch::Merge(patch));
        let params = PatchParams::default();
        let write = || api.patch(NAME, &params, &patch);
        self.cluster.call("write visits", write).await.map(drop)
    }

    fn api(&self) -> Api<ConfigMap> {
        Api::namespaced(self.cluster.client(), NAMESPACE)
    }
}

/// What changes of the ConfigMap's data.
fn patch(
    replica: &str,
    there: &BTreeMap<String, String>,
    seconds: BTreeMap<String, u32>,
    now: Timestamp,
) -> Map<String, Value> {
    let report = VisitsReport {
        at: now,
        more: seconds.len() > SHOPS,
        seconds: seconds.into_iter().take(SHOPS).collect(),
    };
    let gone = |text: &str| {
        let report = serde_json::from_str::<VisitsReport>(text);
        report.is_ok_and(|report| now.duration_since(report.at) > GONE)
    };
    let others = there
        .iter()
        .filter(|(other, text)| *other != replica && gone(text));
    let mut patch: Map<_, _> = others
        .map(|(other, _)| (other.clone(), Value::Null))
        .collect();
    // A number and two texts always become JSON.
    let text = serde_json::to_string(&report).unwrap_or_default();
    patch.insert(replica.to_owned(), Value::String(text));
    patch
}

/// When each shop's last visitor came, told from how long ago that was.
#[must_use]
pub fn last(ages: impl IntoIterator<Item = (String, Duration)>, now: Instant) -> Last {
    let at = |(shop, age)| Some((shop, now.checked_sub(age)?));
    ages.into_iter().filter_map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::{endpoints::Pod, lines::Shard};
    use api::edge::{shard_name, shard_of};

    /// A shop that may be scaled to zero and has a pod in this state, and one that may not.
    fn model(state: State) -> Model {
        let lines = "shop-a {\"weight\":1,\"workers\":1,\"toZero\":true}\nshop-b {\"weight\":1,\"workers\":1}\n";
        let shard = Shard::read(&[("shops.map".to_owned(), lines.to_owned())].into());
        let mut model = Model::default();
        model.shard(&shard_name(shard_of("shop-a")), shard);
        let pod = Pod {
            address: "127.0.0.1:1".parse().unwrap(),
            zone: None,
            state,
        };
        model.slice("shop-a", "s", [("p".to_owned(), pod)].into());
        model
    }

    #[test]
    fn a_report_is_due_from_time_to_time_and_at_once_if_a_visitor_waits() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut reports = Reports::default();
        let nobody = Last::new();
        assert_eq!(reports.due(&Model::default(), &nobody, start), None);
        assert_eq!(
            reports.due(&model(State::Ready), &nobody, start),
            Some([].into())
        );
        reports.wrote(start);
        let both: Last = ["shop-a", "shop-b"]
            .map(|shop| (shop.to_owned(), at(5)))
            .into();
        assert_eq!(
            reports.due(&model(State::Ready), &both, at(6)),
            None,
            "a pod answers"
        );
        let seen = Some([("shop-a".to_owned(), 1)].into());
        assert_eq!(
            reports.due(&model(State::Terminating), &both, at(6)),
            seen,
            "a visitor waits"
        );
        reports.wrote(at(6));
        assert_eq!(
            reports.due(&model(State::Terminating), &both, at(7)),
            None,
            "that was told"
        );
        let later = Some([("shop-a".to_owned(), 21)].into());
        assert_eq!(
            reports.due(&model(State::Terminating), &both, at(26)),
            later
        );
        assert_eq!(
            reports.due(&model(State::Terminating), &both, at(126)),
            Some([].into())
        );
    }

    #[test]
    fn reports_of_replicas_that_are_gone_are_removed_and_a_report_is_bounded() {
        let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let there = [
            ("gone", "{\"at\":\"2026-11-30T10:59:59Z\"}"),
            ("there", "{\"at\":\"2026-11-30T11:00:01Z\"}"),
            ("junk", "junk"),
        ];
        let there = there
            .map(|(replica, text)| (replica.to_owned(), text.to_owned()))
            .into();
        let many = (0..=SHOPS)
            .map(|shop| (format!("shop-{shop}"), 1))
            .collect();
        let patch = patch("own", &there, many, now);
        assert_eq!(patch.keys().collect::<Vec<_>>(), ["gone", "own"]);
        assert_eq!(patch["gone"], Value::Null);
        let report: VisitsReport = serde_json::from_str(patch["own"].as_str().unwrap()).unwrap();
        assert_eq!((report.seconds.len(), report.more), (SHOPS, true));
    }
}
