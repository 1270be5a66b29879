//! What was measured of pods, drawn: one bar a pod, one colour a stage.

#![allow(
    clippy::disallowed_methods,
    clippy::format_push_string,
    reason = "the harness makes its files itself, and has no failpoints"
)]

use std::{fs, path::Path};

/// One pod.
#[derive(Debug, Clone)]
pub struct Bar {
    /// What stands beside it.
    pub label: String,
    /// When each stage ended, in seconds.
    pub ends: Vec<f64>,
}

/// Writes a report and its picture into `directory` as `NAME.json` and `NAME.svg`.
///
/// # Panics
///
/// The directory is not writable.
pub fn write(directory: &Path, name: &str, report: &str, picture: &str) {
    for (kind, text) in [("json", report), ("svg", picture)] {
        let path = directory.join(format!("{name}.{kind}"));
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

const COLOURS: [&str; 8] = [
    "#8c8c8c", "#4e79a7", "#f28e2b", "#edc948", "#59a14f", "#b07aa1", "#76b7b2", "#ff9da7",
];
/// In pixels: the picture's width, that of the labels beside the bars, and the height of a bar with
/// its gap.
const WIDTH: f64 = 860.0;
const LABELS: f64 = 190.0;
const ROW: f64 = 30.0;

/// Bars of stages with these names, of which there are at most eight.
#[must_use]
pub fn picture(title: &str, stages: &[&str], bars: &[Bar]) -> String {
    let longest = bars
        .iter()
        .filter_map(|bar| bar.ends.last().copied())
        .fold(1.0, f64::max);
    let scale = (WIDTH - LABELS - 70.0) / longest;
    #[allow(clippy::cast_precision_loss, reason = "a handful of bars")]
    let row = |number: usize| number as f64 * ROW + 40.0;
    let mut svg = String::new();
    for (number, bar) in bars.iter().enumerate() {
        let (y, mut begin) = (row(number), 0.0);
        svg += &format!("<text x=\"10\" y=\"{}\">{}</text>\n", y + 15.0, bar.label);
        for ((end, stage), colour) in bar.ends.iter().zip(stages).zip(COLOURS) {
            let (x, width) = (LABELS + begin * scale, (end - begin) * scale);
            let title = format!("{stage}: {:.2} s", end - begin);
            svg += &format!(
                "<rect x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"20\" \
                 fill=\"{colour}\"><title>{title}</title></rect>\n"
            );
            begin = *end;
        }
        svg += &format!(
            "<text x=\"{:.1}\" y=\"{}\">{begin:.1} s</text>\n",
            LABELS + begin * scale + 6.0,
            y + 15.0
        );
    }
    let (mut x, mut y) = (10.0, row(bars.len()) + 15.0);
    for (stage, colour) in stages.iter().zip(COLOURS) {
        #[allow(clippy::cast_precision_loss, reason = "a short word")]
        let wide = 40.0 + stage.chars().count() as f64 * 7.2;
        if x + wide > WIDTH {
            (x, y) = (10.0, y + 20.0);
        }
        svg += &format!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\n<text \
             x=\"{}\" y=\"{}\">{stage}</text>\n",
            x + 17.0,
            y + 11.0
        );
        x += wide;
    }
    let height = y + 45.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" \
         fill=\"white\"/>\n<text x=\"10\" y=\"22\" font-size=\"15\">{title}</text>\n{svg}</svg>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_has_its_share_of_the_bar_and_its_word_below() {
        let bars = [Bar {
            label: "n1".to_owned(),
            ends: vec![1.0, 1.0, 4.0],
        }];
        let svg = picture("a title", &["first", "none", "last"], &bars);
        for part in [
            ">a title<",
            ">n1<",
            "first: 1.00 s",
            "none: 0.00 s",
            "last: 3.00 s",
            ">4.0 s<",
            ">last</text>",
        ] {
            assert!(svg.contains(part), "{part} in\n{svg}");
        }
        // 600 pixels are the longest bar.
        assert!(svg.contains(r#"x="340.0" y="40" width="450.0""#), "{svg}");
    }
}
