//! Incidents of hosts, and how many probes of a month were answered as they should be.

use super::words::{number, to_cause, to_time, to_vantage};
use jiff::{SignedDuration, Timestamp, civil::Date};
use observe::v1::{Incident, Month, Vantage};
use rusqlite::{Connection, Result, Row, params};
use std::collections::BTreeMap;

/// How long an incident is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(400 * 24);
/// Incidents of a shop that are kept.
const OF_SHOP: i64 = 1000;
/// Incidents and months that are told of a shop.
const TOLD: i64 = 100;
const MONTHS: i64 = 13;

/// Probes of a shop in a month.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Probes {
    /// Those that were answered as they should be.
    pub(crate) up: u64,
    /// All.
    pub(crate) all: u64,
}

/// An incident begins, unless the host has one already.
pub(crate) fn begin(db: &Connection, shop: &str, incident: &Incident) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO incidents (shop, host, vantage, cause, problem, began) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
    )?
    .execute(params![
        shop,
        incident.host,
        incident.vantage.word(),
        incident.cause.word(),
        incident.problem,
        incident.begin.as_millisecond()
    ])
    .map(drop)
}

/// The incident of a host ends, if it has one.
pub(crate) fn end(db: &Connection, host: &str, vantage: Vantage, at: Timestamp) -> Result<()> {
    db.prepare_cached(
        "UPDATE incidents SET ended = max(began, ?3) WHERE host = ?1 AND vantage = ?2 AND ended \
         IS NULL",
    )?
    .execute(params![host, vantage.word(), at.as_millisecond()])
    .map(drop)
}

/// All that have not ended, with their shops.
pub(crate) fn open(db: &Connection) -> Result<Vec<(String, Incident)>> {
    let mut select = db.prepare_cached(
        "SELECT host, vantage, cause, problem, began, ended, shop FROM incidents WHERE ended IS \
         NULL",
    )?;
    let rows = select.query_map([], |row| Ok((row.get(6)?, read(row)?)))?;
    rows.collect()
}

/// Those of a shop, newest first.
pub(crate) fn of_shop(db: &Connection, shop: &str) -> Result<Vec<Incident>> {
    let mut select = db.prepare_cached(
        "SELECT host, vantage, cause, problem, began, ended FROM incidents WHERE shop = ?1 \
         ORDER BY began DESC, id DESC LIMIT ?2",
    )?;
    let rows = select.query_map(params![shop, TOLD], read)?;
    rows.collect()
}

/// Adds probes of shops to their month.
pub(crate) fn add(db: &Connection, all: &BTreeMap<(String, Date), Probes>) -> Result<()> {
    let mut insert = db.prepare_cached(
        "INSERT INTO months (shop, month, up, probes) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO \
         UPDATE SET up = up + excluded.up, probes = probes + excluded.probes",
    )?;
    for ((shop, month), probes) in all {
        let (up, all) = (number(probes.up), number(probes.all));
        insert.execute(params![shop, month.to_string(), up, all])?;
    }
    Ok(())
}

/// The last months of a shop, newest first.
#[expect(
    clippy::cast_precision_loss,
    reason = "probes of a month are far below 2^52"
)]
pub(crate) fn months(db: &Connection, shop: &str) -> Result<Vec<Month>> {
    let mut select = db.prepare_cached(
        "SELECT month, up, probes FROM months WHERE shop = ?1 AND probes > 0 ORDER BY month DESC \
         LIMIT ?2",
    )?;
    let rows = select.query_map(params![shop, MONTHS], |row| {
        let month: String = row.get(0)?;
        let (up, probes): (i64, i64) = (row.get(1)?, row.get(2)?);
        Ok(Month {
            month: month.parse().unwrap_or(Date::ZERO),
            up: up as f64 / probes as f64,
            probes: probes.cast_unsigned(),
        })
    })?;
    rows.collect()
}

/// Forgets what is long over.
pub(crate) fn prune(db: &Connection, now: Timestamp) -> Result<()> {
    db.execute(
        "DELETE FROM incidents WHERE ended < ?1",
        [(now - KEPT).as_millisecond()],
    )?;
    db.execute(
        "DELETE FROM incidents WHERE ended IS NOT NULL AND id IN (SELECT id FROM (SELECT id, \
         row_number() OVER (PARTITION BY shop ORDER BY began DESC) AS place FROM incidents) WHERE \
         place > ?1)",
        [OF_SHOP],
    )?;
    let month = |months: i32| format!("-{months} months");
    db.execute(
        "DELETE FROM months WHERE month < date(?1 / 1000, 'unixepoch', ?2)",
        params![now.as_millisecond(), month(14)],
    )
    .map(drop)
}

fn read(row: &Row<'_>) -> Result<Incident> {
    Ok(Incident {
        host: row.get(0)?,
        vantage: to_vantage(&row.get::<_, String>(1)?),
        cause: to_cause(&row.get::<_, String>(2)?),
        problem: row.get(3)?,
        begin: to_time(row.get(4)?),
        end: row.get::<_, Option<i64>>(5)?.map(to_time),
    })
}

#[cfg(test)]
mod tests;
