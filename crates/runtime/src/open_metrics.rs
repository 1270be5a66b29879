//! Metrics as text, for programs that serve few and have them as numbers already: what a registry
//! adds (atomics, label maps, encoders) would be most of their code.

use std::fmt::{Display, Write as _};

/// The media type of the format.
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A page in the OpenMetrics text format, version 1.0.
#[derive(Debug, Default)]
pub struct OpenMetrics(String);

impl OpenMetrics {
    /// Begins a metric: its name as it is queried, its kind, and what it says. Its samples follow.
    pub fn metric(&mut self, name: &str, kind: &str, help: &str) {
        // The format calls a counter by its name without the end.
        let family = name.trim_end_matches("_total");
        self.line(format_args!("# TYPE {family} {kind}"));
        self.line(format_args!("# HELP {family} {}", escaped(help)));
    }

    /// Adds a sample.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<_> = labels
            .iter()
            .map(|(label, text)| format!("{label}=\"{}\"", escaped(text)))
            .collect();
        match &labels[..] {
            [] => self.line(format_args!("{name} {value}")),
            labels => self.line(format_args!("{name}{{{}}} {value}", labels.join(","))),
        }
    }

    /// The whole page.
    #[must_use]
    pub fn end(mut self) -> String {
        self.line("# EOF");
        self.0
    }

    fn line(&mut self, line: impl Display) {
        // Writing to a String cannot fail.
        writeln!(self.0, "{line}").unwrap_or_default();
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\")
        .replace('"', r#"\""#)
        .replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_what_the_format_says() {
        let mut page = OpenMetrics::default();
        page.metric("shops", "gauge", "Shops.");
        page.sample("shops", &[], 3);
        page.metric("writes_total", "counter", "Writes of \"shops\".");
        page.sample("writes_total", &[("to", "a\\b\"c\nd"), ("by", "me")], 0.5);
        let expected = r#"# TYPE shops gauge
# HELP shops Shops.
shops 3
# TYPE writes counter
# HELP writes Writes of \"shops\".
writes_total{to="a\\b\"c\nd",by="me"} 0.5
# EOF
"#;
        assert_eq!(page.end(), expected);
    }
}
