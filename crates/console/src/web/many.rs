//! Many Shops are changed at once: the form, one plan of all, and the change.

mod chosen;

use super::{
    Answer, Desk, Posted,
    shops::placed,
    work::{self, Work},
};
use crate::{
    form::{Field, Kind, Problems, Sent, many},
    page::{Asked, Failure, Frame},
    planned::{problems, source},
    rights::Right,
    shops::Question,
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
    change::{self, Basis, Edit},
};
use plan::{Group, Plan, Summary};
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
    let question = placed(Question::read(&query), &asked).await?;
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
    let question = placed(Question::read(sent.get("search")), &asked).await?;
    let (chosen, basis) = {
        let known = desk.known(&asked)?;
        let chosen = Chosen::sent(&sent, &question, &known)?;
        let names = chosen.shops.iter().map(|(name, _)| name.as_str());
        let basis = Basis::of(&known.fleet, names, iter::empty());
        (chosen, basis)
    };
    let edits = match edits(&chosen.shops, &basis, &sent).await? {
        Ok(edits) => edits,
        Err(problems) => {
            let fields = many::sent(&sent, &problems);
            return Ok(again(&desk, &asked, chosen, fields, None).await);
        }
    };
    if sent.get("step") == "edit" {
        let fields = many::sent(&sent, &Problems::default());
        return Ok(again(&desk, &asked, chosen, fields, None).await);
    }
    if sent.get("step") == "apply" {
        return apply(&desk, &asked, edits, sent.get("why")).await;
    }
    let fields = many::sent(&sent, &Problems::default());
    let basis = basis.complete(&desk.own).await?;
    match change::plan_edits(&asked.person.cluster, &basis, &edits).await {
        Ok(plan) => {
            let page = planned(
                asked.frame(&desk.registry, &desk.guard).await,
                chosen,
                fields,
                &plan,
            );
            Ok(asked.answer(&page))
        }
        Err(OperationError::Api(error)) if !error.is_transient() => {
            let problem = Some(error.to_string());
            Ok(again(&desk, &asked, chosen, fields, problem).await)
        }
        Err(error) => Err(error.into()),
    }
}

/// The change of each shop that changes at all.
async fn edits(
    chosen: &[(String, i64)],
    basis: &Basis,
    sent: &Sent,
) -> Result<Result<Vec<Edit>, Problems>, Failure> {
    let mut edits = Vec::new();
    for (name, generation) in chosen {
        let gone = |_| Failure::Missing(text::ONE_IS_GONE.to_owned());
        let before = &basis.shop(name).map_err(gone)?.spec;
        let after = match many::spec(before, sent) {
            Ok(after) => after,
            Err(problems) => return Ok(Err(problems)),
        };
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
    Ok(Ok(edits))
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

fn planned(frame: Frame, chosen: Chosen, fields: Vec<Field>, plan: &Plan) -> Planned {
    Planned {
        frame,
        chosen,
        fields,
        groups: Summary::new(plan).groups,
        problems: problems(plan),
        source: source(plan),
    }
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
