//! Who did what: what the API server has on record of rollouts and of the halt. Changes of Shops
//! are in the API server's own audit log, and in the log of the console.

use super::{Answer, Desk};
use crate::{
    page::{Asked, Frame, Moment},
    registry::Known,
};
use askama::Template;
use axum::{
    extract::{Query, State},
    response::IntoResponse as _,
};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::Deserialize;
use std::sync::Arc;

/// Lines of the page; the CSV has all.
const SHOWN: usize = 200;

#[derive(Template)]
#[template(path = "audit.html")]
struct Page {
    frame: Frame,
    q: String,
    lines: Vec<Line>,
    found: usize,
}

/// Something that a person did.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    at: String,
    by: String,
    what: String,
    rollout: String,
    why: String,
}

impl Line {
    fn moment(&self) -> Moment {
        Moment::read(&self.at)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    /// A part of any field.
    q: String,
}

pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Query(Wanted { q }): Query<Wanted>,
) -> Answer {
    let frame = asked.frame(&desk.registry, &desk.guard).await;
    let all = lines(&*desk.known(&asked)?, &q);
    let page = Page {
        frame,
        q,
        found: all.len(),
        lines: all.into_iter().take(SHOWN).collect(),
    };
    Ok(asked.answer(&page))
}

pub(super) async fn csv(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Query(Wanted { q }): Query<Wanted>,
) -> Answer {
    let mut text = "at,by,what,rollout,why\n".to_owned();
    for line in lines(&*desk.known(&asked)?, &q) {
        let fields = [line.at, line.by, line.what, line.rollout, line.why];
        text.push_str(&fields.map(|field| quoted(&field)).join(","));
        text.push('\n');
    }
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=audit.csv"),
    ];
    Ok((headers, text).into_response())
}

/// A field of CSV. One that begins like a formula does not run in a spreadsheet.
fn quoted(field: &str) -> String {
    let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = field.replace('"', "\"\"");
    format!("\"{}{text}\"", if formula { "'" } else { "" })
}

/// What has every word of `q`, newest first.
fn lines(known: &Known, q: &str) -> Vec<Line> {
    let words = q.to_lowercase();
    let mut lines: Vec<_> = known
        .fleet
        .rollouts
        .iter()
        .flat_map(|(name, rollout)| {
            let started = rollout.spec.started.as_ref().map(|started| Line {
                at: rollout
                    .metadata
                    .creation_timestamp
                    .as_ref()
                    .map_or_else(String::new, |at| at.0.to_string()),
                by: started.by.clone(),
                what: "started".to_owned(),
                rollout: name.clone(),
                why: started.why.clone(),
            });
            let acts = rollout.status.iter().flat_map(|status| &status.history);
            let acts = acts.map(|act| Line {
                at: act.at.clone(),
                by: act.by.clone(),
                what: act.what.clone(),
                rollout: name.clone(),
                why: act.why.clone(),
            });
            started.into_iter().chain(acts)
        })
        .filter(|line| {
            let Line {
                at,
                by,
                what,
                rollout,
                why,
            } = line;
            let text = format!("{at} {by} {what} {rollout} {why}").to_lowercase();
            words.split_whitespace().all(|word| text.contains(word))
        })
        .collect();
    lines.sort_by(|one, other| other.at.cmp(&one.at));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::{Act, Rollout, Started};

    #[test]
    fn what_people_did_is_found_by_every_word() {
        let mut spec = operations::rollout::defaults("shops-acme-3");
        spec.started = Some(Started {
            by: "anna".to_owned(),
            why: "the sale".to_owned(),
        });
        let mut rollout = Rollout::new("r", spec);
        rollout.status.get_or_insert_default().history.push(Act {
            at: "2026-12-01T10:00:00Z".to_owned(),
            by: "boris".to_owned(),
            what: "paused".to_owned(),
            why: String::new(),
        });
        let mut known = Known::default();
        known.fleet.rollouts.insert("r".to_owned(), rollout);
        let found = |q| -> Vec<_> { lines(&known, q).into_iter().map(|line| line.by).collect() };
        assert_eq!(found(""), ["boris", "anna"]);
        assert_eq!(found("Anna sale"), ["anna"]);
        assert!(found("anna paused").is_empty());
    }

    #[test]
    fn no_reason_is_a_formula() {
        assert_eq!(quoted("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
        assert_eq!(quoted("fine"), "\"fine\"");
    }
}
