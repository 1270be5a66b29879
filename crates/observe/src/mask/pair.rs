//! Keys that say what their value is, in each way in which programs write both.

use super::{Masked, SECRET, token::is_word};

/// Bytes of a key at most.
const KEY: usize = 40;
/// What such a key ends with, without case, `_` and `-`.
const SECRETS: [&str; 24] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "authorization",
    "cookie",
    "sessionid",
    "sessid",
    "session",
    "formkey",
    "signature",
    "credential",
    "credentials",
    "cvv",
    "cvc",
    "ccnumber",
    "ccid",
    "iban",
    "otp",
];
/// What a person's data are called.
const PERSONAL: [&str; 12] = [
    "firstname",
    "lastname",
    "middlename",
    "fullname",
    "customername",
    "telephone",
    "phone",
    "street",
    "postcode",
    "dob",
    "taxvat",
    "vatid",
];
const WHOLE: [&str; 5] = ["sid", "pass", "auth", "frontend", "adminhtml"];
/// Their values have spaces in them.
const LINES: [&str; 2] = ["authorization", "cookie"];
/// What a person asks for who was told it: it stays.
const NAMES: [&str; 3] = ["incident", "reportid", "requestid"];

/// What is at the beginning of `bytes`: a key that says that its value is secret, or a scheme of
/// HTTP's header with what follows it.
pub(super) fn value(bytes: &[u8]) -> Option<Masked> {
    let length = bytes
        .iter()
        .take(KEY + 1)
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        .count();
    if !(3..=KEY).contains(&length) {
        return None;
    }
    let word: String = bytes[..length]
        .iter()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .map(|byte| char::from(byte.to_ascii_lowercase()))
        .collect();
    let after = &bytes[length..];
    if matches!(word.as_str(), "bearer" | "basic") && after.first() == Some(&b' ') {
        let value = after[1..]
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || b"+/=._~-".contains(byte))
            .count();
        let word_of_prose = after[1..=value].iter().all(u8::is_ascii_lowercase) && value < 20;
        return (value >= 6 && !word_of_prose).then_some(Masked {
            stay: length + 1,
            replaced: value,
            by: SECRET,
        });
    }
    let stays = NAMES.iter().any(|name| word.ends_with(name));
    let is_secret = SECRETS
        .iter()
        .chain(&PERSONAL)
        .any(|end| word.ends_with(end))
        || WHOLE.contains(&word.as_str());
    if !stays && !is_secret {
        return None;
    }
    let between = between(after)?;
    let to_the_end = LINES.iter().any(|end| word.ends_with(end));
    let (open, value) = extent(&after[between..], to_the_end);
    if value == 0 {
        return None;
    }
    let stay = length + between + open;
    Some(if stays {
        Masked {
            stay: stay + value,
            replaced: 0,
            by: "",
        }
    } else {
        Masked {
            stay,
            replaced: value,
            by: SECRET,
        }
    })
}

/// How long it is from a key's end to its value: `=`, `": "`, `'] => `, `";s:7:`, `>`.
fn between(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    let skip = |at: &mut usize, any: &[u8], most: usize| {
        let found = bytes[*at..]
            .iter()
            .take(most)
            .take_while(|byte| any.contains(byte))
            .count();
        *at += found;
    };
    skip(&mut at, b"\\\"'", 4);
    skip(&mut at, b"]", 1);
    skip(&mut at, b" \t", 8);
    let rest = &bytes[at..];
    if rest.starts_with(b";s:") {
        at += 3;
        skip(&mut at, b"0123456789", 9);
        return (bytes.get(at) == Some(&b':')).then_some(at + 1);
    }
    let sign = match rest {
        [b'=', b'>', ..] => 2,
        [b':', b':', ..] => return None,
        [b'%', b'3', b'D' | b'd', ..] => 3,
        [b'=' | b':', ..] => 1,
        [b'>', next, ..] if at == 0 && !b" \n<".contains(next) => 1,
        _ => return None,
    };
    at += sign;
    skip(&mut at, b" \t\n", 40);
    // As var_dump writes it.
    if bytes[at..].starts_with(b"string(") {
        at += 7;
        skip(&mut at, b"0123456789) ", 12);
    }
    Some(at)
}

/// How many bytes open the value, and how many it has.
fn extent(bytes: &[u8], to_the_end: bool) -> (usize, usize) {
    let escapes = bytes
        .iter()
        .take(3)
        .take_while(|byte| **byte == b'\\')
        .count();
    let quote = bytes
        .get(escapes)
        .copied()
        .filter(|byte| matches!(byte, b'"' | b'\''));
    if let Some(quote) = quote {
        let open = escapes + 1;
        let mut at = open;
        while at < bytes.len() && bytes[at] != quote {
            // Inside of another text, the quotes of this one have a `\` before them themselves.
            if bytes[at] == b'\\' && escapes == 0 {
                at += 1;
            }
            at += 1;
        }
        let end = at.min(bytes.len());
        let escaping = bytes[open..end]
            .iter()
            .rev()
            .take(escapes)
            .take_while(|byte| **byte == b'\\')
            .count();
        return (open, end - escaping - open);
    }
    let ends = |byte: u8| {
        if to_the_end {
            matches!(byte, b'\n' | b'"' | b'\'')
        } else {
            byte.is_ascii_whitespace() || b"&,;)}]\"'<>|".contains(&byte)
        }
    };
    let value = bytes.iter().take_while(|byte| !ends(**byte)).count();
    // A word and no value, such as of `$token->`.
    let is_one = bytes[..value].iter().any(|byte| is_word(*byte));
    (0, if is_one { value } else { 0 })
}
