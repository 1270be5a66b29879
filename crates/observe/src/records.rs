//! A log that grows, as records: an error and its trace are one, of however many lines.
//!
//! A record begins with the time that its program puts before it; lines without one belong to the
//! record before. So a record is over when the next one begins, or when nobody has written for a
//! while: see [`Records::end`]. A line in a log without times is a record by itself.

use crate::{Source, stamp};
use std::mem;

/// Bytes of a record that are kept: container runtimes cut longer lines, too.
pub const RECORD: usize = 16 << 10;

/// An error as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its beginning, without the end of its last line.
    pub bytes: Vec<u8>,
    /// There was more of it.
    pub cut: bool,
}

/// What of a log has no end yet. It takes twice [`RECORD`] at most.
#[derive(Debug)]
pub struct Records {
    source: Source,
    line: Vec<u8>,
    line_is_cut: bool,
    record: Vec<u8>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    // There is none.
    Between,
    // It began with a time: all lines without one are its own.
    Dated,
    // It did not: only lines of a trace are its own.
    Plain,
    // Its beginning was given: its other lines are left out.
    DatedOver,
    // The same, or it was never seen.
    Over,
    // The same, and in the middle of a line.
    Middle,
}

impl Records {
    /// Of a log that begins now.
    #[must_use]
    pub const fn new(source: Source) -> Self {
        Self {
            source,
            line: Vec::new(),
            line_is_cut: false,
            record: Vec::new(),
            state: State::Between,
        }
    }

    /// Takes what comes next, and gives `each` record that is over.
    pub fn take(&mut self, mut bytes: &[u8], mut each: impl FnMut(Record)) {
        while !bytes.is_empty() {
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let (line, rest) =
                end.map_or((bytes, &[][..]), |end| (&bytes[..end], &bytes[end + 1..]));
            bytes = rest;
            if self.state == State::Middle {
                if end.is_some() {
                    self.state = State::Over;
                }
                continue;
            }
            let room = RECORD - self.line.len();
            self.line.extend_from_slice(&line[..line.len().min(room)]);
            self.line_is_cut |= line.len() > room;
            if end.is_some() {
                self.line_ended(&mut each);
            }
        }
    }

    /// Gives what waits: nothing more of it will come.
    pub fn end(&mut self, mut each: impl FnMut(Record)) {
        if !self.line.is_empty() {
            self.line_ended(&mut each);
        }
        self.give(&mut each);
        if self.state != State::Middle {
            self.state = State::Between;
        }
    }

    /// Nobody has written for a while: gives what waits, unless its next line has begun already.
    pub fn pause(&mut self, mut each: impl FnMut(Record)) {
        let is_over = self.line.is_empty() || self.state == State::Plain && !is_trace(&self.line);
        if is_over && matches!(self.state, State::Dated | State::Plain) {
            self.give(&mut each);
            self.state = State::Between;
        }
    }

    /// Forgets what waits. What comes next begins a line.
    pub fn restart(&mut self) {
        *self = Self::new(self.source);
    }

    /// Forgets what waits. What comes next is in the middle of a line that is left out, with what
    /// belongs to it.
    pub fn restart_in_the_middle(&mut self) {
        self.restart();
        self.state = State::Middle;
    }

    /// Bytes that wait.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.line.len() + self.record.len()
    }

    fn line_ended(&mut self, each: &mut impl FnMut(Record)) {
        let (line, is_cut) = (mem::take(&mut self.line), mem::take(&mut self.line_is_cut));
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        let dated = begins(self.source, line);
        let belongs = !dated
            && match self.state {
                State::Dated | State::DatedOver => true,
                State::Plain | State::Over => is_trace(line),
                State::Between | State::Middle => false,
            };
        if belongs {
            if matches!(self.state, State::Dated | State::Plain) {
                self.append(line, is_cut, each);
            }
            return;
        }
        self.give(each);
        self.state = State::Between;
        if line.is_empty() {
            return;
        }
        self.state = if dated { State::Dated } else { State::Plain };
        self.record = line.to_vec();
        if is_cut {
            self.give_cut(each);
        }
    }

    fn append(&mut self, line: &[u8], is_cut: bool, each: &mut impl FnMut(Record)) {
        let room = RECORD.saturating_sub(self.record.len() + 1);
        if room > 0 {
            self.record.push(b'\n');
            self.record.extend_from_slice(&line[..line.len().min(room)]);
        }
        if is_cut || line.len() > room {
            self.give_cut(each);
        }
    }

    fn give(&mut self, each: &mut impl FnMut(Record)) {
        let mut bytes = mem::take(&mut self.record);
        bytes.truncate(bytes.trim_ascii_end().len());
        if !bytes.is_empty() {
            each(Record { bytes, cut: false });
        }
    }

    fn give_cut(&mut self, each: &mut impl FnMut(Record)) {
        let bytes = mem::take(&mut self.record);
        each(Record { bytes, cut: true });
        self.state = if self.state == State::Dated {
            State::DatedOver
        } else {
            State::Over
        };
    }
}

/// Whether a line begins a record, as far as its program says so.
#[must_use]
pub fn begins(source: Source, line: &[u8]) -> bool {
    let head = &line[..line.len().min(stamp::LONGEST)];
    let Some(after) = stamp::length(source, head) else {
        return false;
    };
    let after = &line[after..];
    match source {
        // Xdebug writes a trace as messages of its own.
        Source::Php => {
            let traced = after.strip_prefix(b"PHP ").map(<[u8]>::trim_ascii_start);
            !traced.is_some_and(|message| {
                message.starts_with(b"Stack trace:")
                    || message.first().is_some_and(u8::is_ascii_digit)
            })
        }
        _ => true,
    }
}

fn is_trace(line: &[u8]) -> bool {
    let numbered = line
        .strip_prefix(b"#")
        .and_then(|rest| rest.first())
        .is_some_and(u8::is_ascii_digit);
    numbered
        || line.first().is_some_and(u8::is_ascii_whitespace)
        || line.starts_with(b"Stack trace:")
        || line.starts_with(b"[stacktrace]")
}

#[cfg(test)]
mod tests;
