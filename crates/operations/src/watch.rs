//! `longshore-watch`, asked through the API server: whoever may use its Service's proxy may ask.

use crate::OperationError;
use api::WATCH;
use client::Cluster;
use http::{Method, Request, StatusCode};
use kube::{client::Body, core::Status};
use observe::v1::Problem;
use serde::{Serialize, de::DeserializeOwned};

/// Where the API server has it: the Service of the chart, and its port's name.
const SERVICE: &str = "services/longshore-watch:api/proxy/v1/shops";
/// Bytes of an answer at most: 500 groups with a sample each are 2 MB.
const LIMIT: usize = 8 << 20;

/// What is asked of it.
#[derive(Debug)]
pub struct WatchRequest<'a> {
    method: Method,
    /// The shop; all of them if it is missing.
    shop: Option<&'a str>,
    /// Below the shop.
    path: String,
    body: Vec<u8>,
}

impl<'a> WatchRequest<'a> {
    /// A page of a shop, such as `errors`.
    #[must_use]
    pub fn get(shop: &'a str, path: &str) -> Self {
        Self {
            method: Method::GET,
            shop: Some(shop),
            path: path.to_owned(),
            body: Vec::new(),
        }
    }

    /// All shops, in short.
    #[must_use]
    pub fn shops() -> Self {
        Self {
            method: Method::GET,
            shop: None,
            path: String::new(),
            body: Vec::new(),
        }
    }

    /// A change of something below a shop.
    ///
    /// # Errors
    ///
    /// If `body` is not JSON.
    pub fn put(shop: &'a str, path: &str, body: &impl Serialize) -> Result<Self, OperationError> {
        Ok(Self {
            method: Method::PUT,
            body: serde_json::to_vec(body)
                .map_err(|error| OperationError::Argument(error.to_string()))?,
            ..Self::get(shop, path)
        })
    }

    /// Asks it.
    ///
    /// # Errors
    ///
    /// If it is away, or refuses.
    pub async fn ask<T: DeserializeOwned>(self, cluster: &Cluster) -> Result<T, OperationError> {
        let Self {
            method,
            shop,
            path,
            body,
        } = self;
        if let Some(shop) = shop.filter(|shop| !is_name(shop)) {
            return Err(OperationError::Argument(format!(
                "{shop:?} is no name of a shop; expected lower-case letters, digits and -"
            )));
        }
        let what = shop.map_or_else(
            || "ask longshore-watch for all shops".to_owned(),
            |shop| format!("ask longshore-watch for {path} of shop {shop}"),
        );
        let request = Request::builder()
            .method(method)
            .uri(uri(shop, &path))
            .header("content-type", "application/json")
            .body(Body::from(body))
            .map_err(|error| OperationError::Argument(error.to_string()))?;
        let (code, answer) = cluster.answer_of_service(&what, request, LIMIT).await?;
        if code == StatusCode::OK {
            return serde_json::from_slice(&answer).map_err(|error| {
                OperationError::Watch(format!(
                    "{what}: the answer is not of version 1: {error}; are longshore and \
                     longshore-watch of the same release?"
                ))
            });
        }
        Err(refused(&what, code, &answer))
    }
}

/// Who refused: longshore-watch has a [`Problem`] to tell, and the API server a [`Status`].
fn refused(what: &str, code: StatusCode, answer: &[u8]) -> OperationError {
    if let Ok(Problem { problem }) = serde_json::from_slice(answer) {
        let all = format!("{what}: {problem}");
        return if code.is_client_error() {
            OperationError::Missing(all)
        } else {
            OperationError::Watch(all)
        };
    }
    let status = serde_json::from_slice::<Status>(answer).unwrap_or_default();
    match code {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            OperationError::Api(client::ApiError::new(
                what,
                kube::Error::Api(Box::new(Status {
                    code: code.as_u16(),
                    ..status
                })),
            ))
        }
        StatusCode::NOT_FOUND => OperationError::Watch(format!(
            "{what}: there is no Service longshore-watch in the namespace watch"
        )),
        code => OperationError::Watch(format!(
            "{what}: {} (code {})",
            if status.message.is_empty() {
                "no pod answers"
            } else {
                &status.message
            },
            code.as_u16()
        )),
    }
}

fn uri(shop: Option<&str>, path: &str) -> String {
    let below = shop
        .map(|shop| format!("/{shop}/{path}"))
        .unwrap_or_default();
    format!("/api/v1/namespaces/{WATCH}/{SERVICE}{below}")
}

/// A label of DNS, which the name of a Shop is.
fn is_name(shop: &str) -> bool {
    !shop.is_empty()
        && shop
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::scripted::{Script, expect};
    use observe::v1::Uptime;
    use serde_json::json;

    async fn uptime(script: &Script) -> Result<Uptime, OperationError> {
        let answer = WatchRequest::get("acme", "uptime")
            .ask(&script.cluster())
            .await;
        script.end();
        answer
    }

    #[tokio::test]
    async fn who_refuses_is_told() {
        let path = format!("GET {}", uri(Some("acme"), "uptime"));
        for (code, body, said, reason) in [
            (
                404,
                json!({ "problem": "there is no shop acme" }),
                "there is no shop acme",
                "registry",
            ),
            (
                503,
                json!({ "problem": "its disk is full" }),
                "its disk is full",
                "watch",
            ),
            (
                404,
                json!({ "kind": "Status", "code": 404, "reason": "NotFound" }),
                "no Service longshore-watch",
                "watch",
            ),
            (
                503,
                json!({ "kind": "Status", "code": 503, "message": "no endpoints available" }),
                "no endpoints available (code 503)",
                "watch",
            ),
            (
                403,
                json!({ "kind": "Status", "code": 403, "message": "services/proxy is forbidden" }),
                "services/proxy is forbidden",
                "api-forbidden",
            ),
        ] {
            let mut status = body.clone();
            status["code"] = code.into();
            let error = uptime(&Script::new([expect(&path).refuses_as(status)]))
                .await
                .unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
            assert_eq!(error.reason().code(), reason, "{error}");
        }
        let other = Script::new([expect(&path).answers(json!({ "version": 2 }))]);
        let error = uptime(&other).await.unwrap_err();
        assert!(
            error.to_string().contains("of the same release?"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_name_is_never_a_path() {
        for bad in ["", "../secrets", "a/b", "a?b", "Acme"] {
            let script = Script::new([]);
            let answer = WatchRequest::get(bad, "uptime")
                .ask::<Uptime>(&script.cluster())
                .await;
            assert!(matches!(answer, Err(OperationError::Argument(_))), "{bad}");
        }
    }
}
