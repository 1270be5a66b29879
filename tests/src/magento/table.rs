//! The table: a line for each row, with what was expected, what was got, and how long it took.

use comfy_table::{ContentArrangement, Table as Grid, presets};
use std::{
    io::{self, Write as _},
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

/// What came of one row.
#[derive(Debug, Clone)]
pub struct Line {
    name: String,
    expected: String,
    got: Result<String, String>,
    took: Duration,
}

impl Line {
    fn told(&self) -> String {
        let (mark, text) = match &self.got {
            Ok(text) => ("ok ", text),
            Err(text) => ("BAD", text),
        };
        format!(
            "{mark} {:6.1} s  {}: {}",
            self.took.as_secs_f64(),
            self.name,
            short(text)
        )
    }
}

/// All rows so far.
#[derive(Debug, Default)]
pub struct Table {
    lines: Vec<Line>,
    told: String,
}

impl Table {
    /// Does what a row is about. One that fails, or panics, does not keep the next from being
    /// tried. Gives whether it was good.
    pub fn row(
        &mut self,
        name: &str,
        expected: &str,
        work: impl FnOnce() -> Result<String, String>,
    ) -> bool {
        let begin = Instant::now();
        let got = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
            let text = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(text.unwrap_or_else(|| "a panic".to_owned()))
        });
        let good = got.is_ok();
        let line = Line {
            name: name.to_owned(),
            expected: expected.to_owned(),
            got,
            took: begin.elapsed(),
        };
        // A whole table takes half an hour on a busy machine. Who watches sees how far it is;
        // whether anybody does is no row's matter.
        writeln!(io::stderr(), "{}", line.told()).unwrap_or_default();
        self.lines.push(line);
        good
    }

    /// As text: rows that are not as expected have a cross.
    #[must_use]
    pub fn text(&self) -> String {
        let mut grid = Grid::new();
        grid.load_style(presets::ASCII_MARKDOWN)
            .set_content_arrangement(ContentArrangement::Disabled);
        grid.set_header(["row", "expected", "got", "", "seconds"]);
        for line in &self.lines {
            let (text, mark) = match &line.got {
                Ok(text) => (text, "ok"),
                Err(text) => (text, "BAD"),
            };
            grid.add_row([
                &line.name,
                &line.expected,
                &short(text),
                mark,
                &format!("{:.1}", line.took.as_secs_f64()),
            ]);
        }
        grid.to_string()
    }

    /// The rows that are not as expected.
    #[must_use]
    pub fn bad(&self) -> Vec<&str> {
        self.lines
            .iter()
            .filter(|line| line.got.is_err())
            .map(|line| line.name.as_str())
            .collect()
    }

    /// Keeps what else is known of the shop, for who looks for the reason.
    pub fn tell(&mut self, text: String) {
        self.told = text;
    }

    /// All that is known of them, for who looks for the reason.
    #[must_use]
    pub fn problems(&self) -> String {
        let told = self
            .lines
            .iter()
            .filter_map(|line| Some(format!("--- {}\n{}\n", line.name, line.got.as_ref().err()?)));
        told.chain([self.told.clone()]).collect()
    }
}

/// A cell: one line, not too long.
fn short(text: &str) -> String {
    let line = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "/");
    if line.chars().count() <= 110 {
        line
    } else {
        format!("{}…", line.chars().take(110).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_panics_is_bad_and_the_next_is_tried() {
        let mut table = Table::default();
        assert!(!table.row("first", "this", || panic!("not {}", "this")));
        assert!(!table.row("second", "this", || Err("a | b\nc".to_owned())));
        assert!(table.row("third", "this", || Ok("this".to_owned())));
        assert_eq!(table.bad(), ["first", "second"]);
        let text = table.text();
        assert!(
            text.contains("| first ")
                && text.contains(" not this ")
                && text.contains(" a / b c ")
                && text.contains("BAD"),
            "{text}"
        );
        assert!(table.problems().contains("--- second\na | b\nc\n"));
    }
}
