//! The table of shops.

use super::{Answer, Desk};
use crate::{
    page::{Asked, Failure, Frame},
    registry::Known,
    rights::Right,
    shops::{Health, Rows, ShopQuery, rows, troubles},
};
use askama::Template;
use axum::extract::{Query, State};
use operations::nodes;
use std::{collections::BTreeSet, sync::Arc};

#[derive(Template)]
#[template(path = "shops.html")]
struct Page {
    frame: Frame,
    question: ShopQuery,
    rows: Rows,
    classes: Vec<String>,
    channels: Vec<String>,
    /// Conditions that are wrong, each with how many shops have it so.
    troubles: Vec<(String, usize)>,
    may_start: bool,
    may_change: bool,
    may_create: bool,
    /// What the table shows, for the stream of changes.
    live: String,
    links: Links,
}

/// Queries of the same question: in another order, and of another page.
struct Links {
    this: String,
    name: String,
    health: String,
    release: String,
    class: String,
    channel: String,
    previous: String,
    next: String,
}

impl Links {
    fn new(question: &ShopQuery, page: usize) -> Self {
        let sorted = |sort| question.link(sort, 1);
        Self {
            this: question.link(&question.sort, page),
            name: sorted(""),
            health: sorted("health"),
            release: sorted("release"),
            class: sorted("class"),
            channel: sorted("channel"),
            previous: question.link(&question.sort, page.saturating_sub(1)),
            next: question.link(&question.sort, page + 1),
        }
    }
}

/// Channels that the form offers: more are found by typing.
const CHANNELS: usize = 50;

pub(super) async fn list(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Query(question): Query<ShopQuery>,
) -> Answer {
    let question = placed(question, &asked).await?;
    let frame = asked.frame(&desk.registry, &desk.guard).await;
    let may_start = asked.person.may(Right::StartRollout, None).await;
    let mut page = {
        let known = desk.known(&asked)?;
        page(frame, question, &known)
    };
    page.may_start = may_start;
    page.may_change = asked.person.may(Right::ChangeShop, None).await;
    page.may_create = asked.person.may(Right::CreateShop, None).await;
    // Whoever has some shops may change these, and not any.
    if let (false, Some(row)) = (
        page.may_change || asked.view.is_all(),
        page.rows.shown.first(),
    ) {
        let right = Right::ChangeShop;
        page.may_change = asked.person.may(right, Some(&row.name)).await;
    }
    Ok(asked.answer(&page))
}

/// The question with the shops of its node: where pods are, nobody watches.
pub(super) async fn placed(mut question: ShopQuery, asked: &Asked) -> Result<ShopQuery, Failure> {
    if !question.node.is_empty() {
        question.on_node = nodes::shops_on(&asked.person.cluster, &question.node).await?;
    }
    Ok(question)
}

fn page(frame: Frame, question: ShopQuery, known: &Known) -> Page {
    let rows = rows(known, &question);
    let shops = known.fleet.shops.values();
    let channels: BTreeSet<_> = shops.map(|shop| shop.spec.channel.clone()).collect();
    let mut troubles = troubles(known.fleet.shops.values());
    if !question.condition.is_empty() {
        troubles.entry(&question.condition).or_default();
    }
    let troubles = troubles.into_iter();
    let names = rows.shown.iter().map(|row| format!("shop/{}", row.name));
    Page {
        frame,
        live: names.collect::<Vec<_>>().join(" "),
        classes: known.fleet.classes.keys().cloned().collect(),
        channels: if channels.len() > CHANNELS {
            Vec::new()
        } else {
            channels.into_iter().collect()
        },
        troubles: troubles
            .map(|(kind, count)| (kind.to_owned(), count))
            .collect(),
        links: Links::new(&question, rows.page),
        rows,
        question,
        may_start: false,
        may_change: false,
        may_create: false,
    }
}
