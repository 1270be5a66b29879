//! The pages: what is asked, what is answered, and what is done.

mod assets;
mod audit;
mod edit;
mod fleet;
mod halt;
mod import;
mod jobs;
mod login;
mod many;
mod moving;
mod new;
mod pods;
mod releases;
mod restore;
mod rollout;
mod shop;
mod shops;
mod watched;
mod work;

use crate::{
    begun::to_its_end,
    desk::{Desk, Sight},
    form::Sent,
    guard::guard,
    live::live,
    login::{CALLBACK, LOGGED_OUT},
    metrics::count,
    page::{Asked, Failure},
    session::Session,
    text,
};
use axum::{
    Form, Router,
    extract::{DefaultBodyLimit, FromRequest, Request},
    http::header,
    middleware,
    response::{Redirect, Response},
    routing::{get, post},
};
use operations::change::Basis;
use std::sync::Arc;

/// Bytes of a form at most: a Shop has 300 values of 4 KiB.
const FORM: usize = 2 << 20;

type Answer = Result<Response, Failure>;

impl Desk {
    /// What is known of the cluster, as far as the person sees it.
    ///
    /// # Errors
    ///
    /// If it is not read yet.
    fn known(&self, asked: &Asked) -> Result<Sight<'_>, Failure> {
        self.sight(&asked.view).ok_or(Failure::Starting)
    }

    /// What a plan of these Shops is made of, as far as the person sees them; `channels` are those
    /// of new Shops.
    ///
    /// # Errors
    ///
    /// If it is not read yet.
    fn basis<'a>(
        &self,
        asked: &Asked,
        shops: impl Iterator<Item = &'a str>,
        channels: impl Iterator<Item = &'a str>,
    ) -> Result<Basis, Failure> {
        let known = self.known(asked)?;
        Ok(Basis::new((&known.fleet, &known.claims), shops, channels))
    }
}

/// All pages.
pub(crate) fn routes(desk: Desk) -> Router {
    let guarding = Arc::clone(&desk.guard);
    let (counting, begun) = (Arc::clone(&desk.figures), desk.begun.clone());
    Router::new()
        .route("/", get(|| async { Redirect::to("/shops") }))
        .route("/login", get(login::begin))
        .route(CALLBACK, get(login::end))
        .route("/logout", post(login::leave))
        .route(LOGGED_OUT, get(login::left))
        .route("/assets/{name}", get(assets::asset))
        .route("/live", get(live))
        .route("/shops", get(shops::list))
        .route("/shops/{name}", get(shop::show))
        .route("/shops/{name}/watched", get(watched::show))
        .route("/shops/{name}/errors/{fingerprint}", post(watched::judge))
        .route("/shops/{name}/move", get(moving::plan).post(moving::start))
        .route(
            "/shops/{name}/edit/{part}",
            get(edit::form).post(edit::send),
        )
        .route("/shops/{name}/jobs", post(jobs::start))
        .route("/shops/{name}/jobs/{job}", get(jobs::show))
        .route(
            "/shops/{name}/restore",
            get(restore::form).post(restore::send),
        )
        .route("/new", get(new::form).post(new::send))
        .route("/releases", get(releases::list))
        .route("/rollouts", get(rollout::list).post(rollout::start))
        .route("/rollouts/new", get(rollout::new))
        .route("/rollouts/{name}", get(rollout::show).post(rollout::say))
        .route("/fleet", get(fleet::show))
        .route("/audit", get(audit::show))
        .route("/audit.csv", get(audit::csv))
        .route("/halt", get(halt::show).post(halt::pull))
        .fallback(|| async { Failure::Missing(text::NO_PAGE.to_owned()) })
        .layer(middleware::from_fn_with_state(begun, to_its_end))
        // What these do, they do to its end themselves. A plan of thousands of shops ends with
        // whoever leaves: those that nobody waits for would fill the memory.
        .route("/import", get(import::form).post(import::send))
        .route("/many", get(many::form).post(many::send))
        .layer(DefaultBodyLimit::max(FORM))
        .layer(middleware::from_fn_with_state(guarding, guard))
        .layer(middleware::from_fn_with_state(counting, count))
        .with_state(Arc::new(desk))
}

/// A form that a page of this run sent.
struct Posted(Sent);

impl FromRequest<Arc<Desk>> for Posted {
    type Rejection = Failure;

    async fn from_request(request: Request, desk: &Arc<Desk>) -> Result<Self, Failure> {
        let session = request.extensions().get::<Session>();
        let person = session.map(|session| session.user.clone());
        let kind = request.headers().get(header::CONTENT_TYPE);
        let fields = if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"multipart/")) {
            import::parts(request).await?
        } else {
            let form = Form::<Vec<(String, String)>>::from_request(request, desk).await;
            form.map_err(|rejection| Failure::Missing(rejection.body_text()))?
                .0
        };
        let sent = Sent::from(fields);
        let person = person.unwrap_or_default();
        if desk.guard.is_form_token(sent.get("token"), &person) {
            Ok(Self(sent))
        } else {
            Err(Failure::Form)
        }
    }
}

#[cfg(test)]
mod tests;
