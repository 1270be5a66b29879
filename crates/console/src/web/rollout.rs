//! Rollouts: which there are, how one does, what is said to it, and how one is started.

mod start;

pub(super) use start::{new, start};

use super::{Answer, Desk, Posted, shop::phase};
use crate::{
    page::{Asked, Failure, Frame, Moment, done, encode},
    registry::Known,
    rights::Right,
    text,
};
use api::{Phase, Rollout, RolloutSpec, RolloutStatus};
use askama::Template;
use axum::extract::{Path, State};
use operations::rollout::{Verb, say as tell};
use plan::rollout::over;
use std::sync::Arc;
use tracing::info;

#[derive(Template)]
#[template(path = "rollouts.html")]
struct List {
    frame: Frame,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    release: String,
    phase: String,
    counts: api::Counts,
    why: String,
    created: Option<Moment>,
}

pub(super) async fn list(State(desk): State<Arc<Desk>>, asked: Asked) -> Answer {
    let frame = asked.frame(&desk.registry, &desk.guard).await;
    let rows = {
        let known = desk.known(&asked)?;
        let mut all: Vec<_> = known.fleet.rollouts.iter().collect();
        // What goes on first, then the newest.
        all.sort_by_key(|(_, it)| {
            (
                over(&it.spec, Some(phase(it))),
                std::cmp::Reverse(created(it)),
            )
        });
        all.into_iter().take(ROWS).map(row).collect()
    };
    Ok(asked.answer(&List { frame, rows }))
}

/// Rollouts that the list has; older ones are found by their name.
const ROWS: usize = 200;

fn created(rollout: &Rollout) -> Option<jiff::Timestamp> {
    let meta = &rollout.metadata;
    meta.creation_timestamp.as_ref().map(|at| at.0)
}

fn row((name, rollout): (&String, &Rollout)) -> Row {
    Row {
        name: name.clone(),
        release: rollout.spec.release.clone(),
        phase: format!("{:?}", phase(rollout)),
        counts: status(rollout).counts,
        why: why(rollout),
        created: created(rollout).map(Moment::new),
    }
}

fn status(rollout: &Rollout) -> RolloutStatus {
    rollout.status.clone().unwrap_or_default()
}

/// Why it is where it is.
fn why(rollout: &Rollout) -> String {
    let conditions = status(rollout).conditions;
    conditions
        .into_iter()
        .find(|condition| condition.kind == "Progressing")
        .map(|condition| condition.message)
        .unwrap_or_default()
}

#[derive(Template)]
#[template(path = "rollout.html")]
struct Page {
    frame: Frame,
    name: String,
    phase: String,
    spec: RolloutSpec,
    status: RolloutStatus,
    migration: &'static str,
    why: String,
    waves: Vec<WaveRow>,
    acts: Vec<ActRow>,
    failed: Vec<(String, String)>,
    verbs: Vec<Offer>,
}

struct WaveRow {
    who: String,
    soak: String,
    state: &'static str,
}

struct ActRow {
    at: Moment,
    by: String,
    what: String,
    why: String,
}

/// Something that a person can say to it.
struct Offer {
    word: &'static str,
    label: &'static str,
    means: &'static str,
    danger: bool,
}

pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Path(name): Path<String>,
) -> Answer {
    let frame = asked.frame(&desk.registry, &desk.guard).await;
    let may = asked.person.may(Right::SteerRollout, Some(&name)).await;
    let page = {
        let known = desk.known(&asked)?;
        let rollout = known.fleet.rollouts.get(&name);
        let rollout = rollout.ok_or_else(|| Failure::Missing(text::none("rollout", &name)))?;
        page(frame, &name, rollout, &known, may)
    };
    Ok(asked.answer(&page))
}

fn page(frame: Frame, name: &str, rollout: &Rollout, known: &Known, may: bool) -> Page {
    let (status, phase) = (status(rollout), phase(rollout));
    let acts = status.history.iter().rev().map(|act| ActRow {
        at: Moment::read(&act.at),
        by: act.by.clone(),
        what: act.what.clone(),
        why: act.why.clone(),
    });
    let failed = status.failed.iter();
    Page {
        frame,
        name: name.to_owned(),
        phase: format!("{phase:?}"),
        why: why(rollout),
        migration: known
            .release(&rollout.spec.release)
            .map_or(text::NOT_IN_CLUSTER, |release| {
                text::migration(release.migration)
            }),
        waves: waves(&rollout.spec, &status, phase),
        acts: acts.collect(),
        failed: failed
            .map(|failed| (failed.shop.clone(), failed.why.clone()))
            .collect(),
        verbs: if may {
            offers(phase, rollout.spec.aborted)
        } else {
            Vec::new()
        },
        spec: rollout.spec.clone(),
        status,
    }
}

fn waves(spec: &RolloutSpec, status: &RolloutStatus, phase: Phase) -> Vec<WaveRow> {
    let at = status.wave.unwrap_or(0) as usize;
    let state = |wave: usize| match phase {
        Phase::Completed => text::WAVE_DONE,
        _ if status.wave.is_none() || wave > at => text::WAVE_TO_COME,
        Phase::Aborted => text::WAVE_BACK,
        _ if wave < at => text::WAVE_DONE,
        Phase::Soaking => text::WAVE_WATCHED,
        Phase::Returning => text::WAVE_RETURNING,
        Phase::Paused | Phase::Stopped => text::WAVE_HELD,
        Phase::Pending | Phase::Moving => text::WAVE_MOVING,
    };
    let mut waves = Vec::new();
    if !spec.canaries.is_empty() {
        waves.push(WaveRow {
            who: text::canaries(&spec.canaries),
            soak: String::new(),
            state: state(0),
        });
    }
    for (index, wave) in spec.waves.iter().enumerate() {
        waves.push(WaveRow {
            who: wave
                .percent
                .map_or_else(|| wave.shops.join(", "), text::share),
            soak: wave.soak.to_string(),
            state: state(index + 1),
        });
    }
    waves
}

const PAUSE: Offer = Offer {
    word: "pause",
    label: text::PAUSE.label,
    means: text::PAUSE.help,
    danger: false,
};
const RESUME: Offer = Offer {
    word: "resume",
    label: text::RESUME.label,
    means: text::RESUME.help,
    danger: false,
};
const PROMOTE: Offer = Offer {
    word: "promote",
    label: text::PROMOTE.label,
    means: text::PROMOTE.help,
    danger: false,
};
const ABORT: Offer = Offer {
    word: "abort",
    label: text::ABORT.label,
    means: text::ABORT.help,
    danger: true,
};

/// What a person can say to a rollout in this phase.
fn offers(phase: Phase, aborted: bool) -> Vec<Offer> {
    if aborted {
        return Vec::new();
    }
    match phase {
        Phase::Pending | Phase::Moving => vec![PAUSE, ABORT],
        Phase::Soaking => vec![PROMOTE, PAUSE, ABORT],
        Phase::Paused | Phase::Stopped | Phase::Returning => vec![RESUME, ABORT],
        Phase::Completed => vec![ABORT],
        Phase::Aborted => Vec::new(),
    }
}

pub(super) async fn say(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Path(name): Path<String>,
    Posted(sent): Posted,
) -> Answer {
    if !desk.known(&asked)?.fleet.rollouts.contains_key(&name) {
        return Err(Failure::Missing(text::none("rollout", &name)));
    }
    let verb = match sent.get("do") {
        "pause" => Verb::Pause,
        "resume" => Verb::Resume,
        "promote" => Verb::Promote,
        "abort" => Verb::Abort,
        other => {
            return Err(Failure::Missing(text::no_word(other)));
        }
    };
    let who = asked.person.who(sent.get("why"));
    let said = tell(&asked.person.cluster, &name, verb, &who).await?;
    info!(target: "audit", person = who.by, why = who.why, rollout = name, what = ?verb, "rollout steered");
    Ok(done(&format!("/rollouts/{}", encode(&name)), &said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_rollout_can_hear_is_offered() {
        let words = |phase, aborted| -> Vec<_> {
            let offers = offers(phase, aborted).into_iter();
            offers.map(|offer| offer.word).collect()
        };
        assert_eq!(words(Phase::Soaking, false), ["promote", "pause", "abort"]);
        assert_eq!(words(Phase::Completed, false), ["abort"]);
        assert_eq!(words(Phase::Stopped, false), ["resume", "abort"]);
        assert!(words(Phase::Returning, true).is_empty());
    }

    #[test]
    fn each_wave_says_how_far_it_is() {
        let spec = operations::rollout::defaults("r");
        let status = |wave| RolloutStatus {
            wave,
            ..RolloutStatus::default()
        };
        let words = |wave, phase| -> Vec<_> {
            let waves = waves(&spec, &status(wave), phase).into_iter();
            waves.map(|wave| wave.state).collect()
        };
        let none = ["to come"; 4];
        assert_eq!(words(None, Phase::Pending), none);
        assert_eq!(
            words(Some(2), Phase::Soaking),
            ["done", "watched", "to come", "to come"]
        );
        assert_eq!(words(Some(4), Phase::Completed), ["done"; 4]);
        assert_eq!(
            words(Some(2), Phase::Aborted)[..3],
            ["back", "back", "to come"]
        );
        assert_eq!(
            words(Some(2), Phase::Paused)[..3],
            ["done", "held", "to come"]
        );
    }
}
