//! What all pages have: the frame, the way to show a failure, and text for addresses.

use crate::{
    desk::Desk,
    guard::{Guard, cookie},
    login::LoginError,
    person::{People, Person},
    registry::Registry,
    rights::Right,
    session::Session,
    text,
    view::View,
};
use askama::Template;
use axum::{
    body::Body,
    extract::FromRequestParts,
    response::{Html, IntoResponse, Redirect, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use client::ApiError;
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use jiff::Timestamp;
use operations::{Done, OperationError};
use release::Reason;
use std::sync::Arc;
use tracing::error;

pub(crate) use crate::address::encode;

/// The cookie that bears what was done to the next page.
const NOTE: &str = "longshore-note";
/// Bytes of a note at most: browsers take cookies of 4 KiB.
const NOTE_BYTES: usize = 2048;

/// A moment, for a page: the browser shows it in the reader's zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    /// For programs.
    pub(crate) exact: String,
    /// For people whose browser runs no scripts.
    pub(crate) text: String,
}

impl Moment {
    /// A moment.
    pub(crate) fn new(at: Timestamp) -> Self {
        Self {
            exact: format!("{at:.0}"),
            text: at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        }
    }

    /// A moment as a status has it; text that is none stays as it is.
    pub(crate) fn read(text: &str) -> Self {
        text.parse().map_or_else(
            |_| Self {
                exact: String::new(),
                text: text.to_owned(),
            },
            Self::new,
        )
    }
}

/// What stands around each page.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frame {
    pub(crate) person: String,
    /// What each form bears.
    pub(crate) token: String,
    /// Whether the person can log out.
    pub(crate) leaves: bool,
    /// Who halted, and why.
    pub(crate) halt: Option<String>,
    pub(crate) halt_unknown: Option<String>,
    /// What is shown may be old, for these kinds.
    pub(crate) stale: Vec<&'static str>,
    /// What was done just now.
    pub(crate) note: Option<String>,
    pub(crate) may_halt: bool,
}

/// Who asks, what that person sees, and what the page before left.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) person: Person,
    pub(crate) view: Arc<View>,
    /// The session, if there are logins.
    pub(crate) session: Option<Session>,
    note: Option<String>,
}

impl FromRequestParts<Arc<Desk>> for Asked {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, desk: &Arc<Desk>) -> Result<Self, Failure> {
        let session = parts.extensions.get::<Session>().cloned();
        let person = match (&desk.people, &session) {
            (People::One(person), _) => person.clone(),
            (People::Many(crowd), Some(session)) => {
                let person = crowd.person(session);
                person.map_err(|error| LoginError::Refused(error.into()))?
            }
            // The guard lets nobody pass without one.
            (People::Many(_), None) => return Err(LoginError::State.into()),
        };
        Ok(Self {
            view: person.view().await?,
            person,
            session,
            note: note(&parts.headers),
        })
    }
}

impl Asked {
    /// The frame of a page for this person.
    pub(crate) async fn frame(&self, registry: &Registry, guard: &Guard) -> Frame {
        let may_halt = self.person.may(Right::Halt, None).await;
        let known = registry.read();
        Frame {
            person: self.person.name.clone(),
            token: guard.form_token(&self.person.name),
            leaves: self.session.is_some(),
            halt: self.view.halt(known.halt.as_ref()).map(|halt| halt.line()),
            halt_unknown: known.halt_unknown.clone(),
            stale: known.broken.iter().copied().collect(),
            note: self.note.clone(),
            may_halt,
        }
    }

    /// The page, as an answer.
    pub(crate) fn answer(&self, page: &impl Template) -> Response {
        self.noted(html(StatusCode::OK, page))
    }

    /// A page that goes on while it is read.
    pub(crate) fn grows(&self, page: Body) -> Response {
        self.noted(Html(page).into_response())
    }

    /// The answer, after which the note of the page before is gone.
    fn noted(&self, mut response: Response) -> Response {
        if self.note.is_some() {
            let gone = format!("{NOTE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
            set_cookie(&mut response, &gone);
        }
        response
    }
}

/// Whether a browser asks for this part of a page alone.
pub(crate) fn is_for(headers: &HeaderMap, part: &str) -> bool {
    headers.get("hx-target").is_some_and(|it| it == part)
}

fn note(headers: &HeaderMap) -> Option<String> {
    let text = URL_SAFE_NO_PAD.decode(cookie(headers, NOTE)?).ok()?;
    String::from_utf8(text).ok()
}

fn set_cookie(response: &mut Response, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// Leads to a page, which says what was done.
pub(crate) fn done(to: &str, done: &Done) -> Response {
    let mut text = done.said.clone();
    for warning in &done.warnings {
        text.push('\n');
        text.push_str(warning);
    }
    let end = text.floor_char_boundary(NOTE_BYTES);
    text.truncate(end);
    let mut response = Redirect::to(to).into_response();
    let value = URL_SAFE_NO_PAD.encode(text);
    let cookie = format!("{NOTE}={value}; Path=/; Max-Age=60; HttpOnly; SameSite=Strict");
    set_cookie(&mut response, &cookie);
    response
}

/// A page, or that it cannot be made.
pub(crate) fn html(code: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (code, Html(text)).into_response(),
        Err(error) => {
            error!(%error, "page not rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, text::BUG).into_response()
        }
    }
}

/// Why a page is not shown, or something was not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was not done.
    Operation(OperationError),
    /// There is no such page, or nothing that it would show.
    Missing(String),
    /// The form is too old, or of another run.
    Form,
    /// Somebody is not logged in.
    Login(LoginError),
    /// Not everything is read from the API server yet.
    Starting,
}

impl From<LoginError> for Failure {
    fn from(error: LoginError) -> Self {
        Self::Login(error)
    }
}

impl From<OperationError> for Failure {
    fn from(error: OperationError) -> Self {
        Self::Operation(error)
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Operation(error.into())
    }
}

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage {
    title: &'static str,
    text: String,
    hint: &'static str,
    reason: Option<&'static str>,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (code, page) = match self {
            Self::Operation(error) => {
                let reason = error.reason();
                let page = FailurePage {
                    title: text::NOTHING_DONE,
                    text: runtime::Chain(&error).to_string(),
                    hint: reason.hint(),
                    reason: Some(reason.code()),
                };
                (code(&error), page)
            }
            Self::Missing(text) => {
                let page = FailurePage {
                    title: text::NOT_HERE,
                    text,
                    hint: "",
                    reason: None,
                };
                (StatusCode::NOT_FOUND, page)
            }
            Self::Form => {
                let page = FailurePage {
                    title: text::NOTHING_DONE,
                    text: text::OLD_FORM.to_owned(),
                    hint: text::OLD_FORM_HINT,
                    reason: None,
                };
                (StatusCode::FORBIDDEN, page)
            }
            Self::Login(error) => {
                let reason = error.reason();
                let page = FailurePage {
                    title: text::NOT_LOGGED_IN,
                    text: runtime::Chain(&error).to_string(),
                    hint: reason.hint(),
                    reason: Some(reason.code()),
                };
                (of_login(&error), page)
            }
            Self::Starting => {
                let page = FailurePage {
                    title: text::NOT_READY,
                    text: text::STARTING.to_owned(),
                    hint: text::STARTING_HINT,
                    reason: None,
                };
                (StatusCode::SERVICE_UNAVAILABLE, page)
            }
        };
        html(code, &page)
    }
}

const fn of_login(error: &LoginError) -> StatusCode {
    match error {
        LoginError::Away { .. } | LoginError::Code { .. } | LoginError::Issuer { .. } => {
            StatusCode::BAD_GATEWAY
        }
        LoginError::Often => StatusCode::TOO_MANY_REQUESTS,
        LoginError::State => StatusCode::BAD_REQUEST,
        LoginError::Provider { .. } | LoginError::Refused(_) | LoginError::Size { .. } => {
            StatusCode::FORBIDDEN
        }
    }
}

fn code(error: &OperationError) -> StatusCode {
    match (error, error.reason()) {
        (OperationError::Argument(_), _) => StatusCode::BAD_REQUEST,
        (OperationError::Missing(_), _) => StatusCode::NOT_FOUND,
        (OperationError::Moved(_), _) => StatusCode::CONFLICT,
        (_, Reason::ApiForbidden) => StatusCode::FORBIDDEN,
        (_, Reason::ApiRefused) => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::BAD_GATEWAY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_comes_once_and_whole_to_the_next_page() {
        let said = Done {
            said: "rollout r paused: „é“".to_owned(),
            warnings: vec!["not recorded".to_owned()],
        };
        let response = done("/rollouts/r", &said);
        let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
        let sent = cookie.split(';').next().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, format!("a=b; {sent}").parse().unwrap());
        assert_eq!(
            note(&headers).as_deref(),
            Some("rollout r paused: „é“\nnot recorded")
        );
        assert_eq!(note(&HeaderMap::new()), None);
    }

    #[test]
    fn a_long_note_is_cut_between_characters() {
        let said = Done {
            said: "é".repeat(5000),
            warnings: Vec::new(),
        };
        let response = done("/", &said);
        let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
        assert!(cookie.len() < 4096);
        let value = cookie.split(['=', ';']).nth(1).unwrap();
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(value).unwrap()).unwrap();
        assert_eq!(text, "é".repeat(NOTE_BYTES / 2));
    }

    #[test]
    fn a_moment_is_shown_without_scripts_too() {
        let moment = Moment::read("2026-12-01T10:04:59.5Z");
        assert_eq!(moment.exact, "2026-12-01T10:04:59Z");
        assert_eq!(moment.text, "2026-12-01 10:04 UTC");
        assert_eq!(Moment::read("somebody").text, "somebody");
    }
}
