//! How the backups of a shop are, as its CronJob says it.

use crate::{OperationError, jobs::backup_job};
use client::Cluster;
use jiff::Timestamp;
use serde_json::Value;

/// How the backups of a shop are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backups {
    /// When the last complete one ended.
    pub last: Option<Timestamp>,
    /// When one began that did not end well, if that was after the last complete one.
    pub failed: Option<Timestamp>,
    /// Whether one runs now.
    pub runs: bool,
    /// Whether none is made at present.
    pub suspended: bool,
}

impl Backups {
    /// What the CronJob says. Backups that a person started are no Jobs of it.
    fn from_cron_job(cron: &Value) -> Self {
        let (spec, status) = (&cron["spec"], &cron["status"]);
        let time = |name: &str| status[name].as_str().and_then(|it| it.parse().ok());
        let (begun, last): (Option<Timestamp>, Option<_>) =
            (time("lastScheduleTime"), time("lastSuccessfulTime"));
        let runs = status["active"].as_array().is_some_and(|it| !it.is_empty());
        Self {
            last,
            // The first fails as well: then there is no time of a good one.
            failed: begun.filter(|begun| !runs && last.is_none_or(|last| last < *begun)),
            runs,
            suspended: spec["suspend"] == true,
        }
    }
}

/// How the backups of a shop are; nothing if it has none.
///
/// # Errors
///
/// If the API server does not say it.
pub async fn backups(cluster: &Cluster, shop: &str) -> Result<Option<Backups>, OperationError> {
    let found = cluster.get(&backup_job(shop)).await?;
    Ok(found.as_ref().map(Backups::from_cron_job))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_that_failed_is_told_until_the_next_good_one() {
        let (one, two) = ("2026-12-01T02:10:00Z", "2026-12-02T02:10:00Z");
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        for (status, expected) in [
            (json!({}), Backups::default()),
            (
                json!({ "lastScheduleTime": one, "lastSuccessfulTime": "2026-12-01T02:11:00Z" }),
                Backups {
                    last: at("2026-12-01T02:11:00Z"),
                    ..Backups::default()
                },
            ),
            (
                json!({ "lastScheduleTime": two, "lastSuccessfulTime": one }),
                Backups {
                    last: at(one),
                    failed: at(two),
                    ..Backups::default()
                },
            ),
            (
                json!({ "lastScheduleTime": two, "lastSuccessfulTime": one, "active": [{}] }),
                Backups {
                    last: at(one),
                    runs: true,
                    ..Backups::default()
                },
            ),
            (
                json!({ "lastScheduleTime": one }),
                Backups {
                    failed: at(one),
                    ..Backups::default()
                },
            ),
        ] {
            assert_eq!(
                Backups::from_cron_job(&json!({ "status": status })),
                expected,
                "{status}"
            );
        }
        let suspended = Backups::from_cron_job(&json!({ "spec": { "suspend": true } }));
        assert!(suspended.suspended && suspended.failed.is_none());
    }
}
