//! What a watcher sees while work is going on: bars on a terminal, a line a step elsewhere, JSON
//! for a machine. All of it goes to standard error; standard output holds the result and nothing
//! else.

use crate::Output;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};
use std::{
    io::{self, IsTerminal, Write},
    time::Instant,
};

/// How progress is shown.
#[derive(Debug)]
enum Style {
    Bars(MultiProgress),
    Lines,
    Json,
}

/// The progress of one command.
#[derive(Debug)]
pub(crate) struct Progress {
    style: Style,
    start: Instant,
}

impl Progress {
    /// Bars where standard error is a terminal, JSON lines where the result is JSON too, plain
    /// lines otherwise.
    #[must_use]
    pub(crate) fn new(output: Output) -> Self {
        let style = match output {
            Output::Json => Style::Json,
            Output::Text if io::stderr().is_terminal() => Style::Bars(MultiProgress::new()),
            Output::Text => Style::Lines,
        };
        Self {
            style,
            start: Instant::now(),
        }
    }

    /// Says that a step was done, with its figures.
    pub(crate) fn step(&self, step: &str, text: &str, figures: &[(&str, Value)]) {
        let line = match &self.style {
            Style::Bars(bars) => {
                // A terminal that went away must not end the work.
                bars.println(text).ok();
                return;
            }
            Style::Lines => format!("{text}\n"),
            Style::Json => {
                let mut event = Map::from_iter([
                    ("step".to_owned(), json!(step)),
                    ("elapsed_seconds".to_owned(), json!(self.seconds())),
                ]);
                event.extend(
                    figures
                        .iter()
                        .map(|(name, value)| ((*name).to_owned(), value.clone())),
                );
                format!("{}\n", Value::Object(event))
            }
        };
        io::stderr().lock().write_all(line.as_bytes()).ok();
    }

    /// Says what went wrong and was coped with.
    pub(crate) fn warn(&self, text: &str) {
        self.step(
            "warning",
            &format!("warning: {text}"),
            &[("warning", json!(text))],
        );
    }

    /// A bar over `bytes`; shown on a terminal only, and gone when it is dropped.
    #[must_use]
    pub(crate) fn bar(&self, label: &str, bytes: u64) -> Bar {
        let Style::Bars(bars) = &self.style else {
            return Bar(None);
        };
        let style = ProgressStyle::with_template(
            "{msg:28!} {wide_bar:.cyan/dim} {bytes:>10}/{total_bytes:<10} {bytes_per_sec:>12} \
             {eta:>4}",
        );
        let bar = bars.add(ProgressBar::new(bytes));
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(label.to_owned());
        Bar(Some(bar))
    }

    /// Seconds since the command started, to the millisecond.
    #[must_use]
    pub(crate) fn seconds(&self) -> f64 {
        (self.start.elapsed().as_secs_f64() * 1000.0).round() / 1000.0
    }
}

/// A bar that fills; nothing if nobody watches.
#[derive(Debug)]
pub(crate) struct Bar(Option<ProgressBar>);

impl Bar {
    /// Makes it as long as is known by now.
    pub(crate) fn grow_to(&self, bytes: u64) {
        if let Some(bar) = &self.0 {
            bar.set_length(bytes);
        }
    }

    /// Fills it up to `bytes`.
    pub(crate) fn reach(&self, bytes: u64) {
        if let Some(bar) = &self.0 {
            bar.set_position(bytes);
        }
    }

    /// Adds `bytes`.
    pub(crate) fn add(&self, bytes: u64) {
        if let Some(bar) = &self.0 {
            bar.inc(bytes);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
