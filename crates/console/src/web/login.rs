//! People come and go: on a laptop by the secret of the address, else by way of the provider.

use super::{Answer, Desk, Posted};
use crate::{
    guard::{COOKIE, cookie, set_cookie},
    login::{Login, LoginError, Returned, UNDER_WAY},
    page::{Asked, Failure, html},
    session::SESSION,
    text,
};
use askama::Template;
use axum::{
    extract::{Query, State},
    response::{IntoResponse as _, Redirect},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};
use tracing::{info, warn};

/// The cookie of a login that is under way.
const WAY: &str = "longshore-login";

#[derive(Template)]
#[template(path = "left.html")]
struct Left {
    /// Where to log out at the provider.
    provider: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    /// On a laptop, the secret of this run.
    secret: String,
    /// The page that somebody came for.
    to: String,
}

/// On a laptop the secret of the address becomes a cookie, so that it stands in no other address.
/// In the cluster the browser goes to the provider.
pub(super) async fn begin(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Answer {
    let Some(login) = &desk.login else {
        if !desk.guard.knows(&wanted.secret) {
            return Err(Failure::Missing(text::OLD_ADDRESS.to_owned()));
        }
        let mut response = Redirect::to("/shops").into_response();
        if let Ok(cookie) = HeaderValue::from_str(&desk.guard.cookie()) {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        return Ok(response);
    };
    step(login, &headers)?;
    let (way, address) = login.begin(&wanted.to).await.map_err(refused)?;
    let mut response = Redirect::to(&address).into_response();
    set_cookie(response.headers_mut(), WAY, &way, UNDER_WAY.as_secs());
    Ok(response)
}

/// The provider sends the browser back.
pub(super) async fn end(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    Query(returned): Query<Returned>,
) -> Answer {
    let login = login(&desk)?;
    step(login, &headers)?;
    let way = cookie(&headers, WAY).unwrap_or_default();
    let ended = login.end(&returned, way).await;
    desk.figures.login(&ended);
    let (session, sealed, to) = ended.map_err(refused)?;
    info!(
        target: "audit",
        person = session.user, groups = session.groups.join(","), until = %session.until,
        "logged in"
    );
    let mut response = Redirect::to(&to).into_response();
    set_cookie(response.headers_mut(), COOKIE, &sealed, SESSION.as_secs());
    set_cookie(response.headers_mut(), WAY, "", 0);
    Ok(response)
}

/// The session ends here, and the browser goes on to the provider, whose session would log the
/// person in again. A page leads there, since no form may be answered from elsewhere.
pub(super) async fn leave(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Posted(_): Posted,
) -> Answer {
    let provider = login(&desk)?.end_session().await;
    info!(target: "audit", person = asked.person.name, "logged out");
    let mut response = html(StatusCode::OK, &Left { provider });
    set_cookie(response.headers_mut(), COOKIE, "", 0);
    Ok(response)
}

/// The provider sends the browser here after a logout.
pub(super) async fn left() -> Answer {
    Ok(html(StatusCode::OK, &Left { provider: None }))
}

fn login(desk: &Desk) -> Result<&Login, Failure> {
    let login = desk.login.as_ref();
    login.ok_or_else(|| Failure::Missing(text::NO_LOGINS.to_owned()))
}

/// Who is refused is no news of ours, but who comes may be an attack.
fn refused(error: LoginError) -> Failure {
    warn!(error = %runtime::Chain(&error), reason = error.reason().code(), "not logged in");
    Failure::Login(error)
}

fn step(login: &Login, headers: &HeaderMap) -> Result<(), Failure> {
    Ok(login.step(address(headers))?)
}

/// The address of who asks, as the edge says it: the last one, since those before it came with the
/// request. Without an edge, all are one.
fn address(headers: &HeaderMap) -> IpAddr {
    let all = headers.get_all("x-forwarded-for").iter();
    let last = all.filter_map(|value| value.to_str().ok()).next_back();
    let last = last.and_then(|text| text.rsplit(',').next());
    let address = last.and_then(|text| text.trim().parse().ok());
    address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_one_that_the_edge_added() {
        let headers = |values: &[&str]| {
            let pairs = values.iter().map(|value| {
                let name = http::HeaderName::from_static("x-forwarded-for");
                (name, value.parse().unwrap())
            });
            address(&pairs.collect())
        };
        let expected: IpAddr = "192.0.2.7".parse().unwrap();
        assert_eq!(headers(&["10.0.0.1", "192.0.2.7"]), expected);
        assert_eq!(headers(&["10.0.0.1, 192.0.2.7"]), expected);
        assert_eq!(headers(&["nonsense"]), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        assert_eq!(headers(&[]), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    }
}
