//! Figures for people: bytes, times, and tables of them.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use std::{iter, time::Duration};

/// Bytes with three significant digits, such as `84.6 MiB`.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn bytes(count: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64 / 1024.0;
    if count < 1024 {
        return format!("{count} B");
    }
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = if value < 10.0 {
        2
    } else {
        usize::from(value < 100.0)
    };
    format!("{value:.digits$} {}", units[unit])
}

/// Time with about three significant digits, such as `41 ms` or `2.31 s`.
#[must_use]
pub fn time(span: Duration) -> String {
    match span.as_millis() {
        millis @ ..1000 => format!("{millis} ms"),
        1000..10_000 => format!("{:.2} s", span.as_secs_f64()),
        _ => format!("{:.1} s", span.as_secs_f64()),
    }
}

/// A whole number with its thousands apart, such as `25,039`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A table in Markdown, which reads well as text too; the columns of `right` hold numbers.
#[must_use]
pub fn table(head: &[&str], right: &[usize], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::ASCII_MARKDOWN)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head);
    table.add_rows(rows);
    for (at, column) in iter::zip(0.., table.column_iter_mut()) {
        column.set_cell_alignment(if right.contains(&at) {
            CellAlignment::Right
        } else {
            CellAlignment::Left
        });
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_about_three_digits() {
        assert_eq!(
            ["0 B", "1023 B", "1.00 KiB", "12.0 KiB", "290 MiB"],
            [0, 1023, 1024, 12_288, 304_087_040]
                .map(bytes)
                .each_ref()
                .map(String::as_str)
        );
        assert_eq!(
            ["41 ms", "2.31 s", "75.0 s"],
            [41, 2309, 75_000]
                .map(|millis| time(Duration::from_millis(millis)))
                .each_ref()
                .map(String::as_str)
        );
        assert_eq!(
            ["7", "999", "1,000", "25,039", "1,234,567"],
            [7, 999, 1000, 25_039, 1_234_567]
                .map(count)
                .each_ref()
                .map(String::as_str)
        );
    }

    #[test]
    fn a_table_is_markdown() {
        let text = table(
            &["what", "files"],
            &[1],
            &[vec!["pull".into(), "25".into()]],
        );
        assert_eq!(text, "| what | files |\n|------|-------|\n| pull |    25 |");
    }
}
