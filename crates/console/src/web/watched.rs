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
    v1::{ErrorGroup, Errors, Performance, State as GroupState, Uptime, Verdict},
};
use operations::{Done, OperationError, watch::Question};
use std::sync::Arc;
use tokio::join;
use tracing::info;

/// Groups that are shown; `longshore errors` has all.
const GROUPS: usize = 30;

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
    incidents: Vec<IncidentRow>,
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
        Question::get(&shop, "errors").ask::<Errors>(cluster),
        Question::get(&shop, "uptime").ask::<Uptime>(cluster),
        Question::get(&shop, "performance").ask::<Performance>(cluster),
        asked.person.may(Right::JudgeErrors, None),
        asked.frame(&desk.registry, &desk.guard),
    );
    let page = Page {
        frame,
        errors: errors.map(|it| errors_part(&it)).map_err(away),
        uptime: uptime.map(|it| uptime_part(&it)).map_err(away),
        performance: performance.map(|it| performance_part(&it)).map_err(away),
        shop,
        may_judge,
    };
    Ok(asked.answer(&page))
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err gives it")]
fn away(error: OperationError) -> String {
    runtime::Chain(&error).to_string()
}

fn errors_part(errors: &Errors) -> ErrorsPart {
    ErrorsPart {
        as_of: errors.as_of.map(Moment::of),
        more: errors.groups.len().saturating_sub(GROUPS),
        groups: errors.groups.iter().take(GROUPS).map(group).collect(),
    }
}

fn group(group: &ErrorGroup) -> Group {
    Group {
        fingerprint: group.fingerprint.to_string(),
        severity: group.severity.word(),
        count: group.releases.iter().map(|release| release.count).sum(),
        last: Moment::of(group.last),
        first: Moment::of(group.first),
        release: group.releases.first().and_then(|release| release.sequence),
        back_since: group.back_since,
        what: format!("{}: {}", group.class, group.message),
        sample: group.sample.clone(),
    }
}

fn uptime_part(uptime: &Uptime) -> UptimePart {
    let probe = |probe: &observe::v1::ProbeResult| Probe {
        from: probe.vantage.word(),
        good: probe.problem.is_none(),
        text: match (&probe.problem, probe.status, probe.seconds) {
            (Some(problem), ..) => problem.clone(),
            (None, Some(status), Some(seconds)) => format!("{status} in {seconds:.3} s"),
            (None, ..) => "answers".to_owned(),
        },
        at: Moment::of(probe.at),
    };
    let hosts = uptime.hosts.iter().map(|host| Host {
        name: host.host.clone(),
        end: host.certificate_end.map(Moment::of),
        probes: host.probes.iter().map(probe).collect(),
    });
    let incidents = uptime.incidents.iter().map(|incident| IncidentRow {
        host: incident.host.clone(),
        from: incident.vantage.word(),
        begin: Moment::of(incident.begin),
        lasted: incident
            .end
            .map(|end| format!("{} s", end.duration_since(incident.begin).as_secs())),
        problem: incident.problem.clone(),
    });
    let months = uptime.months.iter().map(|month| {
        let name = month.month.strftime("%Y-%m").to_string();
        (name, format!("{:.3} %", month.up * 100.0), month.probes)
    });
    UptimePart {
        hosts: hosts.collect(),
        incidents: incidents.collect(),
        months: months.collect(),
    }
}

fn performance_part(performance: &Performance) -> PerformancePart {
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
    PerformancePart {
        minutes: performance.minutes,
        busy: performance
            .busy_workers
            .map(|share| format!("{:.0} %", share * 100.0)),
        releases: releases.collect(),
        slow: performance.slow.iter().take(GROUPS).map(group).collect(),
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
    let group: ErrorGroup = Question::put(&shop, &path, &Verdict { state })?
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
