//! What a Shop's status says of its data: whether the database is where its release needs it, and
//! whether its backup is fresh.

use super::{State, edge, migration::MigrationLock, state::Progress};
use api::{BackupSchedule, Condition, Shop, ShopState, Truth, namespace};
use jiff::{SignedDuration, Timestamp};
use render::assign::{self, Known};

/// How old a nightly backup may be: a day, its two hours, and the two that a night is longer or
/// shorter by in spring and autumn.
const DAILY: SignedDuration = SignedDuration::from_hours(28);
/// The same for a weekly one.
const WEEKLY: SignedDuration = SignedDuration::from_hours(7 * 24 + 4);
/// Conditions that are made here; what others wrote is theirs.
pub(super) const KINDS: [&str; 3] = ["RoutesProgrammed", "DatabaseCurrent", "BackupFresh"];

/// The conditions that apply to the shop.
pub(super) fn conditions(
    shop: &Shop,
    known: &Known,
    lock: &MigrationLock,
    state: &State,
    now: Timestamp,
) -> Vec<Condition> {
    let found = [
        edge::said(shop, state),
        database(shop, known, lock, state),
        backup(shop, state, now),
    ];
    let condition = |(kind, (status, reason, message)): (&str, Said)| Condition {
        kind: kind.to_owned(),
        status,
        reason: reason.to_owned(),
        message,
        observed_generation: shop.metadata.generation,
        last_transition_time: now,
    };
    KINDS
        .into_iter()
        .zip(found)
        .filter_map(|(kind, said)| Some((kind, said?)))
        .map(condition)
        .collect()
}

/// Whether it is so, why in one word, and in a sentence.
pub(super) type Said = (Truth, &'static str, String);

fn name(shop: &Shop) -> &str {
    shop.metadata.name.as_deref().unwrap_or_default()
}

fn database(shop: &Shop, known: &Known, lock: &MigrationLock, state: &State) -> Option<Said> {
    let release = assign::assigned(shop, &state.fleet).ok().flatten()?;
    if !assign::migrates(shop, release, &state.fleet) {
        return None;
    }
    let (sequence, namespace) = (release.sequence, namespace(name(shop)));
    let job = state
        .migrations
        .get(name(shop))
        .and_then(|jobs| jobs.get(&sequence.get()));
    Some(
        match (
            known.migrated.is_some_and(|migrated| migrated >= sequence),
            job,
            lock,
        ) {
            (true, ..) if known.closed => (
                Truth::True,
                assign::SWITCHING,
                format!("visitors wait until every pod is seen to run sequence {sequence}"),
            ),
            (true, ..) => (Truth::True, "Migrated", String::new()),
            (_, Some(Progress::Failed), _) => (
                Truth::False,
                "MigrationFailed",
                format!(
                    "Job {namespace}/release-{sequence} failed{}; look at its log, then delete it \
                     to try again",
                    failure(shop, sequence.get(), state)
                ),
            ),
            (_, None, MigrationLock::Theirs(holder)) => (
                Truth::False,
                "LeaseHeld",
                format!(
                    "sequence {sequence} changes the database, and {holder} holds the Lease \
                     {namespace}/migration"
                ),
            ),
            (_, None, MigrationLock::Crowded(others)) => (
                Truth::False,
                "ServerBusy",
                format!(
                    "sequence {sequence} changes the database, and waits for {others} other new \
                     shops of its server"
                ),
            ),
            (_, None, MigrationLock::Cron) => (
                Truth::False,
                "CronEnds",
                format!(
                    "sequence {sequence} changes the database, and waits for pods of Deployment \
                     {namespace}/cron to end, which may take 10 minutes"
                ),
            ),
            _ => (
                Truth::False,
                "Migrating",
                format!("sequence {sequence} changes the database; agents wait for it"),
            ),
        },
    )
}

/// Exit code of a migration whose database is empty, where the release brings nothing to install it
/// with.
const EMPTY: i32 = 3;

/// Why a migration failed, as far as its pod said so.
fn failure(shop: &Shop, sequence: u64, state: &State) -> String {
    let known = state
        .failures
        .get(name(shop))
        .filter(|(of, _)| *of == sequence)
        .and_then(|(_, failure)| failure.as_ref());
    match (known, shop.spec.services.database.as_ref()) {
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

fn backup(shop: &Shop, state: &State, now: Timestamp) -> Option<Said> {
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
        Some(last) if now.duration_since(last) <= may => (
            Truth::True,
            "Fresh",
            format!("the last one ended at {last:.0}"),
        ),
        Some(last) => (
            Truth::False,
            "Late",
            format!("the last one ended at {last:.0}; look at the Jobs of {job}"),
        ),
        None if now.duration_since(made) <= may => (
            Truth::Unknown,
            "NoneYet",
            "the shop is too young to have one".to_owned(),
        ),
        None => (
            Truth::False,
            "None",
            format!("there is none; look at the Jobs of {job}"),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::symptom::Failure;
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
        let mut state = State::default();
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
            state.failures.insert("a".to_owned(), (43, failure_found));
            assert_eq!(failure(&shop, 43, &state), expected);
            assert_eq!(failure(&shop, 44, &state), "", "of another release");
        }
    }

    /// `last` is `never`, or nothing where there is no CronJob.
    fn said(schedule: &str, last: Option<&str>, now: &str) -> Option<(Truth, String)> {
        let mut state = State::default();
        state
            .backups
            .extend(last.map(|last| ("a".to_owned(), (last != "never").then(|| at(last)))));
        let found = conditions(
            &shop(schedule),
            &Known::default(),
            &MigrationLock::Ours,
            &state,
            at(now),
        );
        found
            .into_iter()
            .next()
            .map(|condition| (condition.status, condition.reason))
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
