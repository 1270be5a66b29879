//! What an autoscaler is answered, as the metrics API has it. Pure.

use super::{METRIC, question::Refused};
use http::{
    HeaderValue, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
};
use http_body_util::Full;
use hyper::body::Bytes;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIResource, APIResourceList, Status};
use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::Arc;

/// The body of an answer.
pub(super) type Answer = Full<Bytes>;

const VERSION: &str = "custom.metrics.k8s.io/v1beta2";

/// How busy a pod's workers are.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Busy {
    pub(super) name: Arc<str>,
    pub(super) at: Timestamp,
    /// From 0 to 1.
    pub(super) share: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MetricValueList {
    kind: &'static str,
    api_version: &'static str,
    metadata: Map<String, Value>,
    items: Vec<MetricValue>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MetricValue {
    described_object: DescribedObject,
    metric: Metric,
    timestamp: Timestamp,
    /// A quantity.
    value: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DescribedObject {
    kind: &'static str,
    namespace: String,
    name: String,
    api_version: &'static str,
}

#[derive(Debug, Serialize)]
struct Metric {
    name: &'static str,
}

/// What there is to ask for.
pub(super) fn resources() -> Response<Answer> {
    let resource = APIResource {
        name: format!("pods/{METRIC}"),
        namespaced: true,
        kind: "MetricValueList".to_owned(),
        verbs: vec!["get".to_owned()],
        ..APIResource::default()
    };
    let all = APIResourceList {
        group_version: VERSION.to_owned(),
        resources: vec![resource],
    };
    json(StatusCode::OK, &all)
}

/// These pods of a namespace.
pub(super) fn pods(namespace: &str, pods: Vec<Busy>) -> Response<Answer> {
    let item = |pod: Busy| MetricValue {
        described_object: DescribedObject {
            kind: "Pod",
            namespace: namespace.to_owned(),
            name: pod.name.to_string(),
            api_version: "v1",
        },
        metric: Metric { name: METRIC },
        timestamp: pod.at,
        value: quantity(pod.share),
    };
    let list = MetricValueList {
        kind: "MetricValueList",
        api_version: VERSION,
        metadata: Map::new(),
        items: pods.into_iter().map(item).collect(),
    };
    json(StatusCode::OK, &list)
}

/// Not everything is listed yet.
pub(super) fn not_yet() -> Response<Answer> {
    let why = "shops and pods are not listed yet";
    status(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", why)
}

/// A request that is not answered.
pub(super) fn refused(refused: &Refused) -> Response<Answer> {
    match refused {
        Refused::Path(why) => status(StatusCode::NOT_FOUND, "NotFound", why),
        Refused::Query(why) => status(StatusCode::BAD_REQUEST, "BadRequest", why),
        Refused::Method => {
            let (code, why) = (StatusCode::METHOD_NOT_ALLOWED, "only GET is served here");
            let mut answer = status(code, "MethodNotAllowed", why);
            answer
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET"));
            answer
        }
    }
}

fn status(code: StatusCode, reason: &str, message: &str) -> Response<Answer> {
    let status = Status {
        status: Some("Failure".to_owned()),
        code: Some(code.as_u16().into()),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        ..Status::default()
    };
    json(code, &status)
}

/// In thousandths: `250m` is a quarter.
fn quantity(share: f64) -> String {
    format!("{:.0}m", share.clamp(0.0, 1.0) * 1000.0)
}

fn json(code: StatusCode, value: &impl Serialize) -> Response<Answer> {
    // Texts, numbers and lists of them always become JSON.
    let body = serde_json::to_string(value).unwrap_or_default();
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = code;
    let kind = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use serde_json::json;

    async fn body(answer: Response<Answer>) -> (u16, Value) {
        let code = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (code, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn a_pod_has_its_share_as_a_quantity() {
        let at = "2026-12-01T12:00:00Z".parse().unwrap();
        let one = Busy {
            name: "web-1".into(),
            at,
            share: 0.25,
        };
        let (code, list) = body(pods("shop-acme", vec![one])).await;
        let expected = json!({
            "kind": "MetricValueList", "apiVersion": "custom.metrics.k8s.io/v1beta2",
            "metadata": {}, "items": [{
                "describedObject": {
                    "kind": "Pod", "namespace": "shop-acme", "name": "web-1", "apiVersion": "v1",
                },
                "metric": { "name": METRIC }, "timestamp": "2026-12-01T12:00:00Z",
                "value": "250m",
            }],
        });
        assert_eq!((code, list), (200, expected));
    }

    #[test]
    fn a_share_is_between_nothing_and_all() {
        for (share, expected) in [
            (0.0, "0m"),
            (0.3333, "333m"),
            (1.0, "1000m"),
            (7.0, "1000m"),
            (-1.0, "0m"),
        ] {
            assert_eq!(quantity(share), expected);
        }
    }

    #[tokio::test]
    async fn refusals_are_what_clients_of_kubernetes_expect() {
        let (code, status) = body(refused(&Refused::Query("no".to_owned()))).await;
        assert_eq!((code, &status["kind"]), (400, &json!("Status")));
        assert_eq!(
            (&status["reason"], &status["code"]),
            (&json!("BadRequest"), &json!(400))
        );
        let (code, all) = body(resources()).await;
        assert_eq!((code, &all["kind"]), (200, &json!("APIResourceList")));
        assert_eq!(all["resources"][0]["name"], format!("pods/{METRIC}"));
    }
}
