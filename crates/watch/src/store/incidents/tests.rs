//! Incidents, kept and forgotten.

use super::super::open::open as open_database;
use super::*;
use observe::v1::Cause;

fn at(day: i64) -> Timestamp {
    Timestamp::from_second(1_796_000_000).unwrap() + SignedDuration::from_hours(24 * day)
}

fn incident(host: &str, begin: Timestamp) -> Incident {
    Incident {
        host: host.to_owned(),
        vantage: Vantage::Inside,
        cause: Cause::Status,
        problem: "the answer is 502".to_owned(),
        begin,
        end: None,
    }
}

#[test]
fn a_host_has_one_open_incident_at_a_vantage_point_and_those_of_long_ago_go() {
    let directory = tempfile::tempdir().unwrap();
    let db = open_database(directory.path(), 64 << 20).unwrap().0;
    begin(&db, "acme", &incident("a.example", at(0))).unwrap();
    // The same again, as after a write whose answer was lost.
    begin(&db, "acme", &incident("a.example", at(0))).unwrap();
    begin(&db, "acme", &incident("b.example", at(1))).unwrap();
    assert_eq!(open(&db).unwrap().len(), 2);
    end(&db, "a.example", Vantage::Outside, at(2)).unwrap();
    assert_eq!(open(&db).unwrap().len(), 2);
    end(&db, "a.example", Vantage::Inside, at(2)).unwrap();
    end(&db, "a.example", Vantage::Inside, at(3)).unwrap();
    let found = of_shop(&db, "acme").unwrap();
    let ends: Vec<_> = found.iter().map(|it| (it.host.as_str(), it.end)).collect();
    assert_eq!(ends, [("b.example", None), ("a.example", Some(at(2)))]);
    prune(&db, at(401)).unwrap();
    assert_eq!(of_shop(&db, "acme").unwrap().len(), 2);
    prune(&db, at(403)).unwrap();
    // One that goes on is kept.
    assert_eq!(of_shop(&db, "acme").unwrap().len(), 1);
    assert_eq!(of_shop(&db, "other").unwrap(), []);
}

#[test]
fn months_add_up_and_the_newest_thirteen_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let db = open_database(directory.path(), 64 << 20).unwrap().0;
    let month = |year: i16, month: i8| Date::constant(year, month, 1);
    for number in 1..=12 {
        let probes = Probes { up: 3, all: 4 };
        let both = [month(2025, number), month(2026, number)];
        let all = both.map(|it| (("acme".to_owned(), it), probes)).into();
        add(&db, &all).unwrap();
        add(&db, &all).unwrap();
    }
    let found = months(&db, "acme").unwrap();
    assert_eq!(
        (found.len(), found[0].month, found[0].probes),
        (13, month(2026, 12), 8)
    );
    assert!((found[0].up - 0.75).abs() < f64::EPSILON);
    prune(&db, "2026-12-10T00:00:00Z".parse().unwrap()).unwrap();
    let left: i64 = db
        .query_row("SELECT count(*) FROM months", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 14);
}
