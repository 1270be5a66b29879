//! The groups of errors: what is asked of them, what people say of them, and when they go.

use super::words::{number, state, to_sequence, to_severity, to_source, to_state, to_time};
use crate::group::Triage;
use jiff::{SignedDuration, Timestamp};
use observe::{
    Fingerprint, Severity,
    v1::{ErrorGroup, ReleaseCount, State},
};
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};
use std::collections::{BTreeMap, BTreeSet};

/// How long a group is kept that nobody sees.
const UNSEEN: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How long the counts of a pod are kept that is not heard of.
const POD: SignedDuration = SignedDuration::from_hours(7 * 24);

const COLUMNS: &str = "id, fingerprint, source, severity, class, message, state, back_since, first, \
                       last, sample, resolved_at";

/// Which groups are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupFilter {
    Open,
    All,
}

/// The groups of a shop, worst and latest first.
pub(crate) fn of_shop(db: &Connection, shop: &str, which: GroupFilter) -> Result<Vec<ErrorGroup>> {
    let mut select = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM groups WHERE shop = ?1 AND (?2 OR state = 0) \
         ORDER BY severity DESC, last DESC, id"
    ))?;
    let rows = select.query_map(params![shop, which == GroupFilter::All], read)?;
    rows.map(|row| row.and_then(|(id, group)| with_releases(db, id, group)))
        .collect()
}

/// One of them.
pub(crate) fn one(db: &Connection, shop: &str, name: Fingerprint) -> Result<Option<ErrorGroup>> {
    let found = db
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM groups WHERE shop = ?1 AND fingerprint = ?2"
        ))?
        .query_row(params![shop, u64::from(name).cast_signed()], read)
        .optional()?;
    found
        .map(|(id, group)| with_releases(db, id, group))
        .transpose()
}

/// Takes in what a person says of a group, and gives it as it stands then.
pub(crate) fn judge(
    db: &Connection,
    shop: &str,
    name: Fingerprint,
    verdict: State,
) -> Result<Option<ErrorGroup>> {
    let fingerprint = u64::from(name).cast_signed();
    let newest = "SELECT max(sequence) FROM releases WHERE grouped = groups.id";
    let known = db
        .prepare_cached(&format!(
            "SELECT id, state, resolved_at, back_since, ({newest}) FROM groups \
             WHERE shop = ?1 AND fingerprint = ?2"
        ))?
        .query_row(params![shop, fingerprint], |row| {
            let triage = Triage {
                state: to_state(row.get(1)?),
                resolved_at: row.get::<_, i64>(2)?.cast_unsigned(),
                back_since: row.get::<_, Option<i64>>(3)?.and_then(to_sequence),
            };
            let newest = row.get::<_, Option<i64>>(4)?.and_then(to_sequence);
            Ok((row.get::<_, i64>(0)?, triage, newest))
        })
        .optional()?;
    let Some((id, before, newest)) = known else {
        return Ok(None);
    };
    let after = before.judged(verdict, newest);
    db.prepare_cached(
        "UPDATE groups SET state = ?2, resolved_at = ?3, back_since = ?4 WHERE id = ?1",
    )?
    .execute(params![
        id,
        state(after.state),
        number(after.resolved_at),
        after.back_since.map(number)
    ])?;
    one(db, shop, name)
}

/// Numbers of all shops.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Open groups, by shop.
    pub(crate) open: BTreeMap<String, BTreeMap<Severity, u64>>,
    /// Events that were ever counted, by shop.
    pub(crate) events: BTreeMap<String, BTreeMap<Severity, u64>>,
}

/// Numbers of all shops.
pub(crate) fn figures(db: &Connection) -> Result<Figures> {
    let by_shop = |text: &str| -> Result<BTreeMap<String, BTreeMap<Severity, u64>>> {
        let mut all = BTreeMap::<String, BTreeMap<_, _>>::new();
        let mut select = db.prepare_cached(text)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let count = row.get::<_, i64>(2)?.cast_unsigned();
            let of_shop = all.entry(row.get(0)?).or_default();
            of_shop.insert(to_severity(row.get(1)?), count);
        }
        Ok(all)
    };
    Ok(Figures {
        open: by_shop(
            "SELECT shop, severity, count(*) FROM groups WHERE state = 0 GROUP BY shop, severity",
        )?,
        events: by_shop("SELECT shop, severity, total FROM events")?,
    })
}

/// Forgets what pods counted that are not among these, and not heard of for days.
pub(crate) fn keep_pods(db: &Connection, there: &BTreeSet<String>, now: Timestamp) -> Result<()> {
    let before = (now - POD).as_millisecond();
    let mut select = db.prepare_cached("SELECT id, uid FROM pods WHERE seen < ?1")?;
    let old: Vec<(i64, String)> = select
        .query_map([before], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_>>()?;
    for (id, _) in old.iter().filter(|(_, uid)| !there.contains(uid)) {
        db.prepare_cached("DELETE FROM pods WHERE id = ?1")?
            .execute([id])?;
    }
    Ok(())
}

/// Forgets groups that nobody has seen for long.
pub(crate) fn prune(db: &Connection, now: Timestamp) -> Result<usize> {
    db.prepare_cached("DELETE FROM groups WHERE last < ?1")?
        .execute([(now - UNSEEN).as_millisecond()])
}

/// Forgets a tenth of the groups, where the database has no room left: first those that nobody has
/// to look at, and of them the oldest.
pub(crate) fn squeeze(db: &Connection) -> Result<usize> {
    db.execute(
        "DELETE FROM groups WHERE id IN (SELECT id FROM groups ORDER BY state = 0, last \
         LIMIT (SELECT count(*) / 10 + 1 FROM groups))",
        [],
    )
}

fn read(row: &Row<'_>) -> Result<(i64, ErrorGroup)> {
    let group = ErrorGroup {
        fingerprint: Fingerprint::from(row.get::<_, i64>(1)?.cast_unsigned()),
        source: to_source(&row.get::<_, String>(2)?),
        severity: to_severity(row.get(3)?),
        class: row.get(4)?,
        message: row.get(5)?,
        state: to_state(row.get(6)?),
        back_since: row.get::<_, Option<i64>>(7)?.and_then(to_sequence),
        first: to_time(row.get(8)?),
        last: to_time(row.get(9)?),
        releases: Vec::new(),
        sample: row.get(10)?,
    };
    Ok((row.get(0)?, group))
}

fn with_releases(db: &Connection, id: i64, group: ErrorGroup) -> Result<ErrorGroup> {
    let mut select = db.prepare_cached(
        "SELECT sequence, count FROM releases WHERE grouped = ?1 ORDER BY sequence DESC",
    )?;
    let releases = select.query_map([id], |row| {
        Ok(ReleaseCount {
            sequence: to_sequence(row.get(0)?),
            count: row.get::<_, i64>(1)?.cast_unsigned(),
        })
    })?;
    Ok(ErrorGroup {
        releases: releases.collect::<Result<_>>()?,
        ..group
    })
}

/// Whether less than a twentieth of the database's limit is left.
pub(crate) fn is_full(db: &Connection) -> Result<bool> {
    let number = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let used = number("page_count")? - number("freelist_count")?;
    Ok(used > number("max_page_count")? / 20 * 19)
}
