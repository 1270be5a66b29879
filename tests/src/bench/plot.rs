//! Figures as a picture: bars, drawn as SVG.

use super::report::{Cell, Report, Row};
use crate::figures;
use std::{fmt::Write as _, time::Duration};

/// In pixels, as all lengths here.
const WIDTH: f64 = 860.0;
const NAMES: f64 = 230.0;
/// Room for the values behind the bars.
const VALUES: f64 = 120.0;
const BAR: f64 = 14.0;
const LINE: f64 = 22.0;
/// Room for a panel's title and for its axis.
const TITLE: f64 = 34.0;
const AXIS: f64 = 30.0;
const OURS: &str = "#1f6f8b";
const OTHERS: &str = "#b9b9b9";

/// An axis ends at so many times our longest bar: the slowest programs would leave no room to tell
/// the others apart. Longer bars are broken, and have their values beside them like all others.
const LONGEST: f64 = 4.0;

/// One panel for each cell; bars begin at zero seconds on a linear axis, each panel with its own.
pub(super) fn svg(report: &Report) -> String {
    let height: f64 = report.cells.iter().map(panel_height).sum();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{WIDTH}\" \
         height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    let mut top = 0.0;
    for cell in &report.cells {
        panel(&mut svg, cell, top);
        top += panel_height(cell);
    }
    svg + "</svg>\n"
}

#[allow(clippy::cast_precision_loss, reason = "a dozen rows")]
fn panel_height(cell: &Cell) -> f64 {
    TITLE + LINE * cell.rows.len() as f64 + AXIS
}

// Writing to a string cannot fail.
#[allow(clippy::cast_precision_loss, reason = "a dozen rows")]
fn panel(svg: &mut String, cell: &Cell, top: f64) {
    let longest_of = |rows: &dyn Fn(&&Row) -> bool| {
        cell.rows
            .iter()
            .filter(rows)
            .map(|row| row.wall_seconds.max)
            .fold(0.0, f64::max)
    };
    let (all, ours) = (longest_of(&|_| true), longest_of(&|row| row.ours));
    let longest = if ours > 0.0 {
        all.min(ours * LONGEST)
    } else {
        all
    };
    let step = step(longest);
    let scale = (WIDTH - NAMES - VALUES) / longest.max(f64::MIN_POSITIVE);
    let bottom = top + TITLE + LINE * cell.rows.len() as f64;
    text(
        svg,
        8.0,
        top + 22.0,
        "start",
        "font-weight=\"bold\"",
        &cell.title(),
    );
    let mut at = 0.0;
    while at <= longest {
        let x = NAMES + at * scale;
        writeln!(
            svg,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{bottom:.1}\" \
             stroke=\"#e4e4e4\"/>",
            top + TITLE
        )
        .unwrap_or_default();
        text(
            svg,
            x,
            bottom + 14.0,
            "middle",
            "fill=\"#666666\"",
            &format!("{at} s"),
        );
        at = ((at + step) * 1000.0).round() / 1000.0;
    }
    for (number, row) in cell.rows.iter().enumerate() {
        bar(svg, row, top + TITLE + LINE * number as f64, scale, longest);
    }
}

fn bar(svg: &mut String, row: &Row, top: f64, scale: f64, longest: f64) {
    let spread = row.wall_seconds;
    let at = |seconds: f64| NAMES + seconds.min(longest) * scale;
    let (middle, end) = (top + LINE / 2.0, at(spread.median));
    let fill = if row.ours { OURS } else { OTHERS };
    text(svg, NAMES - 8.0, middle + 4.0, "end", "", row.name);
    let (width, y) = (end - NAMES, middle - BAR / 2.0);
    writeln!(
        svg,
        "<rect x=\"{NAMES}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{fill}\"/>"
    )
    .unwrap_or_default();
    if spread.median > longest {
        let (from, to, below) = (end - 14.0, end - 8.0, y + BAR);
        writeln!(
            svg,
            "<line x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{below:.1}\" y2=\"{y:.1}\" \
             stroke=\"#ffffff\" stroke-width=\"4\"/>"
        )
        .unwrap_or_default();
    } else {
        let (from, to) = (at(spread.min), at(spread.max));
        writeln!(
            svg,
            "<line x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\" \
             stroke=\"#333333\"/>"
        )
        .unwrap_or_default();
    }
    let value = figures::time(Duration::from_secs_f64(spread.median));
    text(
        svg,
        end.max(at(spread.max)) + 6.0,
        middle + 4.0,
        "start",
        "",
        &value,
    );
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, more: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {more}>{text}</text>"
    )
    .unwrap_or_default();
}

/// The distance of the axis's marks: 1, 2 or 5 times a power of ten, so that there are four to ten
/// of them.
fn step(longest: f64) -> f64 {
    let power = 10f64.powf((longest.max(1e-3) / 4.0).log10().floor());
    [5.0, 2.0, 1.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| longest / step >= 4.0)
        .unwrap_or(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_few() {
        let marks = [0.05, 0.9, 3.1, 15.0, 47.0].map(|longest| (longest / step(longest)).floor());
        assert!(
            marks.iter().all(|count| (4.0..=10.0).contains(count)),
            "{marks:?}"
        );
    }
}
