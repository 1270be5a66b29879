//! What a record says, as each program writes it: how bad it is, what it is called, and its
//! message.

mod log;
mod server;

pub(crate) use log::{report_text, unescaped};

use crate::{Severity, Source};

/// What a record says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) severity: Severity,
    pub(crate) class: String,
    pub(crate) message: String,
}

impl Parts {
    fn new(severity: Severity, class: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity,
            class: class.into(),
            message: message.into(),
        }
    }
}

/// What PHP calls kinds of errors.
const KINDS: [(&str, Severity); 14] = [
    ("Fatal error", Severity::Fatal),
    ("Parse error", Severity::Fatal),
    ("Recoverable fatal error", Severity::Fatal),
    ("Catchable fatal error", Severity::Fatal),
    ("Compile error", Severity::Fatal),
    ("Core error", Severity::Fatal),
    ("Unknown error", Severity::Error),
    ("User Error", Severity::Error),
    ("Warning", Severity::Warning),
    ("Core warning", Severity::Warning),
    ("Compile warning", Severity::Warning),
    ("Notice", Severity::Notice),
    ("Deprecated", Severity::Notice),
    ("Strict Standards", Severity::Notice),
];

/// What the record `text` says, without the `stamp` that it begins with; `None` if another record
/// says the same.
pub(crate) fn read(source: Source, text: &str, stamp: usize) -> Option<Parts> {
    let body = text.get(stamp..).unwrap_or(text);
    match source {
        Source::Php => Some(php(body)),
        Source::Fpm => server::fpm(body),
        Source::Slow => Some(server::slow(body)),
        Source::Nginx => Some(server::nginx(body)),
        Source::Log if stamp > 0 => Some(log::log(body)),
        Source::Log => Some(log::undated(body)),
        Source::Report => Some(log::report(body)),
    }
}

fn php(body: &str) -> Parts {
    kind(body.strip_prefix("PHP ").unwrap_or(body)).unwrap_or_else(|| {
        // What a program gave to error_log().
        match thrown(body) {
            Some((class, message)) => Parts::new(Severity::Error, class, message),
            None => Parts::new(Severity::Warning, "error_log", first_line(body)),
        }
    })
}

/// `Warning:  message in FILE on line N`, `Fatal error:  Uncaught Class: message in FILE:N`.
fn kind(body: &str) -> Option<Parts> {
    let (class, severity, rest) = KINDS.iter().find_map(|(class, severity)| {
        let rest = body.strip_prefix(class)?.strip_prefix(':')?;
        Some((class, *severity, rest.trim_start()))
    })?;
    let uncaught = rest.strip_prefix("Uncaught ").and_then(thrown);
    Some(match uncaught {
        Some((class, message)) => Parts::new(severity, class, message),
        None => Parts::new(severity, *class, message_of(rest)),
    })
}

/// The class and the message of an exception as text: `Class: message in FILE:N`, or
/// `exception 'Class' with message 'message' in FILE:N`, as PHP 5 wrote it.
fn thrown(text: &str) -> Option<(String, String)> {
    let old = text
        .strip_prefix("exception '")
        .or_else(|| text.strip_prefix("Exception '"))
        .and_then(|rest| rest.split_once('\''));
    if let Some((class, rest)) = old {
        let rest = rest.strip_prefix(" with message '").unwrap_or(rest);
        let end = rest.find("' in ").unwrap_or(rest.len());
        return is_class(class).then(|| (class.to_owned(), rest[..end].to_owned()));
    }
    let name = text
        .find(|sign: char| !(sign.is_alphanumeric() || "_\\@".contains(sign)))
        .unwrap_or(text.len());
    let (class, mut rest) = text.split_at(name);
    if class.ends_with("@anonymous\\u") || class.ends_with("@anonymous") {
        // `class@anonymous\0FILE:N$0: message`
        rest = rest.find('$').map_or(rest, |at| {
            rest[at + 1..].trim_start_matches(|sign: char| sign.is_ascii_hexdigit())
        });
    }
    if !is_class(class) {
        return None;
    }
    let class = class.strip_suffix("\\u").unwrap_or(class);
    if rest.starts_with(" in ") {
        return Some((class.to_owned(), String::new()));
    }
    let message = message_of(rest.strip_prefix(": ")?);
    Some((class.to_owned(), message))
}

fn is_class(name: &str) -> bool {
    name.starts_with(|first: char| first.is_alphabetic() || "_\\".contains(first))
}

/// The message before its trace, without the place where it was thrown.
fn message_of(text: &str) -> String {
    let end = [
        "\nStack trace:",
        "\n[stacktrace]",
        "\n#0 ",
        "\n#1 ",
        "\n\nNext ",
    ]
    .iter()
    .filter_map(|begins| text.find(begins))
    .min();
    let message = &text[..end.unwrap_or(text.len())];
    // With a trace, the place is there only: another line of the same file is the same error. So is
    // it elsewhere, but then the file is all that tells where.
    let place = end.and_then(|_| message.rfind(" in "));
    message[..place.unwrap_or(message.len())].to_owned()
}

fn first_line(text: &str) -> String {
    text.trim_start()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests;
