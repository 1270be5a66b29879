//! Work in a shop's namespace: it is started, and watched.

use super::{Answer, Desk, Posted, shop::found};
use crate::{
    page::{Asked, Failure, Frame, done, encode},
    text,
};
use api::namespace;
use askama::Template;
use axum::extract::{Path, State};
use operations::{
    Done,
    jobs::{self, Job, State as JobState},
};
use std::sync::Arc;
use tracing::info;

#[derive(Template)]
#[template(path = "job.html")]
struct Page {
    frame: Frame,
    shop: String,
    job: String,
    runs: bool,
    failed: Option<String>,
    log: String,
    /// Whether it overwrote the shop's data.
    restores: bool,
}

pub(super) async fn start(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Path(shop): Path<String>,
    Posted(sent): Posted,
) -> Answer {
    let class = {
        let known = desk.known(&asked)?;
        let class = &found(&known, &shop)?.spec.class;
        let class = known.fleet.classes.get(class).cloned();
        class.ok_or_else(|| Failure::Missing(text::no_class(&shop)))?
    };
    let cluster = &asked.person.cluster;
    let (what, job) = match sent.get("do") {
        "clean" => (
            "caches cleaned",
            jobs::clean_cache(cluster, &shop, &class).await?,
        ),
        "cron" => ("cron run", jobs::run_cron(cluster, &shop, &class).await?),
        "backup" => ("backed up", jobs::back_up(cluster, &shop).await?),
        other => {
            return Err(Failure::Missing(text::no_verb(other)));
        }
    };
    info!(target: "audit", person = asked.person.name, shop, job = job.name, what, "job started");
    let said = Done {
        said: text::started(&job.namespace, &job.name),
        warnings: Vec::new(),
    };
    let to = format!("/shops/{}/jobs/{}", encode(&shop), encode(&job.name));
    Ok(done(&to, &said))
}

pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Path((shop, name)): Path<(String, String)>,
) -> Answer {
    found(&*desk.known(&asked)?, &shop)?;
    let job = Job {
        namespace: namespace(&shop),
        name,
    };
    let (state, log) = jobs::look(&asked.person.cluster, &job).await?;
    let page = Page {
        frame: asked.frame(&desk.registry, &desk.guard).await,
        shop,
        restores: job.name.starts_with("restore-"),
        job: job.name,
        runs: state == JobState::Runs,
        failed: match state {
            JobState::Failed(why) => Some(why),
            JobState::Runs | JobState::Complete => None,
        },
        log,
    };
    Ok(asked.answer(&page))
}
