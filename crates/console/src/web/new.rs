//! A new shop: the form, which is checked while a person types, the plan, and the shop.

use super::{Answer, Desk, Posted};
use crate::{
    form::{Field, Kind, Problems, Sent, new},
    page::{Asked, Failure, Frame, done, encode},
    planned::Planned,
    rights::Right,
    text,
};
use api::{Fleet, namespace};
use askama::Template;
use axum::{extract::State, response::Response};
use operations::{
    Done, OperationError, change,
    create::{self, Draft, NewShop, SecretKeys},
};
use serde_json::Value;
use std::{iter, sync::Arc, time::Duration};
use tokio::time::sleep;
use tracing::info;

/// How often, and how many times, it is looked whether the new Shop has come back from the API
/// server: its page shows what the cluster has.
const SEEN: (Duration, u32) = (Duration::from_millis(50), 40);

#[derive(Template)]
#[template(path = "new.html")]
struct Form {
    frame: Frame,
    fields: Vec<Field>,
    checks: Checks,
    may: bool,
}

#[derive(Template)]
#[template(path = "new-plan.html")]
struct Plan {
    frame: Frame,
    shop: String,
    fields: Vec<Field>,
    checks: Checks,
    planned: Planned,
    may: bool,
}

/// What is known of the shop that a form describes.
#[derive(Default)]
struct Checks {
    /// Whether there is a name and a class, without which nothing can be said.
    begun: bool,
    problems: Vec<String>,
    notes: Vec<String>,
    class: Option<Class>,
    release: Option<String>,
    secret: Option<Secret>,
}

/// What a class gives its shops.
struct Class {
    name: String,
    engine: String,
    servers: Vec<(&'static str, String)>,
}

/// The Secret that the shop needs. Of its values nothing is known here.
struct Secret {
    namespace: String,
    name: String,
    keys: Vec<(&'static str, &'static str)>,
    complete: bool,
}

fn class(name: &str, fleet: &Fleet) -> Option<Class> {
    let spec = &fleet.classes.get(name)?.spec;
    let backends = &spec.backends;
    macro_rules! names {
        ($servers:expr) => {
            $servers
                .iter()
                .map(|it| it.name.as_str())
                .collect::<Vec<_>>()
        };
    }
    let servers = [
        ("database", names!(backends.databases)),
        ("cache", names!(backends.caches)),
        ("search", names!(backends.search)),
        ("queue", names!(backends.queues)),
        ("media", names!(backends.media)),
    ];
    Some(Class {
        name: name.to_owned(),
        engine: format!("{:?}", spec.engine),
        servers: servers
            .into_iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(kind, names)| (kind, names.join(", ")))
            .collect(),
    })
}

fn checks(wanted: &NewShop, draft: Draft, fleet: &Fleet) -> Checks {
    if wanted.name.is_empty() || wanted.class.is_empty() {
        return Checks {
            class: class(&wanted.class, fleet),
            ..Checks::default()
        };
    }
    let channel = draft.shop.as_ref().map(|shop| &shop["spec"]["channel"]);
    let release = channel
        .and_then(Value::as_str)
        .and_then(|channel| fleet.newest(channel))
        .map(|release| format!("{} of {}", release.sequence, release.channel));
    Checks {
        begun: true,
        problems: draft.problems,
        notes: draft.notes,
        class: class(&wanted.class, fleet),
        release,
        secret: None,
    }
}

fn secret(wanted: &NewShop, keys: Vec<&'static str>, found: &SecretKeys) -> Secret {
    let state = |key: &str| match found {
        SecretKeys::Unknown => text::KEY_UNKNOWN,
        SecretKeys::Keys(keys) if keys.contains(key) => text::KEY_THERE,
        SecretKeys::Keys(_) | SecretKeys::Nothing => text::KEY_MISSING,
    };
    let keys: Vec<_> = keys.into_iter().map(|key| (key, state(key))).collect();
    Secret {
        namespace: namespace(&wanted.name),
        name: wanted.secret(),
        complete: keys.iter().all(|(_, state)| *state == text::KEY_THERE),
        keys,
    }
}

fn classes(fleet: &Fleet) -> Vec<String> {
    fleet.classes.keys().cloned().collect()
}

pub(super) async fn form(State(desk): State<Arc<Desk>>, asked: Asked) -> Answer {
    let may = asked.person.may(Right::CreateShop, None).await;
    let page = Form {
        frame: asked.frame(&desk.registry, &desk.guard).await,
        fields: new::fields(classes(&desk.known(&asked)?.fleet)),
        checks: Checks::default(),
        may,
    };
    Ok(asked.answer(&page))
}

pub(super) async fn send(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Posted(sent): Posted,
) -> Answer {
    let wanted = match new::wanted(&sent) {
        Ok(wanted) => wanted,
        Err(problems) => {
            let checks = Checks::default();
            return again(&desk, &asked, &sent, &problems, checks).await;
        }
    };
    // Not across an await: whoever takes in a change would wait for it.
    let (shop, keys, mut checks) = {
        let known = desk.known(&asked)?;
        let mut draft = wanted.draft(&known.fleet);
        let (shop, keys) = (draft.shop.take(), std::mem::take(&mut draft.keys));
        if sent.get("step") == "check" && wanted.domains.is_empty() {
            // The person has not come that far.
            draft.problems.retain(|it| !it.starts_with("spec.domains:"));
        }
        draft.shop.clone_from(&shop);
        (shop, keys, checks(&wanted, draft, &known.fleet))
    };
    let good = checks.begun && checks.problems.is_empty();
    if good && !keys.is_empty() {
        let cluster = &asked.person.cluster;
        let found = create::look(cluster, &wanted.name, &wanted.secret()).await?;
        checks.secret = Some(secret(&wanted, keys, &found));
    }
    let step = sent.get("step");
    match shop.filter(|_| good && step != "check") {
        Some(shop) if step == "apply" => apply(&desk, &asked, &wanted.name, &shop, &sent).await,
        Some(shop) => plan(&desk, &asked, &shop, &sent, checks).await,
        None => again(&desk, &asked, &sent, &Problems::default(), checks).await,
    }
}

async fn plan(desk: &Desk, asked: &Asked, shop: &Value, sent: &Sent, checks: Checks) -> Answer {
    let channel = shop["spec"]["channel"].as_str();
    let basis = desk.basis(asked, iter::empty(), channel.into_iter())?;
    let basis = basis.complete(&desk.own).await?;
    let cluster = &asked.person.cluster;
    match change::plan_new(cluster, &basis, std::slice::from_ref(shop)).await {
        Ok(plan) => {
            let page = Plan {
                frame: asked.frame(&desk.registry, &desk.guard).await,
                shop: sent.get("name").trim().to_owned(),
                fields: new::sent(Vec::new(), sent, &Problems::default()),
                checks,
                planned: Planned::new(&plan),
                may: asked.person.may(Right::CreateShop, None).await,
            };
            Ok(asked.answer(&page))
        }
        // What the person wrote stays in the form.
        Err(OperationError::Api(error)) if !error.is_transient() => {
            let problems = vec![error.to_string()];
            let checks = Checks { problems, ..checks };
            again(desk, asked, sent, &Problems::default(), checks).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn apply(desk: &Desk, asked: &Asked, name: &str, shop: &Value, sent: &Sent) -> Answer {
    create::store(&asked.person.cluster, shop).await?;
    let why = sent.get("why");
    info!(target: "audit", person = asked.person.name, why, shop = name, spec = %shop["spec"], "shop created");
    let (every, times) = SEEN;
    for _ in 0..times {
        if desk.registry.read().fleet.shops.contains_key(name) {
            break;
        }
        sleep(every).await;
    }
    let said = Done {
        said: text::created(name),
        warnings: Vec::new(),
    };
    Ok(done(&format!("/shops/{}", encode(name)), &said))
}

async fn again(
    desk: &Desk,
    asked: &Asked,
    sent: &Sent,
    problems: &Problems,
    checks: Checks,
) -> Result<Response, Failure> {
    let page = Form {
        may: asked.person.may(Right::CreateShop, None).await,
        frame: asked.frame(&desk.registry, &desk.guard).await,
        fields: new::sent(classes(&desk.known(asked)?.fleet), sent, problems),
        checks,
    };
    Ok(asked.answer(&page))
}
