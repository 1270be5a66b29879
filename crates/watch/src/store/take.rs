//! What an agent says, taken into the groups of its shop.

use super::words::{number, severity, state, to_sequence, to_severity, to_state};
use crate::group::{Triage, added};
use jiff::Timestamp;
use observe::page::{GROUPS, Observed, Page};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Result, params};

/// Groups of a shop at most.
const SHOP: i64 = 500;
/// Releases of a group that are kept.
const RELEASES: i64 = 10;
/// Counts of a pod that are kept: an agent has far fewer groups.
const COUNTED: i64 = 512;

/// What came of a page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Events that were counted.
    pub(crate) events: u64,
    /// Groups that nobody knew.
    pub(crate) new: usize,
    /// Groups that came back after they had been resolved.
    pub(crate) back: usize,
    /// Groups that were left out, as the pod had too many new ones.
    pub(crate) left_out: usize,
}

/// Takes in a page, which was checked, of a pod of this shop.
pub(crate) fn take(
    db: &Connection,
    shop: &str,
    uid: &str,
    page: &Page,
    now: Timestamp,
) -> Result<Taken> {
    let at = now.as_millisecond();
    let pod = pod(db, uid, &page.run, at)?;
    let mut taken = Taken::default();
    for group in &page.groups {
        one(db, shop, (pod, at), group, &mut taken)?;
    }
    if taken.new > 0 {
        make_room(db, shop)?;
    }
    db.prepare_cached(
        "DELETE FROM counted WHERE pod = ?1 AND (fingerprint, sequence) IN (SELECT fingerprint, \
         sequence FROM counted WHERE pod = ?1 ORDER BY seen DESC, fingerprint LIMIT -1 OFFSET ?2)",
    )?
    .execute(params![pod, COUNTED])?;
    Ok(taken)
}

/// The pod's row. What was counted in another run of its agent is forgotten: its counts begin anew.
fn pod(db: &Connection, uid: &str, run: &str, at: i64) -> Result<i64> {
    let known = db
        .prepare_cached("SELECT id, run FROM pods WHERE uid = ?1")?
        .query_row([uid], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))
        .optional()?;
    match known {
        None => db
            .prepare_cached("INSERT INTO pods (uid, run, seen) VALUES (?1, ?2, ?3)")?
            .insert(params![uid, run, at]),
        Some((id, before)) => {
            if before != run {
                db.prepare_cached("DELETE FROM counted WHERE pod = ?1")?
                    .execute([id])?;
            }
            db.prepare_cached("UPDATE pods SET run = ?2, seen = ?3 WHERE id = ?1")?
                .execute(params![id, run, at])?;
            Ok(id)
        }
    }
}

fn one(
    db: &Connection,
    shop: &str,
    (pod, at): (i64, i64),
    group: &Observed,
    taken: &mut Taken,
) -> Result<()> {
    let fingerprint = u64::from(group.fingerprint).cast_signed();
    let sequence = number(group.sequence.unwrap_or(0));
    let known: Option<i64> = db
        .prepare_cached(
            "SELECT count FROM counted WHERE pod = ?1 AND fingerprint = ?2 AND sequence = ?3",
        )?
        .query_row(params![pod, fingerprint, sequence], |row| row.get(0))
        .optional()?;
    let more = added(known.map(i64::cast_unsigned), group.count);
    if more == 0 {
        return Ok(());
    }
    let Some(id) = grouped(db, shop, fingerprint, group, taken)? else {
        return Ok(());
    };
    db.prepare_cached(
        "INSERT INTO counted (pod, fingerprint, sequence, count, seen) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT DO UPDATE SET count = excluded.count, seen = excluded.seen",
    )?
    .execute(params![pod, fingerprint, sequence, number(group.count), at])?;
    let newer = db
        .prepare_cached(
            "INSERT INTO releases (grouped, sequence, count, last) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT DO UPDATE SET count = min(count + excluded.count, 1 << 53), \
             last = excluded.last RETURNING count = ?3",
        )?
        .query_row(params![id, sequence, number(more), at], |row| {
            row.get::<_, bool>(0)
        })?;
    if newer {
        // The first one of a release: what is shown is of it.
        db.prepare_cached("UPDATE groups SET sample = ?2 WHERE id = ?1")?
            .execute(params![id, group.sample])?;
        db.prepare_cached(
            "DELETE FROM releases WHERE grouped = ?1 AND sequence IN (SELECT sequence FROM \
             releases WHERE grouped = ?1 ORDER BY sequence DESC LIMIT -1 OFFSET ?2)",
        )?
        .execute(params![id, RELEASES])?;
    }
    db.prepare_cached(
        "INSERT INTO events (shop, severity, total) VALUES (?1, ?2, ?3) \
         ON CONFLICT DO UPDATE SET total = min(total + excluded.total, 1 << 53)",
    )?
    .execute(params![shop, severity(group.severity), number(more)])?;
    taken.events = taken.events.saturating_add(more);
    Ok(())
}

/// The row of a group that was seen, as it stands now; none where the pod may add no more.
fn grouped(
    db: &Connection,
    shop: &str,
    fingerprint: i64,
    group: &Observed,
    taken: &mut Taken,
) -> Result<Option<i64>> {
    let known = db
        .prepare_cached(
            "SELECT id, state, resolved_at, back_since, severity FROM groups \
             WHERE shop = ?1 AND fingerprint = ?2",
        )?
        .query_row(params![shop, fingerprint], |row| {
            let triage = Triage {
                state: to_state(row.get(1)?),
                resolved_at: row.get::<_, i64>(2)?.cast_unsigned(),
                back_since: row.get::<_, Option<i64>>(3)?.and_then(to_sequence),
            };
            Ok((row.get::<_, i64>(0)?, triage, to_severity(row.get(4)?)))
        })
        .optional()?;
    let (first, last) = (group.first.as_millisecond(), group.last.as_millisecond());
    let Some((id, before, worst)) = known else {
        if taken.new == GROUPS {
            taken.left_out += 1;
            return Ok(None);
        }
        taken.new += 1;
        let mut insert: CachedStatement<'_> = db.prepare_cached(
            "INSERT INTO groups (shop, fingerprint, source, severity, class, message, sample, \
             state, resolved_at, first, last) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?10)",
        )?;
        let id = insert.insert(params![
            shop,
            fingerprint,
            group.source.word(),
            severity(group.severity),
            group.class,
            group.message,
            group.sample,
            state(Triage::NEW.state),
            first,
            last
        ])?;
        return Ok(Some(id));
    };
    let after = before.seen(group.sequence);
    if after != before {
        taken.back += 1;
    }
    db.prepare_cached(
        "UPDATE groups SET severity = ?2, state = ?3, back_since = ?4, \
         first = min(first, ?5), last = max(last, ?6) WHERE id = ?1",
    )?
    .execute(params![
        id,
        severity(worst.max(group.severity)),
        state(after.state),
        after.back_since.map(number),
        first,
        last
    ])?;
    Ok(Some(id))
}

/// Lets the oldest groups of a shop go that has too many: first those that nobody has to look at.
fn make_room(db: &Connection, shop: &str) -> Result<()> {
    db.prepare_cached(
        "DELETE FROM groups WHERE id IN (SELECT id FROM groups WHERE shop = ?1 \
         ORDER BY state = 0 DESC, last DESC, id LIMIT -1 OFFSET ?2)",
    )?
    .execute(params![shop, SHOP])
    .map(drop)
}

#[cfg(test)]
mod tests;
