//! What Magento's files say: Monolog's lines, `Zend_Log`'s, and reports.

use super::{Parts, first_line, kind, message_of, thrown};
use crate::Severity;

/// Levels of Monolog and of `Zend_Log`, and how bad they are. Magento writes exceptions that it
/// caught as `CRITICAL`.
const LEVELS: [(&str, Severity); 12] = [
    ("DEBUG", Severity::Notice),
    ("INFO", Severity::Notice),
    ("NOTICE", Severity::Notice),
    ("WARNING", Severity::Warning),
    ("WARN", Severity::Warning),
    ("ERROR", Severity::Error),
    ("ERR", Severity::Error),
    ("CRITICAL", Severity::Error),
    ("CRIT", Severity::Error),
    ("ALERT", Severity::Fatal),
    ("EMERGENCY", Severity::Fatal),
    ("EMERG", Severity::Fatal),
];
const OBJECT: &str = "[object] (";

/// What a line says that no program dated.
pub(super) fn undated(body: &str) -> Parts {
    Parts::new(Severity::Notice, "log", first_line(body))
}

pub(super) fn log(body: &str) -> Parts {
    let plain = || undated(body);
    let Some((head, rest)) = body.split_once(": ").or_else(|| body.split_once(":\n")) else {
        return php_or(body, plain);
    };
    // `main.CRITICAL`, `ERR (3)`.
    let word = head.rsplit('.').next().unwrap_or(head);
    let word = word.split(' ').next().unwrap_or(word);
    let Some((word, severity)) = LEVELS.iter().find(|(level, _)| *level == word) else {
        return php_or(body, plain);
    };
    let rest = rest.trim_start();
    if let Some((class, message)) = object(rest) {
        return Parts::new(*severity, class, message);
    }
    let trace = rest.contains("\n#0 ") || rest.contains("\n#1 ");
    if let Some((class, message)) = thrown(rest)
        .filter(|(class, _)| trace || class.ends_with("Exception") || class.ends_with("Error"))
    {
        return Parts::new(*severity, class, message);
    }
    // PHP's own errors, as Magento's handler writes them.
    if let Some(parts) = kind(rest) {
        return Parts {
            severity: parts.severity.min(*severity),
            ..parts
        };
    }
    Parts::new(*severity, *word, without_context(&first_line(rest)))
}

fn php_or(body: &str, plain: impl FnOnce() -> Parts) -> Parts {
    kind(body.strip_prefix("PHP ").unwrap_or(body)).unwrap_or_else(plain)
}

/// An exception as Monolog writes it: `[object] (Class(code: 0): message at FILE:N)`.
fn object(text: &str) -> Option<(String, String)> {
    let inner = unescaped(text.split_once(OBJECT)?.1);
    let (class, rest) = inner.split_once("(code: ")?;
    let (_, rest) = rest.split_once("): ")?;
    let end = rest
        .match_indices(" at ")
        .map(|(at, _)| at)
        .find(|at| {
            let place = &rest[at + 4..];
            let place = &place[..place.find([')', '\n', ',']).unwrap_or(place.len())];
            place.rsplit_once(':').is_some_and(|(_, line)| {
                !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit())
            })
        })
        .unwrap_or(rest.len());
    Some((class.to_owned(), message_of(&rest[..end])))
}

/// A text of JSON as it was, as far as names and lines go.
pub(crate) fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let (sign, length) = match rest.as_bytes().first() {
            Some(b'n') => ("\n", 1),
            Some(b't') => ("\t", 1),
            Some(b'r') => ("", 1),
            Some(b'"') => ("\"", 1),
            Some(b'/') => ("/", 1),
            Some(b'\\') => ("\\", 1),
            _ => ("\\", 0),
        };
        out.push_str(sign);
        rest = &rest[length..];
    }
    out + rest
}

/// A message without the JSON that Monolog puts after it.
fn without_context(line: &str) -> String {
    let line = line
        .trim_end()
        .trim_end_matches("[]")
        .trim_end()
        .trim_end_matches("{}");
    let line = line.trim_end().trim_end_matches("[]").trim_end();
    let end = line
        .find(" {\"")
        .or_else(|| line.find(" [\""))
        .unwrap_or(line.len());
    line[..end].to_owned()
}

/// A report whose message and trace were taken out of it: see [`report_text`].
pub(super) fn report(body: &str) -> Parts {
    let uncaught =
        thrown(body).filter(|(class, _)| class.ends_with("Exception") || class.ends_with("Error"));
    match uncaught {
        Some((class, message)) => Parts::new(Severity::Fatal, class, message),
        None => Parts::new(Severity::Fatal, "Report", message_of(body)),
    }
}

/// A report as text: its message, its trace, and what was asked for. Magento 1 writes it as PHP
/// serializes an array, Magento 2 as JSON; another file stays as it is.
pub(crate) fn report_text(file: &str) -> String {
    let trimmed = file.trim_start();
    let get: fn(&str, &str) -> Option<String> = if trimmed.starts_with("a:") {
        serialized
    } else if trimmed.starts_with('{') || trimmed.starts_with('[') {
        json
    } else {
        return file.to_owned();
    };
    let Some(message) = get(trimmed, "0") else {
        return file.to_owned();
    };
    let mut text = message.trim().to_owned();
    let trace = get(trimmed, "1").unwrap_or_default();
    for (before, part) in [("\n", Some(trace)), ("\nurl: ", get(trimmed, "url"))] {
        let part = part.unwrap_or_default();
        let part = part
            .trim()
            .trim_start_matches("<pre>")
            .trim_end_matches("</pre>")
            .trim();
        if !part.is_empty() {
            text = text + before + part;
        }
    }
    text
}

fn json(file: &str, key: &str) -> Option<String> {
    let value = if file.starts_with('[') {
        // An array: the first of its texts, and the second.
        let first = file.find('"')? + 1;
        match key {
            "0" => &file[first..],
            "1" => {
                let rest = &file[first + text_length(&file[first..])..];
                rest.strip_prefix("\",")?.trim_start().strip_prefix('"')?
            }
            _ => return None,
        }
    } else {
        let (_, rest) = file.split_once(&format!("\"{key}\":"))?;
        rest.trim_start().strip_prefix('"')?
    };
    let text = &value[..text_length(value)];
    // What is cut in the middle of a sign has none there.
    let whole = format!("\"{text}\"");
    Some(serde_json::from_str(&whole).unwrap_or_else(|_cut| unescaped(text)))
}

fn text_length(text: &str) -> usize {
    let (bytes, mut at) = (text.as_bytes(), 0);
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    text.floor_char_boundary(at)
}

fn serialized(file: &str, key: &str) -> Option<String> {
    let key = if key.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("i:{key};s:")
    } else {
        format!("s:{}:\"{key}\";s:", key.len())
    };
    let (_, rest) = file.split_once(&key)?;
    let (length, rest) = rest.split_once(":\"")?;
    let length: usize = length.parse().ok()?;
    // Bytes that are no UTF-8 were written otherwise since: then the length is too short, and never
    // too long.
    Some(rest[..rest.floor_char_boundary(length)].to_owned())
}
