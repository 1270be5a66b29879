//! A backup is put back: what that does, what it needs, and the shop's name, typed.

use super::{Answer, Desk, Posted, shop::found};
use crate::{
    form::Sent,
    page::{Asked, Failure, Frame, Moment, done, encode},
    rights::Right,
    text,
};
use askama::Template;
use axum::extract::{Path, State};
use operations::{
    Done, OperationError, backups,
    jobs::{self, Restore},
};
use std::sync::Arc;
use tracing::info;

/// The usual name of the Secret that reads backups.
const READER: &str = "backup-reader";

#[derive(Template)]
#[template(path = "restore.html")]
struct Page {
    frame: Frame,
    shop: String,
    database: Option<String>,
    /// Why it cannot be done now.
    refusals: Vec<String>,
    /// Why it was not done.
    problem: Option<String>,
    last: Result<Option<Moment>, String>,
    /// The release, and since when the shop is assigned it.
    release: Option<(i64, Option<Moment>)>,
    backup: String,
    secret: String,
    may: bool,
}

pub(super) async fn form(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Path(shop): Path<String>,
) -> Answer {
    show(&desk, &asked, &shop, &Sent::default(), None).await
}

async fn show(
    desk: &Desk,
    asked: &Asked,
    name: &str,
    sent: &Sent,
    problem: Option<String>,
) -> Answer {
    let frame = asked.frame(&desk.registry, &desk.guard).await;
    let may = asked.person.may(Right::StartJobs, Some(name)).await;
    let mut page = {
        let known = desk.known(asked)?;
        let shop = found(&known, name)?;
        let status = shop.status.as_ref();
        let assigned = status.and_then(|status| status.release.as_ref());
        let database = shop.spec.services.database.as_ref();
        Page {
            frame,
            database: database.map(|it| format!("{} on {}", it.name, it.server)),
            refusals: jobs::refusals(name, shop, &known.fleet),
            problem,
            last: Ok(None),
            release: assigned.map(|it| (it.sequence, it.since.as_deref().map(Moment::read))),
            backup: sent.get("backup").to_owned(),
            secret: match sent.get("secret") {
                "" => READER.to_owned(),
                secret => secret.to_owned(),
            },
            shop: name.to_owned(),
            may,
        }
    };
    let known = backups::backups(&asked.person.cluster, name).await;
    page.last = match known {
        Ok(Some(backups)) => Ok(backups.last.map(Moment::new)),
        Ok(None) => Err(text::NO_BACKUPS.to_owned()),
        Err(error) => Err(text::backups_unknown(&runtime::Chain(&error))),
    };
    Ok(asked.answer(&page))
}

pub(super) async fn send(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Path(shop): Path<String>,
    Posted(sent): Posted,
) -> Answer {
    let fleet = desk.known(&asked)?.fleet.clone();
    let (cluster, secret) = (&asked.person.cluster, sent.get("secret").trim());
    let backup = sent.get("backup").trim();
    let (what, started) = match sent.get("do") {
        "list" => {
            let listed = jobs::list_backups(cluster, &fleet, &shop, secret).await;
            ("backups listed", listed)
        }
        "restore" => {
            let wanted = Restore {
                shop: &shop,
                confirmed: sent.get("confirmed").trim(),
                backup: (!backup.is_empty()).then_some(backup),
                secret,
            };
            ("restored", jobs::restore(cluster, &fleet, &wanted).await)
        }
        other => return Err(Failure::Missing(text::no_verb(other))),
    };
    let job = match started {
        Ok(job) => job,
        // What the person wrote stays in the form.
        Err(error @ (OperationError::Argument(_) | OperationError::State(_))) => {
            return show(&desk, &asked, &shop, &sent, Some(error.to_string())).await;
        }
        Err(error) => return Err(error.into()),
    };
    let why = sent.get("why");
    info!(target: "audit", person = asked.person.name, why, shop, job = job.name, backup, what, "job started");
    let said = Done {
        said: text::started(&job.namespace, &job.name),
        warnings: Vec::new(),
    };
    let to = format!("/shops/{}/jobs/{}", encode(&shop), encode(&job.name));
    Ok(done(&to, &said))
}
