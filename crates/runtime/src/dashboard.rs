//! Dashboards for Grafana, made of the metrics that a program serves.

use serde_json::{Value, json};

/// Panels beside each other; Grafana's grid has 24 columns.
const COLUMNS: usize = 3;
const WIDTH: usize = 24 / COLUMNS;
const HEIGHT: usize = 7;

/// A diagram over time.
#[derive(Debug, Clone)]
pub struct Panel {
    /// What it shows.
    pub title: String,
    /// Queries, and what each one's lines are called.
    pub lines: Vec<(String, &'static str)>,
    /// Grafana's name of the unit, such as `s`; `short` is a plain number.
    pub unit: &'static str,
}

impl Panel {
    /// Of a metric, by its name and kind: of counters what they grow by in a second.
    #[must_use]
    pub fn of_metric(name: &str, kind: &str, help: &str, line: &'static str) -> Self {
        let expression = if kind == "counter" {
            format!("sum by (pod) (rate({name}[5m]))")
        } else {
            name.to_owned()
        };
        Self {
            title: help.trim_end_matches('.').replace('`', ""),
            lines: vec![(expression, line)],
            unit: if name.ends_with("_bytes") {
                "bytes"
            } else {
                "short"
            },
        }
    }
}

/// A choice above the diagrams: its name, and the query that lists its values.
pub type Choice<'a> = (&'a str, &'a str);

/// The dashboard, as Grafana imports it, with a choice of the Prometheus that has the figures.
#[must_use]
pub fn dashboard(name: &str, title: &str, choices: &[Choice<'_>], panels: &[Panel]) -> String {
    let source = json!({ "type": "prometheus", "uid": "${datasource}" });
    let mut variables =
        vec![json!({ "name": "datasource", "type": "datasource", "query": "prometheus" })];
    variables.extend(choices.iter().map(|(name, query)| {
        json!({
            "name": name, "type": "query", "query": query, "datasource": source,
            "refresh": 2, "sort": 1,
        })
    }));
    let panels: Vec<_> = panels
        .iter()
        .enumerate()
        .map(|(at, it)| panel(at, it))
        .collect();
    let dashboard = json!({
        "uid": format!("longshore-{name}"), "title": format!("Longshore: {title}"),
        "tags": ["longshore"],
        "schemaVersion": 39, "refresh": "30s", "time": { "from": "now-6h", "to": "now" },
        "templating": { "list": variables },
        "panels": panels,
    });
    // Maps whose keys are text become JSON in any case.
    serde_json::to_string_pretty(&dashboard).unwrap_or_default() + "\n"
}

fn panel(at: usize, panel: &Panel) -> Value {
    let targets = ('A'..='Z').zip(&panel.lines).map(|(letter, (expression, line))| {
        json!({ "refId": letter.to_string(), "expr": expression, "legendFormat": line })
    });
    json!({
        "id": at + 1, "type": "timeseries", "title": panel.title,
        "datasource": { "type": "prometheus", "uid": "${datasource}" },
        "fieldConfig": { "defaults": { "unit": panel.unit, "min": 0 }, "overrides": [] },
        "gridPos": { "x": at % COLUMNS * WIDTH, "y": at / COLUMNS * HEIGHT, "w": WIDTH, "h": HEIGHT },
        "targets": targets.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_stand_three_in_a_row_and_counters_are_rates() {
        let panels = ["a_total", "b", "c_bytes", "d"].map(|name| {
            let kind = if name.ends_with("_total") {
                "counter"
            } else {
                "gauge"
            };
            Panel::of_metric(name, kind, "What `it` says.", "{{pod}}")
        });
        let text = dashboard(
            "x",
            "all of it",
            &[("shop", "label_values(b, shop)")],
            &panels,
        );
        let made: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(made["uid"], "longshore-x");
        assert_eq!(made["templating"]["list"][1]["name"], "shop");
        let panel = |at: usize| &made["panels"][at];
        assert_eq!(panel(0)["title"], "What it says");
        assert_eq!(
            panel(0)["targets"][0]["expr"],
            "sum by (pod) (rate(a_total[5m]))"
        );
        assert_eq!(panel(2)["fieldConfig"]["defaults"]["unit"], "bytes");
        assert_eq!(
            (&panel(2)["gridPos"]["x"], &panel(3)["gridPos"]["y"]),
            (&json!(16), &json!(7))
        );
    }
}
