//! Events on standard error, as text for a person or as JSON for a collector.

use crate::Setting;
use std::{
    fmt::Write as _,
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
    /// The format if none was asked for: text when a person watches, JSON otherwise.
    #[must_use]
    pub fn from_stderr() -> Self {
        if io::stderr().is_terminal() {
            Self::Text
        } else {
            Self::Json
        }
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
    const EXPECTED: &'static str = "a level (error, warn, info, debug, trace, off), and \
                                    target=level where one differs, such as warn,store=debug";

    fn read(text: &str) -> Option<Self> {
        const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
        // `Targets` takes a misspelt level for the name of a target and then logs nothing else.
        let checked = text.split(',').all(|part| match part.split_once('=') {
            Some((target, level)) => is_path(target) && LEVELS.contains(&level),
            None => LEVELS.contains(&part),
        });
        if checked {
            text.parse().ok().map(Self)
        } else {
            None
        }
    }
}

fn is_path(target: &str) -> bool {
    target.split("::").all(|part| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

/// Sends every event that `filter` lets through to standard error, until the process ends.
///
/// # Panics
///
/// When it is called a second time.
pub fn start(filter: &Filter, format: Format) {
    let (filter, handle) = reload::Layer::new(filter.clone().0);
    tracing::subscriber::set_global_default(subscriber(filter, format, io::stderr))
        .expect("telemetry is started once, by main");
    RUNNING.get_or_init(|| handle);
}

/// Logs what `filter` lets through from now on; `false` if telemetry was not started.
#[must_use]
pub fn change(filter: &Filter) -> bool {
    RUNNING
        .get()
        .is_some_and(|running| running.reload(filter.clone().0).is_ok())
}

/// A subscriber that writes events of level `error` to `writer`, whatever filter the process has.
pub(crate) fn errors_to<W>(format: Format, writer: W) -> Dispatch
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    Dispatch::new(subscriber(
        Targets::new().with_default(tracing::Level::ERROR),
        format,
        writer,
    ))
}

fn subscriber<W>(
    filter: impl Filters<Registry> + Send + Sync + 'static,
    format: Format,
    writer: W,
) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let events = fmt::layer().with_writer(OneLine {
        inner: writer,
        format,
        colours: io::stderr().is_terminal(),
    });
    let events: Box<dyn Layer<Registry> + Send + Sync> = match format {
        Format::Text => events
            .compact()
            .with_ansi(io::stderr().is_terminal())
            .boxed(),
        Format::Json => events
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .boxed(),
    };
    tracing_subscriber::registry().with(events.with_filter(filter))
}

/// A writer that gives each event one line and no other control character, whatever text of a shop,
/// a hook or a store its fields have: so no such text passes for an event of ours.
#[derive(Debug)]
struct OneLine<W> {
    inner: W,
    format: Format,
    /// The layer adds some, and then escapes those of others itself.
    colours: bool,
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for OneLine<W> {
    type Writer = OneLine<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        OneLine {
            inner: self.inner.make_writer(),
            format: self.format,
            colours: self.colours,
        }
    }
}

impl<W: io::Write> io::Write for OneLine<W> {
    /// Takes a whole event, as the layer writes it.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let mut shown = String::with_capacity(text.len());
        for sign in line.chars() {
            match self.format {
                Format::Text if sign == '\u{1b}' && self.colours => shown.push(sign),
                // Writing to a String never fails.
                Format::Text if is_moving(sign) => {
                    write!(shown, "{}", sign.escape_unicode()).unwrap_or_default();
                }
                // All of them have four digits; a reader of JSON gets the sign itself.
                Format::Json if is_moving(sign) => {
                    write!(shown, "\\u{:04x}", u32::from(sign)).unwrap_or_default();
                }
                _ => shown.push(sign),
            }
        }
        shown.push('\n');
        self.inner.write_all(shown.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Whether a sign ends a line, moves a terminal's cursor, or makes a line read otherwise than it
/// is.
fn is_moving(sign: char) -> bool {
    sign != '\t' && sign.is_control()
        || matches!(sign, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written of an event that has `text` in each kind of field.
    fn written(format: Format, text: &str) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        tracing::subscriber::with_default(
            subscriber(
                Targets::new().with_default(tracing::Level::INFO),
                format,
                move || writer.clone(),
            ),
            || {
                tracing::info!(line = text, shown = %text, debugged = ?text, "{text}");
            },
        );
        String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
    }

    proptest! {
        #[test]
        fn an_event_is_one_line_whatever_its_fields_hold(
            text in prop_oneof![any::<String>(), "[\na\r\u{1b}\u{7f}\u{85}\u{202e}\u{2028}\"{}]{0,40}"],
        ) {
            for format in [Format::Text, Format::Json] {
                let line = written(format, &text);
                let signs = line.strip_suffix('\n').unwrap();
                prop_assert!(!signs.chars().any(is_moving), "{line:?}");
                if format == Format::Json {
                    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
                    for field in ["line", "shown", "message"] {
                        prop_assert_eq!(event[field].as_str(), Some(text.as_str()));
                    }
                    prop_assert_eq!(event["level"].as_str(), Some("INFO"));
                }
            }
        }
    }

    #[test]
    fn a_forged_event_stays_in_its_field() {
        let forged = "x\n{\"level\":\"ERROR\",\"message\":\"failed\"}\n2026-01-01T00:00:00Z ERROR \
                      agent: failed";
        assert_eq!(written(Format::Text, forged).lines().count(), 1);
        let line = written(Format::Json, forged);
        assert!(
            !line.contains("\"level\":\"ERROR\"") && line.matches("\"level\":").count() == 1,
            "{line}"
        );
    }

    #[test]
    fn a_misspelt_level_is_refused_and_not_taken_for_a_target() {
        for good in [
            "info",
            "off",
            "warn,store=debug",
            "aws_config=trace,error",
            "deploy::pull=debug",
        ] {
            assert!(Filter::read(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "inof",
            "INFO",
            "warn,",
            "warn,store",
            "=debug",
            "store=loud",
            "warn, debug",
            "info;store=debug",
        ] {
            assert!(Filter::read(bad).is_none(), "{bad}");
        }
    }
}
