//! Many Shops are changed at once: the form, one plan of all, and the change.

mod chosen;

use super::{
    Answer, Desk, Posted,
    shops::placed,
    work::{self, Work},
};
use crate::{
    form::{
        Field, Kind, Problems,
        many::{self, Changes},
    },
    page::{Asked, Failure, Frame},
    planned::Whole,
    rights::Right,
    shops::ShopQuery,
    text,
};
use askama::Template;
use axum::{
    extract::{RawQuery, State},
    response::Response,
};
use chosen::Chosen;
use futures_util::StreamExt as _;
use operations::{
    OperationError,
    change::{self, Basis, Edit, PART, Planner},
};
use plan::Group;
use serde_json::Value;
use std::{iter, sync::Arc};
use tokio::task::yield_now;
use tracing::info;

#[derive(Template)]
#[template(path = "many.html")]
struct Form {
    frame: Frame,
    chosen: Chosen,
    fields: Vec<Field>,
    problem: Option<String>,
    may: bool,
}

#[derive(Template)]
#[template(path = "many-plan.html")]
struct Planned {
    frame: Frame,
    chosen: Chosen,
    fields: Vec<Field>,
    groups: Vec<Group>,
    problems: Vec<String>,
    source: &'static str,
}

pub(super) async fn form(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    RawQuery(query): RawQuery,
) -> Answer {
    let query = query.unwrap_or_default();
    let question = placed(ShopQuery::read(&query), &asked).await?;
    let chosen = Chosen::read(&query, &question, &*desk.known(&asked)?)?;
    Ok(again(&desk, &asked, chosen, many::fields(), None).await)
}

/// Whether the person may change all Shops, or the first of these.
async fn may(asked: &Asked, chosen: &Chosen) -> bool {
    let may = |name| asked.person.may(Right::ChangeShop, name);
    let first = chosen.shops.first().map(|(name, _)| name.as_str());
    may(None).await || may(first).await
}

pub(super) async fn send(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Posted(sent): Posted,
) -> Answer {
    let question = placed(ShopQuery::read(sent.get("search")), &asked).await?;
    let chosen = Chosen::sent(&sent, &question, &*desk.known(&asked)?)?;
    let changes = match Changes::read(&sent) {
        Ok(changes) => changes,
        Err(problems) => {
            let fields = many::sent(&sent, &problems);
            return Ok(again(&desk, &asked, chosen, fields, None).await);
        }
    };
    let fields = many::sent(&sent, &Problems::default());
    match sent.get("step") {
        "edit" => Ok(again(&desk, &asked, chosen, fields, None).await),
        "apply" => {
            let mut edits = Vec::new();
            for part in chosen.shops.chunks(PART) {
                edits.extend(part_of(&desk, &asked, part, &changes).await?.1);
            }
            apply(&desk, &asked, edits, sent.get("why")).await
        }
        _ => match plan(&desk, &asked, &chosen, &changes).await {
            Ok(whole) => {
                let page = Planned {
                    frame: asked.frame(&desk.registry, &desk.guard).await,
                    chosen,
                    fields,
                    groups: whole.groups.largest_first(),
                    problems: whole.problems,
                    source: whole.source,
                };
                Ok(asked.answer(&page))
            }
            Err(Failure::Operation(OperationError::Api(error))) if !error.is_transient() => {
                let problem = Some(error.to_string());
                Ok(again(&desk, &asked, chosen, fields, problem).await)
            }
            Err(failure) => Err(failure),
        },
    }
}

async fn plan(
    desk: &Desk,
    asked: &Asked,
    chosen: &Chosen,
    changes: &Changes,
) -> Result<Whole, Failure> {
    let mut planner = Planner::new(&asked.person.cluster, chosen.len());
    let mut whole = Whole::default();
    for part in chosen.shops.chunks(PART) {
        let (basis, edits) = part_of(desk, asked, part, changes).await?;
        let basis = basis.complete(&desk.own).await?;
        let plan = planner.edits(&basis, &edits).await?;
        whole.add(&plan);
    }
    Ok(whole)
}

/// What is known of some of the shops, and the change of each that changes at all.
async fn part_of(
    desk: &Desk,
    asked: &Asked,
    part: &[(String, i64)],
    changes: &Changes,
) -> Result<(Basis, Vec<Edit>), Failure> {
    let names = part.iter().map(|(name, _)| name.as_str());
    let basis = desk.basis(asked, names, iter::empty())?;
    let mut edits = Vec::new();
    for (name, generation) in part {
        let gone = |_| Failure::Missing(text::ONE_IS_GONE.to_owned());
        let before = &basis.shop(name).map_err(gone)?.spec;
        let after = changes.apply(before);
        if *before != after {
            edits.push(Edit {
                shop: name.clone(),
                generation: *generation,
                patch: change::spec_patch(before, &after)?,
            });
        }
        // Thousands of shops take a while: others' pages go on in between.
        yield_now().await;
    }
    Ok((basis, edits))
}

async fn apply(desk: &Desk, asked: &Asked, edits: Vec<Edit>, why: &str) -> Answer {
    let (person, why) = (asked.person.name.clone(), why.to_owned());
    let (all, stop) = (edits.len(), desk.stop.child_token());
    let over = stop.clone();
    let ends = move || over.is_cancelled();
    let each = change::apply_each(asked.person.cluster.clone(), edits, ends);
    let each = each.map(move |(one, result)| {
        if result.is_ok() {
            let patch: &Value = &one.patch;
            info!(target: "audit", person, why, shop = one.shop, patch = %patch, "shop changed");
        }
        (one.shop, result)
    });
    let work = Work {
        title: text::changing(all),
        all,
        each: each.boxed(),
        stop,
        said: text::changed_of,
    };
    work::answer(desk, asked, work).await
}

async fn again(
    desk: &Desk,
    asked: &Asked,
    chosen: Chosen,
    fields: Vec<Field>,
    problem: Option<String>,
) -> Response {
    let frame = asked.frame(&desk.registry, &desk.guard).await;
    asked.answer(&Form {
        frame,
        may: may(asked, &chosen).await,
        chosen,
        fields,
        problem,
    })
}
