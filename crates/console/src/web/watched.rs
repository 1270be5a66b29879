//! What `longshore-watch` knows of a shop: its errors, whether its domains answer, how fast it is.
//! Each part is asked for by itself, and says so if nobody answers.

use super::{Answer, Desk, Posted, shop::found};
use crate::{
    page::{Asked, Failure, Frame, Moment, done, encode},
    rights::Right,
    text,
};
use askama::Template;
use axum::extract::{Path, State};
use observe::{
    Fingerprint,
    v1::{ErrorGroup, Errors, Performance, State as GroupState, StateChange, Uptime},
};
use operations::{Done, OperationError, watch::WatchRequest};
use std::sync::Arc;
use tokio::join;
use tracing::info;

/// Groups that are shown; `longshore errors` has all.
const GROUPS: usize = 20;
/// Domains and incidents that are shown; `longshore uptime` has all.
const ROWS: usize = 15;
/// Bytes of HTML for what programs wrote, in all groups together: a page has 60 KiB at most.
const ROOM: usize = 16 << 10;
/// Bytes of one message, and of one sample.
const MESSAGE: usize = 300;
const SAMPLE: usize = 4 << 10;

/// Room for text on a page.
struct Room(usize);

impl Room {
    /// The text, as far as it fits.
    fn cut(&mut self, text: &str, most: usize) -> String {
        let mut left = most.min(self.0);
        let mut end = 0;
        for (at, character) in text.char_indices() {
            let bytes = match character {
                '<' | '>' | '&' | '"' | '\'' => "&#60;".len(),
                other => other.len_utf8(),
            };
            if bytes > left {
                break;
            }
            left -= bytes;
            self.0 -= bytes;
            end = at + character.len_utf8();
        }
        if end < text.len() {
            format!("{} …", &text[..end])
        } else {
            text.to_owned()
        }
    }
}

#[derive(Template)]
#[template(path = "watched.html")]
struct Page {
    frame: Frame,
    shop: String,
    errors: Result<ErrorsPart, String>,
    uptime: Result<UptimePart, String>,
    performance: Result<PerformancePart, String>,
    may_judge: bool,
}

struct ErrorsPart {
    as_of: Option<Moment>,
    groups: Vec<Group>,
    more: usize,
}

struct Group {
    fingerprint: String,
    severity: &'static str,
    count: u64,
    last: Moment,
    first: Moment,
    release: Option<u64>,
    back_since: Option<u64>,
    what: String,
    sample: String,
}

struct UptimePart {
    hosts: Vec<Host>,
    hosts_more: usize,
    incidents: Vec<IncidentRow>,
    incidents_more: usize,
    months: Vec<(String, String, u64)>,
}

struct Host {
    name: String,
    end: Option<Moment>,
    probes: Vec<Probe>,
}

struct Probe {
    from: &'static str,
    good: bool,
    text: String,
    at: Moment,
}

struct IncidentRow {
    host: String,
    from: &'static str,
    begin: Moment,
    lasted: Option<String>,
    problem: String,
}

struct PerformancePart {
    minutes: u32,
    busy: Option<String>,
    releases: Vec<Speed>,
    slow: Vec<Group>,
}

struct Speed {
    release: String,
    requests: u64,
    failed: u64,
    p50: String,
    p95: String,
    p99: String,
}

pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Path(shop): Path<String>,
) -> Answer {
    found(&*desk.known(&asked)?, &shop)?;
    // Whoever sees the Shop sees this, too: the right to ask longshore-watch is one to all shops.
    let cluster = &desk.own;
    let (errors, uptime, performance, may_judge, frame) = join!(
        WatchRequest::get(&shop, "errors").ask::<Errors>(cluster),
        WatchRequest::get(&shop, "uptime").ask::<Uptime>(cluster),
        WatchRequest::get(&shop, "performance").ask::<Performance>(cluster),
        asked.person.may(Right::JudgeErrors, None),
        asked.frame(&desk.registry, &desk.guard),
    );
    let said = (errors, uptime, performance);
    Ok(asked.answer(&page(frame, shop, said, may_judge)))
}

type Said<T> = Result<T, OperationError>;

fn page(
    frame: Frame,
    shop: String,
    (errors, uptime, performance): (Said<Errors>, Said<Uptime>, Said<Performance>),
    may_judge: bool,
) -> Page {
    let mut room = Room(ROOM);
    Page {
        frame,
        shop,
        errors: errors.map(|it| errors_part(&it, &mut room)).map_err(away),
        uptime: uptime.map(|it| uptime_part(&it)).map_err(away),
        performance: performance
            .map(|it| performance_part(&it, &mut room))
            .map_err(away),
        may_judge,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err gives it")]
fn away(error: OperationError) -> String {
    runtime::Chain(&error).to_string()
}

fn errors_part(errors: &Errors, room: &mut Room) -> ErrorsPart {
    let groups = errors.groups.iter().take(GROUPS);
    ErrorsPart {
        as_of: errors.as_of.map(Moment::new),
        more: errors.groups.len().saturating_sub(GROUPS),
        groups: groups.map(|it| group(it, room)).collect(),
    }
}

fn group(group: &ErrorGroup, room: &mut Room) -> Group {
    Group {
        fingerprint: group.fingerprint.to_string(),
        severity: group.severity.word(),
        count: group.releases.iter().map(|release| release.count).sum(),
        last: Moment::new(group.last),
        first: Moment::new(group.first),
        release: group.releases.first().and_then(|release| release.sequence),
        back_since: group.back_since,
        what: room.cut(&format!("{}: {}", group.class, group.message), MESSAGE),
        sample: room.cut(&group.sample, SAMPLE),
    }
}

fn uptime_part(uptime: &Uptime) -> UptimePart {
    let probe = |probe: &observe::v1::ProbeResult| Probe {
        from: probe.vantage.word(),
        good: probe.problem.is_none(),
        text: match (&probe.problem, probe.status, probe.seconds) {
            (Some(problem), ..) => Room(MESSAGE).cut(problem, MESSAGE / 2),
            (None, Some(status), Some(seconds)) => format!("{status} in {seconds:.3} s"),
            (None, ..) => "answers".to_owned(),
        },
        at: Moment::new(probe.at),
    };
    let shown = uptime.hosts.iter().take(ROWS);
    let hosts = shown.map(|host| Host {
        name: host.host.clone(),
        end: host.certificate_end.map(Moment::new),
        probes: host.probes.iter().map(probe).collect(),
    });
    let shown = uptime.incidents.iter().take(ROWS);
    let incidents = shown.map(|incident| IncidentRow {
        host: incident.host.clone(),
        from: incident.vantage.word(),
        begin: Moment::new(incident.begin),
        lasted: incident
            .end
            .map(|end| format!("{} s", end.duration_since(incident.begin).as_secs())),
        problem: Room(MESSAGE).cut(&incident.problem, MESSAGE),
    });
    let months = uptime.months.iter().map(|month| {
        let name = month.month.strftime("%Y-%m").to_string();
        (name, format!("{:.3} %", month.up * 100.0), month.probes)
    });
    UptimePart {
        hosts: hosts.collect(),
        hosts_more: uptime.hosts.len().saturating_sub(ROWS),
        incidents: incidents.collect(),
        incidents_more: uptime.incidents.len().saturating_sub(ROWS),
        months: months.collect(),
    }
}

fn performance_part(performance: &Performance, room: &mut Room) -> PerformancePart {
    let seconds =
        |time: Option<f64>| time.map_or_else(|| "–".to_owned(), |time| format!("{time:.3} s"));
    let releases = performance.releases.iter().map(|release| Speed {
        release: release
            .sequence
            .map_or_else(|| "unknown".to_owned(), |sequence| sequence.to_string()),
        requests: release.requests,
        failed: release.failed,
        p50: seconds(release.p50),
        p95: seconds(release.p95),
        p99: seconds(release.p99),
    });
    let slow = performance.slow.iter().take(GROUPS);
    PerformancePart {
        minutes: performance.minutes,
        busy: performance
            .busy_workers
            .map(|share| format!("{:.0} %", share * 100.0)),
        releases: releases.collect(),
        slow: slow.map(|it| group(it, room)).collect(),
    }
}

pub(super) async fn judge(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Path((shop, fingerprint)): Path<(String, String)>,
    Posted(sent): Posted,
) -> Answer {
    found(&*desk.known(&asked)?, &shop)?;
    let fingerprint: Fingerprint = fingerprint
        .parse()
        .map_err(|_| Failure::Missing(text::no_fingerprint(&fingerprint)))?;
    let state = match sent.get("do") {
        "resolve" => GroupState::Resolved,
        "ignore" => GroupState::Ignored,
        _ => GroupState::Open,
    };
    let path = format!("errors/{fingerprint}/state");
    let group: ErrorGroup = WatchRequest::put(&shop, &path, &StateChange { state })?
        .ask(&asked.person.cluster)
        .await?;
    let state = group.state.word();
    info!(target: "audit", person = asked.person.name, shop, error = %fingerprint, state, "error judged");
    let said = Done {
        said: text::judged(&fingerprint, state),
        warnings: Vec::new(),
    };
    Ok(done(&format!("/shops/{}/watched", encode(&shop)), &said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_page_of_many_long_errors_stays_small() {
        let at = "2026-12-01T10:00:00Z";
        let group = |number: usize| {
            json!({
                "fingerprint": format!("{number:016x}"), "source": "php", "severity": "fatal",
                "class": "Magento\\Framework\\Exception", "message": "<&\"'>".repeat(2_000),
                "state": "open", "first": at, "last": at, "sample": "'<b>\n".repeat(20_000),
                "releases": [{ "sequence": 42, "count": 7 }], "backSince": 41,
            })
        };
        let groups: Vec<_> = (0..200).map(group).collect();
        let host = |number: usize| {
            let name = format!("{number:03}.{}.example", "a".repeat(60));
            let probe = |vantage: &str| json!({ "vantage": vantage, "at": at, "problem": "<".repeat(5_000) });
            json!({ "host": name, "certificateEnd": at, "probes": [probe("inside"), probe("outside")] })
        };
        let incident = |number: usize| {
            json!({
                "host": format!("{number}.example"), "vantage": "inside", "begin": at, "end": at,
                "cause": "status", "problem": "&".repeat(5_000),
            })
        };
        let uptime = json!({
            "shop": "acme", "months": [],
            "hosts": (0..50).map(host).collect::<Vec<_>>(),
            "incidents": (0..500).map(incident).collect::<Vec<_>>(),
        });
        let performance = json!({
            "shop": "acme", "minutes": 60, "releases": [], "slow": groups.clone(),
        });
        let errors = json!({ "shop": "acme", "asOf": at, "groups": groups });
        let said = (
            Ok(serde_json::from_value(errors).unwrap()),
            Ok(serde_json::from_value(uptime).unwrap()),
            Ok(serde_json::from_value(performance).unwrap()),
        );
        let frame = Frame {
            token: "t".repeat(200),
            ..Frame::default()
        };
        let page = page(frame, "a".repeat(58), said, true).render().unwrap();
        assert!(page.len() <= 60 << 10, "{} bytes", page.len());
        assert!(page.contains("180 more") && page.contains("35 more") && page.contains("485 more"));
    }

    #[test]
    fn text_is_cut_between_characters_and_by_its_size_as_html() {
        let mut room = Room(12);
        assert_eq!(room.cut("é<x", 12), "é<x");
        assert_eq!(room.cut("ééé", 12), "éé …");
        assert_eq!(room.cut("", 12), "");
        assert_eq!(room.cut("x", 12), " …");
    }
}
