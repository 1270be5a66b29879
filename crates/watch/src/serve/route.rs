//! Which request is for what. Pure.

use crate::{performance::MINUTES, store::groups::GroupFilter};
use http::{Method, StatusCode, Uri};
use observe::Fingerprint;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    Live,
    Ready,
    Metrics,
    Shops,
    Errors(String, GroupFilter),
    Uptime(String),
    Performance(String, u32),
    Evidence,
    State(String, Fingerprint),
}

/// Why it is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    Path,
    /// The methods that the path has.
    Method(&'static str),
    Query(String),
    Body(String),
    /// The bytes that it may have.
    Large(usize),
    Fingerprint(String),
    NoShop(String),
    NoGroup(Fingerprint),
    NotYet,
    Store(String),
}

impl Refused {
    /// The code, and a sentence.
    pub(super) fn answer(&self) -> (StatusCode, String) {
        match self {
            Self::Path => (
                StatusCode::NOT_FOUND,
                "there is /v1/shops, /v1/shops/SHOP/errors, /v1/shops/SHOP/uptime, \
                 /v1/shops/SHOP/performance, /v1/evidence, /livez, /readyz and /metrics"
                    .to_owned(),
            ),
            Self::Method(allowed) => (
                StatusCode::METHOD_NOT_ALLOWED,
                format!("this path is for {allowed}"),
            ),
            Self::Query(why) | Self::Body(why) | Self::Fingerprint(why) => {
                (StatusCode::BAD_REQUEST, why.clone())
            }
            Self::Large(limit) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body has more than {limit} bytes"),
            ),
            Self::NoShop(shop) => (StatusCode::NOT_FOUND, format!("there is no shop {shop}")),
            Self::NoGroup(name) => (
                StatusCode::NOT_FOUND,
                format!("the shop has no errors {name}"),
            ),
            Self::NotYet => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the shops are not listed yet".to_owned(),
            ),
            Self::Store(why) => (StatusCode::SERVICE_UNAVAILABLE, why.clone()),
        }
    }
}

/// Reads a request.
pub(super) fn read(method: &Method, uri: &Uri) -> Result<Route, Refused> {
    let path: Vec<&str> = uri.path().split('/').skip(1).collect();
    let (allowed, route) = match &path[..] {
        ["livez"] => ("GET", Route::Live),
        ["readyz"] => ("GET", Route::Ready),
        ["metrics"] => ("GET", Route::Metrics),
        ["v1", "shops"] => ("GET", Route::Shops),
        ["v1", "shops", shop, "errors"] => ("GET", Route::Errors((*shop).to_owned(), which(uri)?)),
        ["v1", "shops", shop, "uptime"] => ("GET", Route::Uptime((*shop).to_owned())),
        ["v1", "shops", shop, "performance"] => {
            ("GET", Route::Performance((*shop).to_owned(), minutes(uri)?))
        }
        ["v1", "evidence"] => ("POST", Route::Evidence),
        ["v1", "shops", shop, "errors", name, "state"] => {
            let name: Fingerprint = name
                .parse()
                .map_err(|error| Refused::Fingerprint(format!("{error}")))?;
            ("PUT", Route::State((*shop).to_owned(), name))
        }
        _ => return Err(Refused::Path),
    };
    if method.as_str() == allowed || (allowed == "GET" && method == Method::HEAD) {
        Ok(route)
    } else {
        Err(Refused::Method(allowed))
    }
}

fn minutes(uri: &Uri) -> Result<u32, Refused> {
    let query = uri.query().unwrap_or_default();
    let minutes = match query {
        "" => Some(MINUTES),
        query => query
            .strip_prefix("minutes=")
            .and_then(|text| text.parse().ok())
            .filter(|minutes| (1..=MINUTES).contains(minutes)),
    };
    minutes.ok_or_else(|| {
        Refused::Query(format!(
            "{query:?} is not known; expected minutes=1 to minutes={MINUTES}"
        ))
    })
}

fn which(uri: &Uri) -> Result<GroupFilter, Refused> {
    match uri.query().unwrap_or_default() {
        "" | "all=false" => Ok(GroupFilter::Open),
        "all=true" => Ok(GroupFilter::All),
        other => Err(Refused::Query(format!(
            "{other:?} is not known; expected all=true"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &Method, uri: &str) -> Result<Route, Refused> {
        read(method, &uri.parse().unwrap())
    }

    #[test]
    fn each_request_has_its_route() {
        let acme = || "acme".to_owned();
        let name: Fingerprint = "03f1c2a9d47be650".parse().unwrap();
        for (method, uri, expected) in [
            (Method::GET, "/livez", Route::Live),
            (Method::HEAD, "/readyz", Route::Ready),
            (Method::GET, "/metrics", Route::Metrics),
            (Method::GET, "/v1/shops", Route::Shops),
            (
                Method::GET,
                "/v1/shops/acme/errors",
                Route::Errors(acme(), GroupFilter::Open),
            ),
            (
                Method::GET,
                "/v1/shops/acme/errors?all=true",
                Route::Errors(acme(), GroupFilter::All),
            ),
            (Method::GET, "/v1/shops/acme/uptime", Route::Uptime(acme())),
            (
                Method::GET,
                "/v1/shops/acme/performance",
                Route::Performance(acme(), 60),
            ),
            (
                Method::GET,
                "/v1/shops/acme/performance?minutes=5",
                Route::Performance(acme(), 5),
            ),
            (Method::POST, "/v1/evidence", Route::Evidence),
            (
                Method::PUT,
                "/v1/shops/acme/errors/03f1c2a9d47be650/state",
                Route::State(acme(), name),
            ),
        ] {
            assert_eq!(asked(&method, uri), Ok(expected), "{uri}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_code() {
        for (method, uri, expected) in [
            (Method::GET, "/", 404),
            (Method::GET, "/v2/shops", 404),
            (Method::GET, "/v1/shops/acme", 404),
            (Method::GET, "/v1/shops/acme/errors/", 404),
            (Method::POST, "/v1/shops", 405),
            (
                Method::GET,
                "/v1/shops/acme/errors/03f1c2a9d47be650/state",
                405,
            ),
            (Method::PUT, "/v1/shops/acme/errors/xyz/state", 400),
            (Method::GET, "/v1/shops/acme/errors?all=perhaps", 400),
            (Method::GET, "/v1/shops/acme/performance?minutes=0", 400),
            (Method::GET, "/v1/shops/acme/performance?minutes=61", 400),
            (Method::GET, "/v1/evidence", 405),
        ] {
            let refused = asked(&method, uri).unwrap_err();
            assert_eq!(refused.answer().0, expected, "{uri}");
        }
    }
}
