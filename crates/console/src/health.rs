//! Health and metrics, at a listener of their own: for the kubelet and Prometheus, and never routed
//! to people.

use crate::{
    metrics::{self, Figures},
    registry::Registry,
};
use runtime::{Page, Pages};
use std::sync::Arc;

/// What each path answers. It is ready once everything was listed; that the API server is away
/// later takes no pages from anybody.
pub(crate) fn pages(registry: Arc<Registry>, figures: Arc<Figures>) -> Pages {
    Arc::new(move |path| match path {
        "/livez" => Page::Text("ok\n".to_owned()),
        "/readyz" if registry.read().is_listed() => Page::Text("ok\n".to_owned()),
        "/readyz" => Page::Unavailable("not everything is listed yet\n".to_owned()),
        "/metrics" => Page::Metrics(metrics::page(&figures, &registry.read())),
        _ => Page::Missing("there is /livez, /readyz and /metrics\n"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::{Release, Rollout, Shop, ShopClass};

    #[test]
    fn it_is_ready_once_everything_was_listed_and_whatever_happens_then() {
        let registry = Arc::new(Registry::default());
        let pages = pages(Arc::clone(&registry), Arc::default());
        assert!(matches!(pages("/readyz"), Page::Unavailable(_)));
        assert_eq!(pages("/livez"), Page::Text("ok\n".to_owned()));
        registry.all::<Shop>(Vec::new());
        registry.all::<ShopClass>(Vec::new());
        registry.all::<Release>(Vec::new());
        assert!(matches!(pages("/readyz"), Page::Unavailable(_)));
        registry.all::<Rollout>(Vec::new());
        registry.broken("shops");
        assert_eq!(pages("/readyz"), Page::Text("ok\n".to_owned()));
        let Page::Metrics(text) = pages("/metrics") else {
            panic!("no metrics");
        };
        assert!(text.contains("longshore_console_current{kind=\"shops\"} 0"));
        assert!(text.contains("longshore_console_current{kind=\"rollouts\"} 1"));
    }
}
