//! The page of metrics.

use super::*;
use api::fixtures;
use serde_json::json;

fn served() -> String {
    let mut fleet = Fleet::default();
    let acme = crate::fleet::shop(fixtures::shop("acme", json!({})));
    fleet.change(|it| it.shops = Some(acme.into_iter().collect()));
    let figures = Figures {
        open: [("acme".to_owned(), [(Severity::Fatal, 2)].into())].into(),
        events: [("gone".to_owned(), [(Severity::Fatal, 9)].into())].into(),
    };
    page(&Sources {
        figures,
        performance: &Performance::default(),
        fleet: &fleet,
        board: &Board::default(),
        store: &store::Counts::default(),
        collected: &collect::Counts::default(),
        custom_metrics: None,
        now: Timestamp::now(),
    })
}

#[test]
fn each_shop_that_exists_has_all_severities_and_no_other_shop_has_any() {
    let page = served();
    for line in [
        "longshore_shop_open_error_groups{shop=\"acme\",severity=\"fatal\"} 2",
        "longshore_shop_open_error_groups{shop=\"acme\",severity=\"notice\"} 0",
        "longshore_shop_error_events_total{shop=\"acme\",severity=\"fatal\"} 0",
        "longshore_watch_shops 1",
        "longshore_watch_pages_refused_total{why=\"json\"} 0",
    ] {
        assert!(page.lines().any(|it| it == line), "{line}\n{page}");
    }
    assert!(!page.contains("gone"));
}

#[test]
fn names_and_help_are_as_all_metrics_of_ours() {
    for (name, help, _) in SHOPS.iter().chain(&program::METRICS) {
        assert!(name.starts_with("longshore_shop_") || name.starts_with("longshore_watch_"));
        assert!(help.ends_with('.'), "{name}");
    }
}
