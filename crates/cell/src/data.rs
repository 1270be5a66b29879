//! What a Shop's status says of its data: whether the database is where its release needs it, and
//! whether its backup is fresh.

use crate::{
    certificates,
    conditions::Verdict,
    edge,
    migration::{MigrationLock, MigrationState},
    observed::Progress,
    proof,
    state::State,
};
use api::{BackupSchedule, Shop, ShopState, Truth, namespace, symptom::Failure};
use jiff::{SignedDuration, Timestamp};
use render::assign::{self, Circumstances, Resolution};

/// How old a nightly backup may be: a day, its two hours, and the two that a night is longer or
/// shorter by in spring and autumn.
const DAILY: SignedDuration = SignedDuration::from_hours(28);
/// The same for a weekly one.
const WEEKLY: SignedDuration = SignedDuration::from_hours(7 * 24 + 4);
/// Conditions that are made here; what others wrote is theirs.
pub const KINDS: [&str; 5] = [
    "RoutesProgrammed",
    "DomainsProven",
    "CertificatesValid",
    "DatabaseCurrent",
    "BackupFresh",
];

/// The verdicts that apply to the shop, by condition.
#[must_use]
pub fn verdicts(
    resolution: &Resolution<'_>,
    migration: &MigrationState,
    known: &Circumstances,
    state: &State,
    now: Timestamp,
) -> Vec<(&'static str, Verdict)> {
    let found = [
        edge::programmed(resolution.shop, state),
        proof::proven(resolution.shop, state),
        certificates::valid(resolution.shop, &state.certificates, now),
        database(resolution, migration, known),
        backup(resolution.shop, state, now),
    ];
    KINDS
        .into_iter()
        .zip(found)
        .filter_map(|(kind, verdict)| Some((kind, verdict?)))
        .collect()
}

fn name(shop: &Shop) -> &str {
    shop.metadata.name.as_deref().unwrap_or_default()
}

fn database(
    resolution: &Resolution<'_>,
    migration: &MigrationState,
    known: &Circumstances,
) -> Option<Verdict> {
    let sequence = resolution
        .release()
        .filter(|_| resolution.migrates())?
        .sequence;
    let namespace = namespace(resolution.name);
    let changes = format!("sequence {sequence} changes the database");
    if known.migrated.is_some_and(|migrated| migrated >= sequence) {
        return Some(if known.closed {
            let message =
                format!("visitors wait until every pod is seen to run sequence {sequence}");
            Verdict::new(Truth::True, assign::SWITCHING, message)
        } else {
            Verdict::yes("Migrated")
        });
    }
    Some(match (migration.job, &migration.lock) {
        (Some(Progress::Failed), _) => Verdict::no(
            "MigrationFailed",
            format!(
                "Job {namespace}/release-{sequence} failed{}; look at its log, then delete it to \
                 try again",
                failure(resolution.shop, migration.failure.as_ref())
            ),
        ),
        (None, MigrationLock::Theirs(holder)) => Verdict::no(
            "LeaseHeld",
            format!("{changes}, and {holder} holds the Lease {namespace}/migration"),
        ),
        (None, MigrationLock::Crowded(others)) => Verdict::no(
            "ServerBusy",
            format!("{changes}, and waits for {others} other new shops of its server"),
        ),
        (None, MigrationLock::Cron) => Verdict::no(
            "CronEnds",
            format!(
                "{changes}, and waits for pods of Deployment {namespace}/cron to end, which may \
                 take 10 minutes"
            ),
        ),
        _ => Verdict::no("Migrating", format!("{changes}; agents wait for it")),
    })
}

/// Exit code of a migration whose database is empty, if the release brings nothing to install it
/// with.
const EMPTY: i32 = 3;

/// Why a migration failed, as far as its pod said so.
fn failure(shop: &Shop, failure: Option<&Failure>) -> String {
    match (failure, shop.spec.services.database.as_ref()) {
        (None, _) => String::new(),
        (Some(failure), Some(database)) if failure.exit_code == EMPTY => {
            format!(
                ": database {} on {} is empty: {}",
                database.name, database.server, failure.said
            )
        }
        (Some(failure), _) => format!(": {failure}"),
    }
}

fn backup(shop: &Shop, state: &State, now: Timestamp) -> Option<Verdict> {
    let may = match shop.spec.backup.schedule {
        BackupSchedule::Daily => DAILY,
        BackupSchedule::Weekly => WEEKLY,
        BackupSchedule::Never => return None,
    };
    // The data of a shop without pods no longer changes, and its backups are suspended.
    if !matches!(shop.spec.state, ShopState::Active | ShopState::Maintenance) {
        return None;
    }
    let last = *state.backups.get(name(shop))?;
    let made = shop
        .metadata
        .creation_timestamp
        .as_ref()
        .map_or(now, |time| time.0);
    let job = format!("CronJob {}/backup", namespace(name(shop)));
    Some(match last {
        Some(last) if now.duration_since(last) <= may => Verdict::new(
            Truth::True,
            "Fresh",
            format!("the last one ended at {last:.0}"),
        ),
        Some(last) => Verdict::no(
            "Late",
            format!("the last one ended at {last:.0}; look at the Jobs of {job}"),
        ),
        None if now.duration_since(made) <= may => {
            Verdict::unknown("NoneYet", "the shop is too young to have one")
        }
        None => Verdict::no("None", format!("there is none; look at the Jobs of {job}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn shop(schedule: &str) -> Shop {
        let spec = serde_json::json!({"class": "c", "channel": "x", "domains": [], "services": {}, "backup": {"schedule": schedule}});
        let mut shop = Shop::new("a", serde_json::from_value(spec).unwrap());
        shop.metadata.creation_timestamp = Some(Time(at("2026-11-01T00:00:00Z")));
        shop
    }

    #[test]
    fn an_empty_database_is_named_with_its_server() {
        let mut shop = shop("never");
        shop.spec.services.database =
            serde_json::from_value(serde_json::json!({"ref": "aurora-eu-1", "name": "shop_acme"}))
                .unwrap();
        let with = |exit_code, said: &str| {
            Some(Failure {
                container: "migrate".into(),
                exit_code,
                said: said.into(),
            })
        };
        for (failure_found, expected) in [
            (
                with(3, "no tables"),
                ": database shop_acme on aurora-eu-1 is empty: no tables",
            ),
            (
                with(1, "SQLSTATE[42S21]"),
                ": migrate ended with exit code 1: SQLSTATE[42S21]",
            ),
            (None, ""),
        ] {
            assert_eq!(failure(&shop, failure_found.as_ref()), expected);
        }
    }

    /// `last` is `never`, or nothing if there is no CronJob.
    fn said(schedule: &str, last: Option<&str>, now: &str) -> Option<(Truth, String)> {
        let mut state = State::default();
        state
            .backups
            .extend(last.map(|last| ("a".to_owned(), (last != "never").then(|| at(last)))));
        backup(&shop(schedule), &state, at(now)).map(|it| (it.status, it.reason))
    }

    #[test]
    fn a_backup_is_fresh_for_its_period_and_a_little_and_late_after() {
        let (night, never) = (Some("2026-11-10T02:00:00Z"), Some("never"));
        for (schedule, last, now, expected) in [
            (
                "daily",
                night,
                "2026-11-11T06:00:00Z",
                Some((Truth::True, "Fresh")),
            ),
            (
                "daily",
                night,
                "2026-11-11T06:00:01Z",
                Some((Truth::False, "Late")),
            ),
            (
                "weekly",
                night,
                "2026-11-17T06:00:00Z",
                Some((Truth::True, "Fresh")),
            ),
            (
                "weekly",
                night,
                "2026-11-17T06:00:01Z",
                Some((Truth::False, "Late")),
            ),
            (
                "daily",
                never,
                "2026-11-01T12:00:00Z",
                Some((Truth::Unknown, "NoneYet")),
            ),
            (
                "daily",
                never,
                "2026-11-03T12:00:00Z",
                Some((Truth::False, "None")),
            ),
            // A class without a place for backups, and a shop that wants none.
            ("daily", None, "2026-11-03T12:00:00Z", None),
            ("never", night, "2026-11-20T12:00:00Z", None),
        ] {
            let expected =
                expected.map(|(truth, reason): (Truth, &str)| (truth, reason.to_owned()));
            assert_eq!(
                said(schedule, last, now),
                expected,
                "{schedule} {last:?} {now}"
            );
        }
    }
}
