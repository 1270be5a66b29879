//! Visitors of shops that may be scaled to zero, as the edge tells of them.
//!
//! Nobody knows of visitors while a replica of the edge does not report.

use api::edge::visits::{VisitsReport, WINDOW};
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

/// How long a visitor is remembered: longer than any `idle.after`.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(25);

/// What replicas of the edge reported.
#[derive(Debug, Default)]
pub struct Visits {
    /// The last report of each replica, and when it came, by this process's clock.
    replicas: BTreeMap<String, (VisitsReport, Timestamp)>,
    /// The last visitor of each shop, by namespace.
    last: HashMap<String, Timestamp>,
    /// Since when every replica reports without a gap.
    since: Option<Timestamp>,
}

impl Visits {
    /// Takes in what the ConfigMap says now of these shops; whoever can write it fills no memory
    /// with others.
    pub fn take(
        &mut self,
        data: &BTreeMap<String, String>,
        shops: &BTreeSet<String>,
        now: Timestamp,
    ) {
        let since = self.since.filter(|_| self.complete(now)).unwrap_or(now);
        self.since = Some(since);
        self.replicas
            .retain(|replica, _| data.contains_key(replica));
        for (replica, text) in data {
            // One that cannot be read says nothing of who had no visitor.
            let report = serde_json::from_str(text).unwrap_or_else(|_| VisitsReport {
                more: true,
                ..VisitsReport::default()
            });
            if self
                .replicas
                .get(replica)
                .is_some_and(|(known, _)| *known == report)
            {
                continue;
            }
            if report.more {
                self.since = Some(now);
            }
            let known = report
                .seconds
                .iter()
                .filter(|(shop, _)| shops.contains(*shop));
            for (shop, seconds) in known {
                let at = now - SignedDuration::from_secs(i64::from(*seconds));
                let last = self.last.entry(shop.clone()).or_insert(at);
                *last = at.max(*last);
            }
            self.replicas.insert(replica.clone(), (report, now));
        }
        self.last
            .retain(|_, at| now.duration_since(*at) < REMEMBERED);
    }

    /// Whether each replica's visitors of the last two minutes are known.
    fn complete(&self, now: Timestamp) -> bool {
        let fresh = |(_, came): &(VisitsReport, Timestamp)| {
            Duration::try_from(now.duration_since(*came)).is_ok_and(|age| age < WINDOW)
        };
        !self.replicas.is_empty() && self.replicas.values().all(fresh)
    }

    /// Since when a shop had no visitor, if that is known.
    #[must_use]
    pub fn quiet_since(&self, namespace: &str, now: Timestamp) -> Option<Timestamp> {
        let since = self.since.filter(|_| self.complete(now))?;
        Some(
            self.last
                .get(namespace)
                .map_or(since, |last| since.max(*last)),
        )
    }

    /// When the last visitor of a shop came, if one is remembered.
    #[must_use]
    pub fn last(&self, namespace: &str) -> Option<Timestamp> {
        self.last.get(namespace).copied()
    }
}
