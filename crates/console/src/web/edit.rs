//! A Shop is changed: the form, the plan, and the change.

use super::{Answer, Desk, Posted, shop::found};
use crate::{
    form::{Field, Kind, Part, Problems, Sent},
    page::{Asked, Failure, Frame, done, encode},
    planned::Planned,
    rights::Right,
    text,
};
use api::ShopSpec;
use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};
use operations::{
    Done, OperationError,
    change::{self, Basis, Edit, Planner},
};
use serde_json::Value;
use std::{iter, sync::Arc};
use tracing::info;

#[derive(Template)]
#[template(path = "edit.html")]
struct Form {
    frame: Frame,
    shop: String,
    part: Part,
    generation: i64,
    fields: Vec<Field>,
    /// Why the API server refuses it.
    problem: Option<String>,
    may: bool,
}

#[derive(Template)]
#[template(path = "plan.html")]
struct Plan {
    frame: Frame,
    shop: String,
    part: Part,
    generation: i64,
    fields: Vec<Field>,
    planned: Planned,
}

fn part(word: &str) -> Result<Part, Failure> {
    Part::read(word).ok_or_else(|| Failure::Missing(text::no_part(word)))
}

pub(super) async fn form(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Path((name, word)): Path<(String, String)>,
) -> Answer {
    let part = part(&word)?;
    let frame = asked.frame(&desk.registry, &desk.guard).await;
    let may = asked.person.may(Right::ChangeShop, Some(&name)).await;
    let page = {
        let known = desk.known(&asked)?;
        let shop = found(&known, &name)?;
        Form {
            frame,
            fields: part.fields(&shop.spec),
            generation: shop.metadata.generation.unwrap_or_default(),
            shop: name,
            part,
            problem: None,
            may,
        }
    };
    Ok(asked.answer(&page))
}

pub(super) async fn send(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Path((name, word)): Path<(String, String)>,
    Posted(sent): Posted,
) -> Answer {
    let basis = desk.basis(&asked, iter::once(&*name), iter::empty())?;
    let step = Step {
        desk: &desk,
        asked: &asked,
        part: part(&word)?,
        generation: sent.get("generation").parse().unwrap_or_default(),
        sent: &sent,
        shop: name,
    };
    let Ok(shop) = basis.shop(&step.shop) else {
        return Err(Failure::Missing(text::none("shop", &step.shop)));
    };
    let after = match step.part.spec(&shop.spec, &sent) {
        Ok(after) => after,
        Err(problems) => {
            let fields = step.part.sent(&shop.spec, &sent, &problems);
            return Ok(step.again(fields, None).await);
        }
    };
    let patch = change::spec_patch(&shop.spec, &after)?;
    if sent.get("step") == "apply" {
        step.apply(&patch).await
    } else {
        let spec = shop.spec.clone();
        step.plan(basis, &spec, &patch).await
    }
}

/// A form that was sent, and by whom.
struct Step<'a> {
    desk: &'a Desk,
    asked: &'a Asked,
    shop: String,
    part: Part,
    /// The generation of the Shop that the form was made of.
    generation: i64,
    sent: &'a Sent,
}

impl Step<'_> {
    fn edit(&self, patch: &Value) -> Edit {
        Edit {
            shop: self.shop.clone(),
            generation: self.generation,
            patch: patch.clone(),
        }
    }

    async fn apply(self, patch: &Value) -> Answer {
        let person = &self.asked.person;
        change::apply(&person.cluster, &self.edit(patch)).await?;
        let why = self.sent.get("why");
        info!(
            target: "audit",
            person = person.name, why, shop = self.shop, patch = %patch,
            "shop changed"
        );
        let said = Done {
            said: text::changed(&self.shop),
            warnings: Vec::new(),
        };
        Ok(done(&format!("/shops/{}", encode(&self.shop)), &said))
    }

    async fn plan(self, basis: Basis, spec: &ShopSpec, patch: &Value) -> Answer {
        let fields = self.part.sent(spec, self.sent, &Problems::default());
        let (cluster, generation) = (&self.asked.person.cluster, self.generation);
        let basis = basis.complete(&self.desk.own).await?;
        let mut planner = Planner::new(cluster, 1);
        match planner.edits(&basis, &[self.edit(patch)]).await {
            Ok(plan) => {
                let page = Plan {
                    frame: self.frame().await,
                    shop: self.shop,
                    part: self.part,
                    generation,
                    fields,
                    planned: Planned::new(&plan),
                };
                Ok(self.asked.answer(&page))
            }
            // What the person wrote stays in the form.
            Err(OperationError::Api(error)) if !error.is_transient() => {
                Ok(self.again(fields, Some(error.to_string())).await)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn again(self, fields: Vec<Field>, problem: Option<String>) -> Response {
        let page = Form {
            frame: self.frame().await,
            may: self
                .asked
                .person
                .may(Right::ChangeShop, Some(&self.shop))
                .await,
            shop: self.shop,
            part: self.part,
            generation: self.generation,
            fields,
            problem,
        };
        self.asked.answer(&page)
    }

    async fn frame(&self) -> Frame {
        self.asked
            .frame(&self.desk.registry, &self.desk.guard)
            .await
    }
}
