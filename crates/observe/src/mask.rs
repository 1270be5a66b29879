//! Text without secrets and personal data: nothing else of a shop's errors leaves its pod.
//!
//! | what | becomes |
//! |---|---|
//! | the value of a key that names a secret or a person, such as `password`, `session`, `telephone`; an argument in a trace | `<secret>` |
//! | what follows `Bearer` or `Basic`, JSON web tokens, long texts of random letters and digits, the user of a URL | `<secret>` |
//! | a mail address | `<email>` |
//! | a number of 13 to 19 digits that is a card's by its check digit | `<card>` |
//! | an address of the internet; private ones stay | `<ip>` |
//! | the query of a URL | `<query>` |
//!
//! It reads a text once: each rule looks ahead by a bounded length, or consumes what it looked at.

mod pair;
mod token;

/// What a rule masks at a place: how many bytes stay, and how many after them are replaced.
struct Masked {
    stay: usize,
    replaced: usize,
    by: &'static str,
}

const SECRET: &str = "<secret>";

/// The text without them.
#[must_use]
pub fn masked(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let (mut at, mut kept) = (0, 0);
    // Up to here, a word was found to be no token.
    let mut looked = 0;
    let mut in_frame = false;
    while at < bytes.len() {
        let begins_line = at == 0 || bytes[at - 1] == b'\n';
        if begins_line {
            in_frame = bytes[at] == b'#' && bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
        }
        match found(bytes, at, in_frame, &mut looked) {
            Some(Masked { stay, replaced, by }) => {
                let from = text.ceil_char_boundary(at + stay);
                out.push_str(&text[kept..from]);
                out.push_str(by);
                at = text.ceil_char_boundary(at + stay + replaced);
                kept = at;
            }
            None => at += 1,
        }
    }
    out.push_str(&text[kept..]);
    out
}

fn found(bytes: &[u8], at: usize, in_frame: bool, looked: &mut usize) -> Option<Masked> {
    let rest = &bytes[at..];
    let all = |replaced, by| {
        Some(Masked {
            stay: 0,
            replaced,
            by,
        })
    };
    match rest[0] {
        b'?' => {
            let length = token::query(rest)?;
            return Some(Masked {
                stay: 1,
                replaced: length - 1,
                by: "<query>",
            });
        }
        b':' => {
            let length = token::credentials(rest)?;
            return Some(Masked {
                stay: 3,
                replaced: length - 3,
                by: SECRET,
            });
        }
        b'\'' if in_frame => {
            let length = token::argument(rest)?;
            return all(length, "'<secret>'");
        }
        _ => {}
    }
    if at > 0 && token::is_word(bytes[at - 1]) {
        return None;
    }
    // A class of that name is none; the `n` of a line's end in JSON belongs to no name.
    let of_namespace = at > 0 && bytes[at - 1] == b'\\' && !b"nrt".contains(&rest[0]);
    if !of_namespace && let Some(pair) = pair::value(rest) {
        return Some(pair);
    }
    if let Some(length) = token::email(rest) {
        return all(length, "<email>");
    }
    if rest[0].is_ascii_digit()
        && let Some(length) = token::card(rest)
    {
        return all(length, "<card>");
    }
    let follows_dot = at > 0 && matches!(bytes[at - 1], b'.' | b':');
    if !follows_dot && let Some(length) = token::address(rest) {
        return all(length, "<ip>");
    }
    if at >= *looked {
        match token::random(rest) {
            Ok(length) => return all(length, SECRET),
            Err(length) => *looked = at + length,
        }
    }
    None
}

#[cfg(test)]
mod tests;
