//! Alerts, runbooks and the generated pages of metrics say the same.

use std::{collections::BTreeSet, fs, path::Path};

fn page(path: &str) -> String {
    let path = Path::new("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Rows of the metrics that programs serve, without the first and the last bar.
fn metrics() -> Vec<String> {
    let pages = fs::read_dir("../docs").unwrap().map(|entry| entry.unwrap());
    let pages = pages.map(|entry| entry.file_name().into_string().unwrap());
    let rows = |name: String| {
        let page = page(&format!("docs/{name}"));
        let rows = page
            .lines()
            .filter(|line| line.starts_with("| `longshore_"));
        rows.map(|row| row[2..row.len() - 2].to_owned())
            .collect::<Vec<_>>()
    };
    pages
        .filter(|name| name.starts_with("metrics"))
        .flat_map(rows)
        .collect()
}

/// Words of a text that name metrics.
fn named(text: &str) -> impl Iterator<Item = &str> {
    text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_')
        .filter(|word| word.starts_with("longshore_"))
}

#[test]
fn every_alert_has_a_section_in_its_runbook_and_every_section_an_alert() {
    for (programs, runbook) in [
        (&["agent"][..], "runbook"),
        (&["scheduler"], "runbook-scheduler"),
        (&["edge", "issuer"], "runbook-edge"),
        (&["shops", "watch"], "runbook-watch"),
        (&["console"], "runbook-console"),
        (
            &[
                "logs",
                "logs-collector",
                "logs-otlp",
                "prometheus",
                "alertmanager",
            ],
            "runbook-stack",
        ),
    ] {
        let rules = programs
            .iter()
            .map(|program| page(&format!("manifests/chart/files/alerts/{program}.yaml")));
        let rules: String = rules.collect();
        let alerts: Vec<_> = rules
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- alert: "))
            .collect();
        let runbook = page(&format!("docs/{runbook}.md"));
        let sections: Vec<_> = runbook
            .lines()
            .filter_map(|line| line.strip_prefix("## "))
            .collect();
        assert!(!alerts.is_empty());
        assert_eq!(alerts, sections);
    }
}

#[test]
fn alerts_and_runbooks_name_metrics_and_label_values_that_exist() {
    let values = page("docs/metrics.md") + &page("docs/metrics-edge.md");
    let values = values + &page("docs/metrics-watch.md") + &page("docs/metrics-console.md");
    let rows = metrics();
    let served: BTreeSet<_> = rows
        .iter()
        .filter_map(|row| row.split('`').nth(1))
        .collect();
    let mut used = 0;
    for program in [
        "agent",
        "scheduler",
        "edge",
        "issuer",
        "shops",
        "watch",
        "console",
    ] {
        let rules = page(&format!("manifests/chart/files/alerts/{program}.yaml"));
        for name in named(&rules) {
            used += 1;
            assert!(served.contains(name), "{program}: {name} is not a metric");
        }
        // What people read has templates in it.
        let expressions = rules.lines().filter(|line| !line.contains("{{"));
        let ours = expressions.filter(|line| line.contains("longshore_"));
        for quoted in ours.flat_map(|line| line.split('"').skip(1).step_by(2)) {
            // An empty one asks whether there is such a label.
            for word in quoted.split('|').filter(|word| !word.is_empty()) {
                let known = values.contains(&format!("`{word}`"));
                assert!(known, "{program}: {word} is not a value of any label");
            }
        }
    }
    assert!(used > 30, "{used} names were found");
    for runbook in [
        "runbook",
        "runbook-scheduler",
        "runbook-edge",
        "runbook-watch",
        "runbook-console",
    ] {
        for name in named(&page(&format!("docs/{runbook}.md"))) {
            assert!(served.contains(name), "{runbook}: {name} is not a metric");
        }
    }
}

#[test]
fn counters_alone_end_like_counters_and_each_metric_says_what_it_is() {
    for row in metrics() {
        let cells: Vec<_> = row.split(" | ").collect();
        let (name, kind, help) = (cells[0].trim_matches('`'), cells[1], cells[cells.len() - 1]);
        assert_eq!(name.ends_with("_total"), kind == "counter", "{row}");
        assert!(help.ends_with('.'), "{row}");
    }
}

#[test]
fn dashboards_show_metrics_that_exist() {
    let rows = metrics();
    let served: BTreeSet<_> = rows
        .iter()
        .filter_map(|row| row.split('`').nth(1))
        .collect();
    for name in ["console", "edge", "fleet", "issuer", "shops"] {
        let text = page(&format!("manifests/chart/files/dashboards/{name}.json"));
        let queries = text.lines().filter(|line| line.contains("\"expr\": "));
        let shown: Vec<_> = queries.flat_map(named).collect();
        assert!(shown.len() > 9, "{name}: {shown:?}");
        for metric in shown {
            assert!(served.contains(metric), "{name}: {metric} is not a metric");
        }
    }
}
