//! Fatal errors of all shops, for evidence.

use super::words::{severity, to_sequence, to_state, to_time};
use observe::{Fingerprint, Severity, evidence::Fatal, v1::State};
use rusqlite::{Connection, Result, Row, params};
use std::collections::{BTreeMap, BTreeSet};

/// Groups of one release that are looked at: more than a release has that anybody would keep.
const GROUPS: usize = 200;

/// The groups of fatal errors that a release of these shops had, in all shops that had them.
pub(crate) fn of_release(
    db: &Connection,
    sequence: u64,
    moved: &BTreeSet<String>,
) -> Result<Vec<Fatal>> {
    let mut names = BTreeSet::new();
    let mut of_shop = db.prepare_cached(
        "SELECT fingerprint FROM groups JOIN releases ON grouped = id \
         WHERE shop = ?1 AND severity = ?2 AND sequence = ?3",
    )?;
    let fatal = severity(Severity::Fatal);
    for shop in moved {
        let found = of_shop.query_map(params![shop, fatal, sequence.cast_signed()], |row| {
            row.get::<_, i64>(0)
        })?;
        for name in found {
            names.insert(name?);
        }
        if names.len() >= GROUPS {
            break;
        }
    }
    let mut everywhere = db.prepare_cached(
        "SELECT shop, class, message, state, sequence, count, releases.last, first FROM groups \
         JOIN releases ON grouped = id WHERE fingerprint = ?1 AND severity = 3",
    )?;
    let mut all = Vec::new();
    for name in names {
        let mut shops = BTreeMap::<String, Fatal>::new();
        let mut rows = everywhere.query([name])?;
        while let Some(row) = rows.next()? {
            let shop: String = row.get(0)?;
            let seen = shops.entry(shop.clone()).or_insert(new(row, name, &shop)?);
            let of = row.get::<_, i64>(4).map(to_sequence)?;
            match of {
                // Sequences are of a channel: what other shops run is another release.
                Some(of) if of == sequence && moved.contains(&shop) => {
                    seen.count = row.get::<_, i64>(5)?.cast_unsigned();
                }
                // Which release of a shop that moved it was is not known.
                None if moved.contains(&shop) => {}
                _ => {
                    let last = to_time(row.get(6)?);
                    seen.elsewhere = seen.elsewhere.max(Some(last));
                }
            }
        }
        all.extend(shops.into_values());
    }
    Ok(all)
}

fn new(row: &Row<'_>, name: i64, shop: &str) -> Result<Fatal> {
    let (class, message): (String, String) = (row.get(1)?, row.get(2)?);
    let state: State = to_state(row.get(3)?);
    Ok(Fatal {
        fingerprint: Fingerprint::from(name.cast_unsigned()),
        shop: shop.to_owned(),
        title: format!("{class}: {message}"),
        state,
        count: 0,
        first: to_time(row.get(7)?),
        elsewhere: None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{open, take::take};
    use super::*;
    use jiff::Timestamp;
    use observe::{
        Source,
        page::{Observed, Page},
    };

    #[test]
    fn what_a_release_has_is_told_from_what_others_have() {
        let directory = tempfile::tempdir().unwrap();
        let db = open::open(directory.path(), 256 << 20).unwrap().0;
        let now: Timestamp = "2026-12-01T04:00:00Z".parse().unwrap();
        let seen = |shop: &str, name: u64, sequence: Option<u64>, severity: Severity| {
            let group = Observed {
                fingerprint: Fingerprint::from(name),
                source: Source::Php,
                severity,
                class: "Error".to_owned(),
                message: "no price".to_owned(),
                sequence,
                count: 3,
                first: now,
                last: now,
                sample: String::new(),
            };
            let page = Page {
                version: 1,
                run: "r".to_owned(),
                cursor: 1,
                dropped: 0,
                groups: vec![group],
            };
            let uid = format!("{shop}-{name}-{sequence:?}");
            take(&db, shop, &uid, &page, now).unwrap();
        };
        seen("a", 1, Some(8), Severity::Fatal);
        seen("a", 2, Some(8), Severity::Error);
        seen("a", 3, Some(7), Severity::Fatal);
        // Another channel's release has the same sequence.
        seen("x", 1, Some(8), Severity::Fatal);
        seen("b", 4, None, Severity::Fatal);
        seen("b", 4, Some(8), Severity::Fatal);
        let moved = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
        let found = of_release(&db, 8, &moved).unwrap();
        let told: Vec<_> = found
            .iter()
            .map(|it| {
                let name = u64::from(it.fingerprint);
                (name, it.shop.as_str(), it.count, it.elsewhere.is_some())
            })
            .collect();
        assert_eq!(
            told,
            [(1, "a", 3, false), (1, "x", 0, true), (4, "b", 3, false)]
        );
        assert_eq!(found[0].title, "Error: no price");
    }
}
