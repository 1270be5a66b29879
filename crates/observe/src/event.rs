//! What is known of one error.

use crate::{
    Fingerprint, Record, Severity, Source,
    frames::frames,
    mask::masked,
    page,
    read::{read, report_text, unescaped},
    stamp, text,
    values::{name, without_values},
};
use jiff::Timestamp;

/// An error: what it is, and what may leave the pod of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The name of its group.
    pub fingerprint: Fingerprint,
    /// Where it was written.
    pub source: Source,
    /// How bad it is.
    pub severity: Severity,
    /// The exception's class, or its program's word for the kind of error.
    pub class: String,
    /// Its message without the values in it.
    pub message: String,
    /// The topmost calls of its trace, as `Class::method`, five at most.
    pub frames: Vec<String>,
    /// When it happened, if its program says so.
    pub time: Option<Timestamp>,
    /// The record without secrets and personal data, in its lines.
    pub text: String,
    /// There was more of it.
    pub cut: bool,
}

impl Event {
    /// Reads a record; `None` if another record says the same.
    #[must_use]
    pub fn from_record(source: Source, record: &Record) -> Option<Self> {
        let time = stamp::time(source, &record.bytes);
        let length = stamp::length(
            source,
            &record.bytes[..record.bytes.len().min(stamp::LONGEST)],
        );
        let mut text = text::lines(&record.bytes);
        if source == Source::Report {
            text = report_text(&text);
        }
        // A time has nothing in it that is masked.
        let text = masked(&text);
        let parts = read(source, &text, length.unwrap_or(0))?;
        let frames = if text.contains("\\n#") {
            frames(&unescaped(&text))
        } else {
            frames(&text)
        };
        let class = name(&parts.class);
        let message = without_values(&parts.message);
        Some(Self {
            fingerprint: Fingerprint::new(&class, &message, &frames),
            source,
            severity: parts.severity,
            class: text::within(&class, page::CLASS).0.to_owned(),
            message: text::within(&message, page::MESSAGE).0.to_owned(),
            frames,
            time,
            text,
            cut: record.cut,
        })
    }
}

#[cfg(test)]
mod tests;
