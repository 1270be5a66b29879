//! A list of new shops: pasted or as a file, checked while a person types, one plan of all, and the
//! shops.

use super::{
    Answer, Desk, Posted,
    work::{self, Work},
};
use crate::{
    form::Sent,
    page::{Asked, Failure, Frame},
    planned::problems,
    rights::Right,
    text,
};
use askama::Template;
use axum::{
    extract::{FromRequest as _, Multipart, Request, State},
    response::Response,
};
use futures_util::StreamExt as _;
use operations::{
    OperationError, change, create,
    import::{self, Rows},
};
use plan::{Group, Summary};
use registry::list::{self, Given};
use serde_json::Value;
use std::{iter, path::Path, sync::Arc};
use tracing::info;

/// Shops that are made at once, at most: their plan is tried by the API server while a person
/// waits.
const SHOPS: usize = 500;
/// Problems that are shown at most.
const SHOWN: usize = 100;
/// What places of problems begin with.
const PLACE: &str = "line";

#[derive(Template)]
#[template(path = "import.html")]
struct Form {
    frame: Frame,
    list: List,
    checks: Option<Checks>,
    /// The columns after name, domain and aliases.
    columns: String,
    may: bool,
}

#[derive(Template)]
#[template(path = "import-plan.html")]
struct Plan {
    frame: Frame,
    list: List,
    shops: usize,
    groups: Vec<Group>,
    problems: Vec<String>,
    may: bool,
}

/// A list, as a person sent it.
#[derive(Clone)]
struct List {
    text: String,
    class: String,
    channel: String,
    classes: Vec<String>,
}

/// What is known of a list.
struct Checks {
    shops: usize,
    problems: Vec<String>,
    more: usize,
}

impl Checks {
    fn new(shops: usize, mut problems: Vec<String>) -> Self {
        let more = problems.len().saturating_sub(SHOWN);
        problems.truncate(SHOWN);
        Self {
            shops,
            problems,
            more,
        }
    }
}

/// What a list comes to.
enum Parsed {
    /// Each row is a shop, and nothing speaks against any.
    Rows(Rows),
    /// Something speaks against it.
    Problems(Checks),
}

/// The fields of a form that may bear a file.
///
/// # Errors
///
/// If it is no such form, or its text is not UTF-8.
pub(super) async fn parts(request: Request) -> Result<Vec<(String, String)>, Failure> {
    let bad = |error: String| Failure::Operation(OperationError::Argument(error));
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|error| bad(error.body_text()))?;
    let mut fields = Vec::new();
    loop {
        let next = form.next_field().await;
        let Some(part) = next.map_err(|error| bad(error.body_text()))? else {
            return Ok(fields);
        };
        let name = part.name().unwrap_or_default().to_owned();
        let bytes = part.bytes().await;
        let bytes = bytes.map_err(|error| bad(error.body_text()))?;
        let value = String::from_utf8(bytes.into());
        fields.push((name, value.map_err(|_| bad(text::NOT_UTF8.to_owned()))?));
    }
}

fn list(sent: &Sent, classes: Vec<String>) -> List {
    // Who chose a file means that one.
    let file = Some(sent.get("file")).filter(|file| !file.trim().is_empty());
    List {
        text: file.unwrap_or(sent.get("list")).to_owned(),
        class: sent.get("class").to_owned(),
        channel: sent.get("channel").to_owned(),
        classes,
    }
}

/// Reads the rows, and checks them against each other and against all Shops.
fn read(list: &List, desk: &Desk, asked: &Asked) -> Result<Parsed, Failure> {
    // What was pasted has no end of its last line, and browsers end lines as Windows does.
    let text = format!("{}\n", list.text.replace("\r\n", "\n").trim_end());
    let given = Given {
        class: Some(list.class.as_str()).filter(|class| !class.is_empty()),
        channel: Some(list.channel.as_str())
            .filter(|channel| !channel.is_empty())
            .unwrap_or("shops/{name}"),
    };
    let place = Path::new(PLACE);
    let rows = match list::table(&text, place, &given) {
        Ok(rows) => rows,
        Err(problems) => return Ok(Parsed::Problems(Checks::new(0, problems))),
    };
    let problems = match rows.len() {
        0 => vec![text::NO_ROWS.to_owned()],
        count if count > SHOPS => vec![text::too_many_rows(count, SHOPS)],
        _ => {
            let mut problems = import::problems(&rows, place);
            let known = desk.known(asked)?;
            problems.extend(import::problems_with(&rows, &known.fleet, place));
            problems
        }
    };
    Ok(if problems.is_empty() {
        Parsed::Rows(rows)
    } else {
        Parsed::Problems(Checks::new(rows.len(), problems))
    })
}

pub(super) async fn form(State(desk): State<Arc<Desk>>, asked: Asked) -> Answer {
    let classes = desk.known(&asked)?.fleet.classes.keys().cloned().collect();
    let mut list = list(&Sent::default(), classes);
    "shops/{name}".clone_into(&mut list.channel);
    again(&desk, &asked, list, None).await
}

pub(super) async fn send(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Posted(sent): Posted,
) -> Answer {
    let classes = desk.known(&asked)?.fleet.classes.keys().cloned().collect();
    let list = list(&sent, classes);
    if list.text.trim().is_empty() && sent.get("step") == "check" {
        return again(&desk, &asked, list, None).await;
    }
    let rows = match read(&list, &desk, &asked)? {
        Parsed::Rows(rows) => rows,
        Parsed::Problems(checks) => return again(&desk, &asked, list, Some(checks)).await,
    };
    let shops: Vec<Value> = rows.into_iter().map(|(_, shop)| shop).collect();
    match sent.get("step") {
        "check" => {
            let checks = Checks::new(shops.len(), Vec::new());
            again(&desk, &asked, list, Some(checks)).await
        }
        "apply" => apply(&desk, &asked, shops, sent.get("why")).await,
        _ => plan(&desk, &asked, list, &shops).await,
    }
}

async fn plan(desk: &Desk, asked: &Asked, list: List, shops: &[Value]) -> Answer {
    let channels = shops
        .iter()
        .filter_map(|shop| shop["spec"]["channel"].as_str());
    let basis = desk.basis(asked, iter::empty(), channels)?;
    let basis = basis.complete(&desk.own).await?;
    match change::plan_new(&asked.person.cluster, &basis, shops).await {
        Ok(plan) => {
            let page = Plan {
                frame: asked.frame(&desk.registry, &desk.guard).await,
                list,
                shops: shops.len(),
                groups: Summary::new(&plan).groups,
                problems: problems(&plan),
                may: asked.person.may(Right::CreateShop, None).await,
            };
            Ok(asked.answer(&page))
        }
        Err(OperationError::Api(error)) if !error.is_transient() => {
            let checks = Checks::new(shops.len(), vec![error.to_string()]);
            again(desk, asked, list, Some(checks)).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn apply(desk: &Desk, asked: &Asked, shops: Vec<Value>, why: &str) -> Answer {
    let (person, why) = (asked.person.name.clone(), why.to_owned());
    let (all, stop) = (shops.len(), desk.stop.child_token());
    let over = stop.clone();
    let ends = move || over.is_cancelled();
    let each = create::store_each(asked.person.cluster.clone(), shops, ends);
    let each = each.map(move |(shop, result)| {
        let name = shop["metadata"]["name"].as_str().unwrap_or_default();
        if result.is_ok() {
            info!(target: "audit", person, why, shop = name, spec = %shop["spec"], "shop created");
        }
        (name.to_owned(), result)
    });
    let work = Work {
        title: text::making(all),
        all,
        each: each.boxed(),
        stop,
        said: text::created_of,
    };
    work::answer(desk, asked, work).await
}

async fn again(
    desk: &Desk,
    asked: &Asked,
    list: List,
    checks: Option<Checks>,
) -> Result<Response, Failure> {
    let page = Form {
        may: asked.person.may(Right::CreateShop, None).await,
        frame: asked.frame(&desk.registry, &desk.guard).await,
        list,
        checks,
        columns: list::COLUMNS[3..].join(", "),
    };
    Ok(asked.answer(&page))
}
