//! What an autoscaler asks. Pure.

use super::{METRIC, selector};
use http::{Method, Uri};
use kube::core::Selector;
use percent_encoding::percent_decode_str;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MetricQuery {
    /// What there is to ask for.
    Resources,
    /// The metric of pods.
    Pods(PodsQuery),
}

/// Which pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PodsQuery {
    pub(super) namespace: String,
    /// All that the selector selects, if none is named.
    pub(super) name: Option<String>,
    pub(super) selector: Selector,
}

/// Why it is not answered, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// There is no such thing.
    Path(String),
    Method,
    Query(String),
}

/// Reads a request.
pub(super) fn read(method: &Method, uri: &Uri) -> Result<MetricQuery, Refused> {
    let path: Vec<&str> = uri.path().split('/').skip(1).collect();
    let question = match &path[..] {
        ["apis", "custom.metrics.k8s.io", "v1beta2"] => MetricQuery::Resources,
        [
            "apis",
            "custom.metrics.k8s.io",
            "v1beta2",
            "namespaces",
            namespace,
            "pods",
            name,
            METRIC,
        ] => {
            // The API server writes no path with an escape where a name is.
            let name = (!matches!(*name, "*" | "%2A" | "%2a")).then(|| (*name).to_owned());
            MetricQuery::Pods(PodsQuery {
                namespace: (*namespace).to_owned(),
                name,
                selector: selected(uri.query().unwrap_or_default())?,
            })
        }
        _ => {
            let why = format!("{} is not served here; {METRIC} of pods is", uri.path());
            return Err(Refused::Path(why));
        }
    };
    if method == Method::GET {
        Ok(question)
    } else {
        Err(Refused::Method)
    }
}

/// The pods' selector in a query. The metric itself has no labels by which it could be selected;
/// further parameters, such as `timeout`, change no answer.
fn selected(query: &str) -> Result<Selector, Refused> {
    let mut selected = Selector::default();
    for parameter in query.split('&') {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.replace('+', " ");
        let value = percent_decode_str(&value)
            .decode_utf8()
            .map_err(|_| Refused::Query(format!("{key} is not UTF-8")))?;
        match key {
            "labelSelector" => {
                selected = selector::read(&value)
                    .ok_or_else(|| Refused::Query(format!("{value:?} is not a label selector")))?;
            }
            "metricLabelSelector" if !value.is_empty() => {
                let why = format!("{METRIC} has no labels that {value:?} could select");
                return Err(Refused::Query(why));
            }
            _ => {}
        }
    }
    Ok(selected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Expression;

    const BASE: &str = "/apis/custom.metrics.k8s.io/v1beta2";

    fn asked(rest: &str) -> Result<MetricQuery, Refused> {
        read(&Method::GET, &format!("{BASE}{rest}").parse().unwrap())
    }

    fn which(name: Option<&str>, selector: impl Into<Selector>) -> MetricQuery {
        MetricQuery::Pods(PodsQuery {
            namespace: "shop-acme".to_owned(),
            name: name.map(str::to_owned),
            selector: selector.into(),
        })
    }

    #[test]
    fn an_autoscaler_asks_for_the_pods_of_its_selector() {
        let pods = "/namespaces/shop-acme/pods/*/longshore_busy_workers_ratio";
        let web = Expression::Equal("app.kubernetes.io/component".into(), "web".into());
        let query = "?labelSelector=app.kubernetes.io%2Fcomponent%3Dweb&metricLabelSelector=";
        assert_eq!(asked(&format!("{pods}{query}")), Ok(which(None, web)));
        assert_eq!(asked(pods), Ok(which(None, Selector::default())));
        let one = "/namespaces/shop-acme/pods/web-1/longshore_busy_workers_ratio?timeout=5s";
        assert_eq!(asked(one), Ok(which(Some("web-1"), Selector::default())));
        assert_eq!(asked(""), Ok(MetricQuery::Resources));
    }

    #[test]
    fn what_is_not_served_is_refused() {
        for path in [
            "/namespaces/shop-acme/pods/*/requests",
            "/namespaces/shop-acme/services/web/longshore_busy_workers_ratio",
            "/namespaces/shop-acme/pods/*",
            "/pods/*/longshore_busy_workers_ratio",
            "/",
        ] {
            assert!(matches!(asked(path), Err(Refused::Path(_))), "{path}");
        }
        let pods = "/namespaces/shop-acme/pods/*/longshore_busy_workers_ratio";
        for query in [
            "labelSelector=a%3D%3D%3Db",
            "labelSelector=%ff",
            "metricLabelSelector=a%3Db",
        ] {
            let refused = asked(&format!("{pods}?{query}"));
            assert!(matches!(refused, Err(Refused::Query(_))), "{query}");
        }
        let uri = BASE.parse().unwrap();
        assert_eq!(read(&Method::POST, &uri), Err(Refused::Method));
    }
}
