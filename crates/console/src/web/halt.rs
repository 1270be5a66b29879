//! The halt: who pulled it and why, and the way to pull it, or to let everything go on.

use super::{Answer, Desk, Posted};
use crate::{
    page::{Asked, Frame, done},
    rights::Right,
    text,
};
use askama::Template;
use axum::extract::State;
use operations::{Done, halt};
use std::sync::Arc;
use tracing::info;

#[derive(Template)]
#[template(path = "halt.html")]
struct Page {
    frame: Frame,
    may_lift: bool,
}

pub(super) async fn show(State(desk): State<Arc<Desk>>, asked: Asked) -> Answer {
    let page = Page {
        frame: asked.frame(&desk.registry, &desk.guard).await,
        may_lift: asked.person.may(Right::Lift, None).await,
    };
    Ok(asked.answer(&page))
}

pub(super) async fn pull(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Posted(sent): Posted,
) -> Answer {
    let (cluster, namespace) = (&asked.person.cluster, &desk.namespace);
    let who = asked.person.who(sent.get("why"));
    let (said, warnings) = if sent.get("do") == "lift" {
        let warnings = halt::lift(cluster, namespace, &who.by).await?;
        info!(target: "audit", person = who.by, "halt lifted");
        (text::GOES_ON, warnings)
    } else {
        let warnings = halt::halt(cluster, namespace, &who).await?;
        info!(target: "audit", person = who.by, why = who.why, "halted");
        (text::HALTED, warnings)
    };
    // Not after the next look at it: the person looks now.
    let now = halt::get(&desk.own, namespace).await?;
    desk.registry.halt(Ok(now));
    let said = Done {
        said: said.to_owned(),
        warnings,
    };
    Ok(done("/halt", &said))
}
