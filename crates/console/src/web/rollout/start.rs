//! A rollout of many shops is started.

use super::super::{Answer, Desk, Posted, moving::free};
use crate::{
    form::Sent,
    page::{Asked, Failure, Frame, done, encode},
    registry::Known,
    rights::Right,
    text,
};
use api::{EvidencePolicy, OnFailure, ResolvedRelease, RolloutSpec, Started, Wave, WindowPolicy};
use askama::Template;
use axum::extract::{RawQuery, State};
use operations::{Done, OperationError, rollout};
use std::{collections::BTreeMap, sync::Arc};
use tracing::info;

#[derive(Template)]
#[template(path = "start.html")]
struct Page {
    frame: Frame,
    release: ReleaseFacts,
    /// Releases of the channel, to choose another one.
    others: Vec<(String, u64)>,
    /// Shops that were chosen; all of the channel if there are none.
    chosen: Vec<String>,
    /// How many shops come from which release, and what their pods download.
    from: Vec<String>,
    shops: usize,
    waves: String,
    evidence: bool,
    budget: u32,
    at_once: u32,
    may: bool,
}

struct ReleaseFacts {
    name: String,
    sequence: u64,
    channel: String,
    migration: &'static str,
}

pub(crate) async fn new(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    RawQuery(query): RawQuery,
) -> Answer {
    let frame = asked.frame(&desk.registry, &desk.guard).await;
    let may = asked.person.may(Right::StartRollout, None).await;
    let sent = Sent::query(query.as_deref().unwrap_or_default());
    let page = {
        let known = desk.known(&asked)?;
        page(frame, &sent, &known, may)?
    };
    Ok(asked.answer(&page))
}

fn page(frame: Frame, sent: &Sent, known: &Known, may: bool) -> Result<Page, Failure> {
    let chosen: Vec<_> = sent.all("shop").map(str::to_owned).collect();
    let release = match sent.get("release") {
        "" => newest(&chosen, known)?,
        name => named(known, name)?,
    };
    let mut spec = rollout::defaults(&release.name);
    spec.shops.clone_from(&chosen);
    rollout::check(&spec, release, &known.fleet)?;
    let channel = release.channel.as_str();
    let moving = rollout::moving(&chosen, release, &known.fleet);
    let all = known.fleet.releases.get(&release.channel);
    let others = all.into_iter().flat_map(BTreeMap::values).rev();
    Ok(Page {
        frame,
        others: others
            .take(20)
            .map(|it| (it.name.clone(), it.sequence.get()))
            .collect(),
        shops: moving.iter().map(|it| it.shops).sum(),
        from: moving.iter().map(text::moving).collect(),
        waves: waves_text(&spec.waves),
        evidence: rollout::evidence_of_classes(release, &known.fleet) == EvidencePolicy::Errors,
        budget: spec.failure_budget.shops,
        at_once: spec.at_once,
        release: ReleaseFacts {
            name: release.name.clone(),
            sequence: release.sequence.get(),
            channel: channel.to_owned(),
            migration: text::migration(release.migration),
        },
        chosen,
        may,
    })
}

fn named<'a>(known: &'a Known, name: &str) -> Result<&'a ResolvedRelease, Failure> {
    let release = known.release(name);
    release.ok_or_else(|| Failure::Missing(text::none("Release", name)))
}

/// The newest release of the channel that all chosen shops follow.
fn newest<'a>(chosen: &[String], known: &'a Known) -> Result<&'a ResolvedRelease, Failure> {
    let channel = chosen
        .first()
        .and_then(|name| known.fleet.shops.get(name))
        .map(|shop| &shop.spec.channel);
    let Some(channel) = channel else {
        return Err(Failure::Missing(text::CHOOSE_ONE.to_owned()));
    };
    let newest = known.fleet.newest(channel);
    newest.ok_or_else(|| Failure::Missing(text::no_release_in(channel)))
}

fn waves_text(waves: &[Wave]) -> String {
    let line = |wave: &Wave| {
        let who = wave
            .percent
            .map_or_else(|| wave.shops.join(","), |percent| percent.to_string());
        format!("{who}:{}", wave.soak)
    };
    waves.iter().map(line).collect::<Vec<_>>().join("\n")
}

pub(crate) async fn start(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Posted(sent): Posted,
) -> Answer {
    let who = asked.person.who(sent.get("why"));
    let (name, spec) = {
        let known = desk.known(&asked)?;
        let release = named(&known, sent.get("release"))?;
        let mut spec = spec(release, &sent)?;
        spec.started = Some(Started {
            by: who.by.clone(),
            why: who.why.clone(),
        });
        rollout::check(&spec, release, &known.fleet)?;
        (free(&release.name, |name| known.is_taken(name)), spec)
    };
    let release = spec.release.clone();
    rollout::create(&asked.person.cluster, &name, spec).await?;
    info!(target: "audit", person = who.by, why = who.why, release, rollout = name, "rollout started");
    let said = Done {
        said: text::rollout_started(&name),
        warnings: Vec::new(),
    };
    Ok(done(&format!("/rollouts/{}", encode(&name)), &said))
}

fn spec(release: &ResolvedRelease, sent: &Sent) -> Result<RolloutSpec, OperationError> {
    let wrong =
        |field: &str, problem: String| OperationError::Argument(format!("{field}: {problem}"));
    let names = |text: &str| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let number = |field: &str| {
        let text = sent.get(field).trim();
        let read = text.parse::<u32>();
        read.map_err(|_| wrong(field, format!("{text:?}: expected a whole number")))
    };
    let mut spec = rollout::defaults(&release.name);
    spec.shops = sent.all("shop").map(str::to_owned).collect();
    spec.canaries = names(sent.get("canaries"));
    spec.waves = sent
        .get("waves")
        .split_whitespace()
        .map(|wave| rollout::wave(wave).map_err(|problem| wrong("waves", problem)))
        .collect::<Result<_, _>>()?;
    spec.failure_budget.shops = number("budget")?;
    spec.at_once = number("at-once")?;
    spec.on_failure = match sent.get("on-failure") {
        "pause" => OnFailure::Pause,
        _ => OnFailure::Return,
    };
    spec.evidence = match sent.get("evidence") {
        "errors" => EvidencePolicy::Errors,
        _ => EvidencePolicy::None,
    };
    if sent.get("windows") == "ignore" {
        spec.windows = WindowPolicy::Ignore;
    }
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::fixtures;

    fn sent(more: &[(&str, &str)]) -> Sent {
        let plain = [
            ("waves", "1:30m\n100:1m"),
            ("budget", "5"),
            ("at-once", "50"),
        ];
        let all = more.iter().chain(&plain);
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Sent::from(all.map(owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_form_says_what_the_commands_options_say() {
        let release = fixtures::release(3, release::Migration::None);
        let more = [
            ("shop", "acme"),
            ("shop", "casa"),
            ("canaries", "acme"),
            ("evidence", "errors"),
            ("on-failure", "pause"),
            ("windows", "ignore"),
        ];
        let spec = spec(&release, &sent(&more)).unwrap();
        assert_eq!(spec.shops, ["acme", "casa"]);
        assert_eq!((spec.waves.len(), spec.waves[1].percent), (2, Some(100)));
        assert_eq!(spec.evidence, EvidencePolicy::Errors);
        assert_eq!(
            (spec.on_failure, spec.windows),
            (OnFailure::Pause, WindowPolicy::Ignore)
        );
    }

    #[test]
    fn what_is_no_wave_is_said() {
        let release = fixtures::release(3, release::Migration::None);
        let error = spec(&release, &sent(&[("waves", "half")])).unwrap_err();
        assert!(error.to_string().starts_with("waves: \"half\""), "{error}");
    }
}
