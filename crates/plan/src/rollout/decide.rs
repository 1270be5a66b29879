//! The next step of a rollout.

mod progress;

use super::{Evidence, bounds};
use api::{OnFailure, Phase, RolloutSpec, RolloutStatus};
use jiff::{SignedDuration, Timestamp};
use progress::Progress;
use std::{collections::BTreeMap, ops::Range};

/// Which release a shop is assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assigned {
    /// That of the rollout.
    This,
    /// An older one.
    Other,
    /// A newer one, which nobody takes back.
    Newer,
}

/// How a shop is with what it is assigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// All its pods are ready, and run it.
    Good,
    /// It is on its way, or some pods are not ready.
    Pending,
    /// It does not work, for this reason.
    Bad(String),
}

/// What is seen of one shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// What it is assigned.
    pub assigned: Assigned,
    /// Since when it is assigned it, or since when it is unwell, whichever is later.
    pub since: Timestamp,
    /// When it was last seen well with what it is assigned, by who remembers.
    pub well: Option<Timestamp>,
    /// How it is.
    pub health: Health,
    /// Why it cannot be moved now, such as its window.
    pub closed: Option<String>,
    /// Whether there is a release before it, to go back to.
    pub returns: bool,
    /// Since when it is on record that its pods rejected the release, if they did.
    pub rejected: Option<Timestamp>,
    /// The database server that its migration would load, if there is one.
    pub database: Option<String>,
}

/// What a decision is made from, besides the Rollout.
#[derive(Debug)]
pub struct Situation<'a> {
    /// All shops of the rollout, in their order.
    pub order: &'a [String],
    /// What is seen of them.
    pub views: &'a BTreeMap<String, View>,
    /// Whether somebody halted, or an older rollout of the channel is not over.
    pub held: Option<&'a str>,
    /// The wave whose soak a person ended.
    pub promoted: Option<u32>,
    /// Migrations that other rollouts' shops run, by database server.
    pub loaded: &'a BTreeMap<String, usize>,
    /// What errors and slow pages say of the release.
    pub evidence: &'a Evidence,
    /// Whether the release changes databases so that the one before cannot run any more.
    pub breaking: bool,
    /// The time.
    pub now: Timestamp,
}

/// What a shop is assigned next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// The rollout's release.
    Forward,
    /// The release before it.
    Back,
    /// The rollout's release once more, which it is assigned and rejected: a person resumed the
    /// rollout since.
    Again,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The new status; conditions are the caller's.
    pub status: RolloutStatus,
    /// Shops that are assigned something else.
    pub moves: Vec<(String, Move)>,
    /// Why it is where it is, in a sentence.
    pub why: String,
}

/// How long pods of a shop that was well may be missing, as where it scales or a node goes, until
/// it counts as one on its way again: as long as a pod takes to start.
const LAPSE: SignedDuration = SignedDuration::from_mins(2);
/// How long the next wave waits for evidence while nobody gives any.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);
/// What the history says of a rollout that goes on after a failure, so that shops try once more.
pub const RESUMED: &str = "resumed";
/// Failed shops that the status names.
const NAMED: usize = 100;

/// Whether nothing more happens. A rollout that is completed goes back if it is aborted then.
#[must_use]
pub fn over(spec: &RolloutSpec, phase: Option<Phase>) -> bool {
    match phase {
        Some(Phase::Completed) => !spec.aborted,
        phase => phase == Some(Phase::Aborted),
    }
}

/// Decides what to do next. Doing nothing of it and asking again gives the same.
#[must_use]
pub fn decide(spec: &RolloutSpec, before: &RolloutStatus, situation: &Situation<'_>) -> Decision {
    let mut progress = Progress::new(spec, before, situation);
    let mut status = RolloutStatus {
        counts: progress.counts(),
        failed: progress.named(),
        ..before.clone()
    };
    let decision = |status: RolloutStatus, moves: Vec<(String, Move)>, why: String| Decision {
        status,
        moves,
        why,
    };
    if over(spec, status.phase) {
        return decision(status, Vec::new(), "it is over".to_owned());
    }
    if let Some(held) = situation.held {
        // Behind another rollout it has not begun; halted it stops where it is.
        status.phase = Some(if status.wave.is_none() {
            Phase::Pending
        } else {
            Phase::Paused
        });
        return decision(status, Vec::new(), held.to_owned());
    }
    if spec.aborted {
        let back = progress.back(situation.order);
        if !back.is_empty() {
            status.phase = Some(Phase::Returning);
            return decision(status, back, "it was aborted; shops go back".to_owned());
        }
        status.phase = Some(Phase::Aborted);
        return decision(status, back, progress.aborted());
    }
    if before.phase == Some(Phase::Stopped) {
        // What it would find from here on may be another rollout's doing.
        return decision(
            before.clone(),
            Vec::new(),
            "it stopped; look at the shops that failed, then resume or abort".to_owned(),
        );
    }
    if spec.paused {
        status.phase = Some(Phase::Paused);
        return decision(status, Vec::new(), "a person paused it".to_owned());
    }
    let bounds = bounds(spec, situation.order);
    let wave = status
        .wave
        .unwrap_or(0)
        .min(u32::try_from(spec.waves.len()).unwrap_or(u32::MAX));
    status.wave = Some(wave);
    let Range { start: begin, end } = part(situation.order, &bounds, wave as usize);
    let members = &situation.order[begin..end];
    let returns = status.phase == Some(Phase::Returning);
    let judged = judged(situation.order, &bounds, wave as usize, &progress);
    let why = verdict(
        &mut progress,
        situation.evidence,
        (members, judged),
        returns,
    );
    (status.counts, status.failed) = (progress.counts(), progress.named());
    if let Some(why) = why {
        let back = if spec.on_failure == OnFailure::Return {
            progress.back(members)
        } else {
            Vec::new()
        };
        status.phase = Some(if back.is_empty() {
            Phase::Stopped
        } else {
            Phase::Returning
        });
        return decision(
            status,
            back,
            format!("{why}; look at them, then resume or abort"),
        );
    }
    let moves = moves(spec, &progress, end);
    let open = situation.order[..end]
        .iter()
        .filter(|shop| !progress.settled(shop))
        .count();
    if open > 0 {
        status.phase = Some(Phase::Moving);
        status.soaking_since = None;
        let waiting = progress.waiting(end);
        return decision(
            status,
            moves,
            format!("wave {wave}: {open} of {end} shops to go{waiting}"),
        );
    }
    soak(spec, situation, status, wave, end > begin, moves)
}

/// Why the rollout ends here, if it does.
fn verdict(
    progress: &mut Progress<'_>,
    evidence: &Evidence,
    (members, judged): (&[String], &[String]),
    returns: bool,
) -> Option<String> {
    let why = match evidence {
        Evidence::Against(why) => {
            // Once: the wave before is not held against as soon as this one is back.
            if !returns {
                progress.hold_against(judged, why);
            }
            Some(why.clone())
        }
        Evidence::NotAsked | Evidence::Clean(_) | Evidence::Away(_) => progress.verdict(members),
    };
    // What goes back goes back to its end, also where a failed shop got well.
    why.or_else(|| returns.then(|| format!("{} shops failed", progress.failed.len())))
}

/// Which shops a wave is of, by their places in the order.
fn part(order: &[String], bounds: &[usize], wave: usize) -> Range<usize> {
    let end = |wave: usize| bounds.get(wave).copied().unwrap_or(order.len());
    wave.checked_sub(1).map_or(0, end)..end(wave)
}

/// Whom evidence is held against: the wave, or while none of it runs the release yet, the last one
/// before it of which some do. Errors may take until then to be enough.
fn judged<'a>(
    order: &'a [String],
    bounds: &[usize],
    wave: usize,
    progress: &Progress<'_>,
) -> &'a [String] {
    let members = |wave| &order[part(order, bounds, wave)];
    let runs = |members: &&[String]| {
        let mut assigned = members.iter().map(|shop| progress.assigned(shop));
        assigned.any(|it| it == Some(Assigned::This))
    };
    (0..=wave).rev().map(members).find(runs).unwrap_or(&[])
}

/// Until when the next wave waits for evidence, if it does.
fn awaited(evidence: &Evidence, now: Timestamp) -> Option<Timestamp> {
    let Evidence::Away(since) = evidence else {
        return None;
    };
    let until = since.saturating_add(PATIENCE).ok()?;
    (now < until).then_some(until)
}

/// Which shops move in the wave that ends at `end`.
fn moves(spec: &RolloutSpec, progress: &Progress<'_>, end: usize) -> Vec<(String, Move)> {
    let mut moves = if spec.on_failure == OnFailure::Return {
        progress.back_failed()
    } else {
        Vec::new()
    };
    moves.extend(
        progress
            .again
            .iter()
            .map(|shop| ((*shop).to_owned(), Move::Again)),
    );
    moves.extend(
        progress
            .forward(end)
            .into_iter()
            .map(|shop| (shop, Move::Forward)),
    );
    moves
}

/// Every shop of the wave runs the release, or failed within the budget.
fn soak(
    spec: &RolloutSpec,
    situation: &Situation<'_>,
    mut status: RolloutStatus,
    wave: u32,
    any: bool,
    moves: Vec<(String, Move)>,
) -> Decision {
    // The canaries are watched as long as the first wave is.
    let index = (wave as usize).saturating_sub(1);
    let soak = spec
        .waves
        .get(index)
        .map_or(SignedDuration::ZERO, |wave| wave.soak.length());
    let since = status
        .soaking_since
        .as_deref()
        .and_then(|text| text.parse().ok())
        .unwrap_or(situation.now);
    let until = since.saturating_add(soak).unwrap_or(since);
    if any && situation.now < until && situation.promoted != Some(wave) {
        (status.phase, status.soaking_since) = (Some(Phase::Soaking), Some(since.to_string()));
        return Decision {
            status,
            moves,
            why: format!(
                "wave {wave} is watched until {until:.0}{}",
                match situation.evidence {
                    Evidence::Clean(words) => format!("; {words}"),
                    Evidence::NotAsked | Evidence::Against(_) | Evidence::Away(_) => String::new(),
                }
            ),
        };
    }
    if any
        && situation.promoted != Some(wave)
        && let Some(until) = awaited(situation.evidence, situation.now)
    {
        (status.phase, status.soaking_since) = (Some(Phase::Soaking), Some(since.to_string()));
        return Decision {
            status,
            moves,
            why: format!(
                "longshore-watch does not answer: the next wave waits until {until:.0} for its \
                 evidence"
            ),
        };
    }
    status.soaking_since = None;
    if wave as usize >= spec.waves.len() {
        status.phase = Some(Phase::Completed);
        return Decision {
            status,
            moves,
            why: "all shops run the release, or failed within the budget".to_owned(),
        };
    }
    (status.phase, status.wave) = (Some(Phase::Moving), Some(wave + 1));
    Decision {
        status,
        moves,
        why: format!("wave {} begins", wave + 1),
    }
}

/// Whether a shop that is unwell was well a moment ago. Where a wave is watched, all of it was.
fn lapsed(view: &View, status: &RolloutStatus, now: Timestamp) -> bool {
    let recent = |at: Timestamp| now.duration_since(at) < LAPSE;
    view.well.is_some_and(recent) || (status.soaking_since.is_some() && recent(view.since))
}
