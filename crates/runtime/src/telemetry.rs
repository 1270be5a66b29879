//! Events on standard error, as text for a person or as JSON for a collector.

use crate::Setting;
use std::{
    io::{self, IsTerminal as _},
    sync::OnceLock,
};
use tracing::{Dispatch, Subscriber};
use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    fmt::{self, MakeWriter},
    layer::{Filter as Filters, SubscriberExt as _},
    reload,
};

/// The filter of the running process.
static RUNNING: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One line of text an event.
    Text,
    /// One JSON object a line, its fields beside `timestamp`, `level`, `message` and `target`.
    Json,
}

impl Format {
    /// The format where none was asked for: text when a person watches, JSON otherwise.
    #[must_use]
    pub fn of_stderr() -> Self {
        if io::stderr().is_terminal() { Self::Text } else { Self::Json }
    }
}

impl Setting for Format {
    const EXPECTED: &'static str = "text or json";

    fn read(text: &str) -> Option<Self> {
        match text {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Which events are logged: a level for all, and other levels for the targets that need them.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter(Targets);

impl std::fmt::Display for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Setting for Filter {
    const EXPECTED: &'static str =
        "a level (error, warn, info, debug, trace, off), and target=level where one differs, such as warn,store=debug";

    fn read(text: &str) -> Option<Self> {
        const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
        // `Targets` takes a misspelt level for the name of a target and then logs nothing else.
        let checked = text.split(',').all(|part| match part.split_once('=') {
            Some((target, level)) => is_path(target) && LEVELS.contains(&level),
            None => LEVELS.contains(&part),
        });
        if checked { text.parse().ok().map(Self) } else { None }
    }
}

fn is_path(target: &str) -> bool {
    target.split("::").all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
}

/// Sends every event that `filter` lets through to standard error, until the process ends.
///
/// # Panics
///
/// When it is called a second time.
pub fn start(filter: &Filter, format: Format) {
    let (filter, handle) = reload::Layer::new(filter.clone().0);
    tracing::subscriber::set_global_default(subscriber(filter, format, io::stderr)).expect("telemetry is started once, by main");
    RUNNING.get_or_init(|| handle);
}

/// Logs what `filter` lets through from now on; `false` where telemetry was not started.
#[must_use]
pub fn change(filter: &Filter) -> bool {
    RUNNING.get().is_some_and(|running| running.reload(filter.clone().0).is_ok())
}

/// A subscriber that writes events of level `error` to `writer`, whatever filter the process has.
pub(crate) fn errors_to<W>(format: Format, writer: W) -> Dispatch
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    Dispatch::new(subscriber(Targets::new().with_default(tracing::Level::ERROR), format, writer))
}

fn subscriber<W>(filter: impl Filters<Registry> + Send + Sync + 'static, format: Format, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let events = fmt::layer().with_writer(writer);
    let events: Box<dyn Layer<Registry> + Send + Sync> = match format {
        Format::Text => events.compact().with_ansi(io::stderr().is_terminal()).boxed(),
        Format::Json => events.json().flatten_event(true).with_span_list(false).boxed(),
    };
    tracing_subscriber::registry().with(events.with_filter(filter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_level_is_refused_and_not_taken_for_a_target() {
        for good in ["info", "off", "warn,store=debug", "aws_config=trace,error", "deploy::pull=debug"] {
            assert!(Filter::read(good).is_some(), "{good}");
        }
        for bad in ["", "inof", "INFO", "warn,", "warn,store", "=debug", "store=loud", "warn, debug", "info;store=debug"] {
            assert!(Filter::read(bad).is_none(), "{bad}");
        }
    }
}
