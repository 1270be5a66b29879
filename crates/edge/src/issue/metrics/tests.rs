//! What is served, and that alerts are made of it.

use super::*;
use crate::issue::figures::Figures;
use std::collections::BTreeSet;

const ALERTS: &str = include_str!("../../../../../manifests/chart/files/alerts/issuer.yaml");
const RUNBOOK: &str = include_str!("../../../../../docs/runbook-edge.md");

#[test]
fn the_page_has_every_metric_and_every_value_of_its_labels() {
    let figures = Figures::default();
    figures.turn("host");
    let page = text(&Snapshot {
        turns: figures.turns(),
        leads: true,
        held: false,
        orders_left: 299,
        counts: Counts {
            states: [0, 1, 0, 0],
            ..Counts::default()
        },
    });
    for line in [
        "longshore_edge_issuer_leads 1",
        "longshore_edge_issuer_hosts{state=\"issued\"} 1",
        "longshore_edge_issuer_hosts{state=\"own\"} 0",
        "longshore_edge_issuer_orders_left 299",
        "longshore_edge_issuer_turns_total{result=\"host\"} 1",
        "longshore_edge_issuer_turns_total{result=\"issued\"} 0",
        "# TYPE longshore_edge_issuer_turns counter",
        "# EOF",
    ] {
        assert!(page.lines().any(|it| it == line), "{line}\n{page}");
    }
}

#[test]
fn alerts_are_made_of_metrics_that_are_served_and_the_runbook_has_each() {
    let words = |text: &'static str, prefix: &'static str| -> BTreeSet<&str> {
        let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        text.split(move |letter| !word(letter))
            .filter(|found| found.starts_with(prefix))
            .collect()
    };
    let served: BTreeSet<_> = ALL.iter().map(|(name, ..)| *name).collect();
    let used = words(ALERTS, "longshore_edge_issuer_");
    assert!(used.len() > 2 && used.is_subset(&served), "{used:?}");
    for alert in words(ALERTS, "Longshore") {
        assert!(RUNBOOK.contains(&format!("## {alert}\n")), "{alert}");
    }
    for (_, help, _) in ALL {
        assert!(help.ends_with('.'), "{help}");
    }
}
