//! A shop moves to another release: first the plan, then the rollout that moves it.

use super::{Answer, Desk, Posted, shop::found};
use crate::{
    page::{Asked, Failure, Frame, done, encode},
    planned::Planned,
    rights::Right,
    text,
};
use api::{ShortDuration, Started, Wave, WindowPolicy, closed};
use askama::Template;
use axum::extract::{Path, Query, State};
use jiff::Timestamp;
use operations::{
    Done,
    change::{self, Basis},
    rollout,
};
use serde::Deserialize;
use std::{iter, sync::Arc};
use tracing::info;

/// How long one shop is watched after it moved.
const SOAK_MINUTES: u16 = 5;

#[derive(Template)]
#[template(path = "move.html")]
struct Page {
    frame: Frame,
    shop: String,
    release: String,
    sequence: u64,
    migration: &'static str,
    /// What each pod downloads.
    download: Option<String>,
    planned: Planned,
    /// Why it would wait.
    waits: Vec<String>,
    closed: bool,
    may: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    release: String,
}

pub(super) async fn plan(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Path(name): Path<String>,
    Query(Wanted { release }): Query<Wanted>,
) -> Answer {
    let frame = asked.frame(&desk.registry, &desk.guard).await;
    let may = asked.person.may(Right::StartRollout, None).await;
    let (basis, wanted, download, closed, mut waits) = {
        let known = desk.known(&asked)?;
        let shop = found(&known, &name)?;
        let wanted = known.release(&release).cloned();
        let wanted = wanted.filter(|wanted| wanted.channel.as_str() == shop.spec.channel);
        let Some(wanted) = wanted else {
            return Err(Failure::Missing(text::no_release_of(
                &release,
                &shop.spec.channel,
            )));
        };
        let class = known.fleet.classes.get(&shop.spec.class);
        let freezes = class.map_or(&[][..], |class| &class.spec.freezes);
        let window = shop.spec.window.as_ref();
        let closed = closed(window, freezes, WindowPolicy::Respect, Timestamp::now());
        let download = rollout::download(shop, &wanted, &known.fleet);
        let halt = known.halt.as_ref().map(operations::halt::Halt::line);
        (
            Basis::new(
                (&known.fleet, &known.claims),
                iter::once(&*name),
                iter::empty(),
            )
            .and(&wanted),
            wanted,
            download.map(|it| it.to_string()),
            closed,
            halt.into_iter().collect::<Vec<_>>(),
        )
    };
    let basis = basis.complete(&desk.own).await?;
    let to = basis.release(&release).unwrap_or(&wanted);
    let plan = change::plan_release(&asked.person.cluster, &basis, &name, to).await?;
    let page = Page {
        frame,
        shop: name,
        release,
        sequence: wanted.sequence.get(),
        migration: text::migration(wanted.migration),
        download,
        planned: Planned::new(&plan),
        closed: closed.is_some(),
        waits: {
            waits.extend(closed);
            waits
        },
        may,
    };
    Ok(asked.answer(&page))
}

pub(super) async fn start(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Path(name): Path<String>,
    Posted(sent): Posted,
) -> Answer {
    let (release, why) = (sent.get("release").to_owned(), sent.get("why"));
    let who = asked.person.who(why);
    let mut spec = rollout::defaults(&release);
    spec.shops = vec![name.clone()];
    spec.waves = vec![Wave {
        percent: Some(100),
        shops: Vec::new(),
        soak: ShortDuration::minutes(SOAK_MINUTES),
    }];
    if sent.get("windows") == "ignore" {
        spec.windows = WindowPolicy::Ignore;
    }
    spec.started = Some(Started {
        by: who.by.clone(),
        why: who.why.clone(),
    });
    let rollout = {
        let known = desk.known(&asked)?;
        found(&known, &name)?;
        let wanted = known
            .release(&release)
            .ok_or_else(|| Failure::Missing(text::none("Release", &release)))?;
        spec.evidence = rollout::evidence_of_classes(wanted, &known.fleet);
        rollout::check(&spec, wanted, &known.fleet)?;
        free(&format!("{release}-{name}"), |name| known.is_taken(name))
    };
    rollout::create(&asked.person.cluster, &rollout, spec).await?;
    info!(target: "audit", person = who.by, why = who.why, shop = name, release, rollout, "rollout started");
    let said = Done {
        said: text::moves(&name, &release),
        warnings: Vec::new(),
    };
    Ok(done(&format!("/rollouts/{}", encode(&rollout)), &said))
}

/// The first of `name`, `name-2`, `name-3` … that is not taken.
pub(super) fn free(name: &str, taken: impl Fn(&str) -> bool) -> String {
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut all = std::iter::once(name.to_owned()).chain(numbered);
    all.find(|name| !taken(name)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_try_has_a_name_of_its_own() {
        let taken = ["r", "r-2"];
        assert_eq!(free("r", |name| taken.contains(&name)), "r-3");
        assert_eq!(free("s", |name| taken.contains(&name)), "s");
    }
}
