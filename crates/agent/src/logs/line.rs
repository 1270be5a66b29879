//! Lines of a log that somebody else writes: split, bounded, and made harmless to show. Pure.

use std::fmt::Write as _;

/// Bytes of a line that are shown: container runtimes cut what is longer, too.
pub(super) const LIMIT: usize = 16 << 10;

/// A line, or the beginning of a longer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// As it is shown.
    pub(super) text: String,
    /// There was more of it.
    pub(super) cut: bool,
}

/// What of a file has no end yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
    // The rest of a line whose beginning was shown, or never seen.
    skips: bool,
}

impl Lines {
    /// Takes what comes next, and gives `each` line that is complete or over the limit.
    pub(super) fn take(&mut self, mut bytes: &[u8], mut each: impl FnMut(Line)) {
        while !bytes.is_empty() {
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let (line, rest) =
                end.map_or((bytes, &[][..]), |end| (&bytes[..end], &bytes[end + 1..]));
            bytes = rest;
            if !self.skips {
                let room = LIMIT - self.partial.len();
                self.partial
                    .extend_from_slice(&line[..line.len().min(room)]);
                if line.len() > room {
                    self.give(true, &mut each);
                    self.skips = true;
                } else if end.is_some() {
                    self.give(false, &mut each);
                }
            }
            self.skips &= end.is_none();
        }
    }

    /// Gives what has no end, and will get none.
    pub(super) fn end(&mut self, mut each: impl FnMut(Line)) {
        if !self.partial.is_empty() {
            self.give(false, &mut each);
        }
        self.skips = false;
    }

    /// Forgets what has no end; what comes next begins in the middle of a line, or does not.
    pub(super) fn restart(&mut self, in_the_middle: bool) {
        self.partial.clear();
        self.skips = in_the_middle;
    }

    fn give(&mut self, cut: bool, each: &mut impl FnMut(Line)) {
        let line = self.partial.strip_suffix(b"\r").unwrap_or(&self.partial);
        if !line.is_empty() {
            each(Line {
                text: shown(line),
                cut,
            });
        }
        self.partial.clear();
    }
}

/// Text that changes no terminal and ends no line, whatever the bytes are: `\u{1b}` for a control
/// character, `\xff` for what is no UTF-8.
pub(super) fn shown(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for sign in chunk.valid().chars() {
            // Writing to a String never fails.
            if sign != '\t' && (sign.is_control() || is_directional(sign)) {
                write!(text, "{}", sign.escape_unicode()).ok();
            } else {
                text.push(sign);
            }
        }
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").ok();
        }
    }
    text
}

// Those that make a line read otherwise than it is.
fn is_directional(sign: char) -> bool {
    matches!(sign, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(parts: &[&[u8]]) -> Vec<(String, bool)> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for part in parts {
            lines.take(part, |line| found.push((line.text, line.cut)));
        }
        lines.end(|line| found.push((line.text, line.cut)));
        found
    }

    fn texts(parts: &[&[u8]]) -> Vec<String> {
        all(parts).into_iter().map(|(text, _)| text).collect()
    }

    #[test]
    fn a_line_waits_for_its_end() {
        let mut lines = Lines::default();
        lines.take(b"half a l", |line| panic!("{line:?}"));
        let mut found = Vec::new();
        lines.take(b"ine\r\n\nnext", |line| found.push(line.text));
        assert_eq!(found, ["half a line"]);
        assert_eq!(texts(&[b"a", b"b\nc", b"", b"\n", b"d"]), ["ab", "c", "d"]);
    }

    #[test]
    fn a_long_line_is_cut_once_and_marked() {
        let long = vec![b'x'; 3 * LIMIT];
        let found = all(&[&long, &long, b"tail\nnext\n"]);
        assert_eq!(
            found
                .iter()
                .map(|(text, cut)| (text.len(), *cut))
                .collect::<Vec<_>>(),
            [(LIMIT, true), (4, false)]
        );
        assert_eq!(
            all(&[&vec![b'x'; LIMIT], b"\n"]),
            [("x".repeat(LIMIT), false)]
        );
    }

    #[test]
    fn junk_is_shown_as_what_it_is() {
        assert_eq!(
            shown(b"\x1b[2J\x00\tgr\xc3\xbc\xc3\x9fe \xff\xfe\xe2\x80\xae"),
            "\\u{1b}[2J\\u{0}\tgrüße \\xff\\xfe\\u{202e}"
        );
    }

    proptest! {
        #[test]
        fn how_a_file_is_read_changes_nothing(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..300),
            cuts in prop::collection::vec(0..300_usize, 0..5),
        ) {
            let mut at: Vec<usize> = cuts
                .into_iter()
                .map(|cut| cut.min(bytes.len()))
                .chain([0, bytes.len()])
                .collect();
            at.sort_unstable();
            let parts: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(all(&parts), all(&[&bytes]));
            prop_assert!(
                texts(&parts)
                    .iter()
                    .all(|line| line.chars().all(|sign| sign == '\t' || !sign.is_control()))
            );
        }
    }
}
