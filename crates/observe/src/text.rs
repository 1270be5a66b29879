//! Text that somebody else wrote, made harmless to show, and cut to a bound.

use std::fmt::Write as _;

/// Text in one line that changes no terminal, whatever the bytes are: `\u{1b}` for a control
/// character, `\xff` for what is no UTF-8.
#[must_use]
pub fn one_line(bytes: &[u8]) -> String {
    escaped(bytes, |sign| sign == '\t')
}

/// The same, with its lines; they end with `\n` alone.
#[must_use]
pub fn lines(bytes: &[u8]) -> String {
    let mut text = escaped(bytes, |sign| sign == '\t' || sign == '\n' || sign == '\r');
    if text.contains('\r') {
        text = text.replace("\r\n", "\n").replace('\r', "\\r");
    }
    text
}

fn escaped(bytes: &[u8], stays: impl Fn(char) -> bool) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for sign in chunk.valid().chars() {
            // Writing to a String never fails.
            if !stays(sign) && (sign.is_control() || is_directional(sign)) {
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

/// The beginning of `text` that takes `limit` bytes at most as a string of JSON, and whether there
/// is more of it.
#[must_use]
pub fn within(text: &str, limit: usize) -> (&str, bool) {
    let mut taken = 0;
    for (at, sign) in text.char_indices() {
        taken += match sign {
            '"' | '\\' | '\n' | '\t' => 2,
            sign if sign < ' ' => 6,
            sign => sign.len_utf8(),
        };
        if taken > limit {
            return (&text[..at], true);
        }
    }
    (text, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn junk_is_shown_as_what_it_is() {
        assert_eq!(
            one_line(b"\x1b[2J\x00\tgr\xc3\xbc\xc3\x9fe\n\xff\xfe\xe2\x80\xae"),
            "\\u{1b}[2J\\u{0}\tgrüße\\u{a}\\xff\\xfe\\u{202e}"
        );
        assert_eq!(lines(b"a\r\nb\rc\n"), "a\nb\\rc\n");
    }

    proptest! {
        #[test]
        fn a_cut_text_is_within_its_bound(text in "[\\x00-\\x7fü𝄞]{0,60}", limit in 0..80_usize) {
            let (kept, cut) = within(&text, limit);
            prop_assert!(serde_json::to_string(kept).unwrap().len() - 2 <= limit);
            prop_assert_eq!(cut, kept != text);
        }
    }
}
