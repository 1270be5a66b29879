//! Secrets and personal data that are known by their own shape.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Letters of a mail address before its `@`, and after it, at most.
const LOCAL: usize = 64;
const DOMAIN: usize = 253;
/// Bytes of an argument in a trace at most: PHP writes 15, unless it is told otherwise.
const ARGUMENT: usize = 300;
/// The shortest text of letters and digits that is taken for random: PHP's session ids have 26.
const RANDOM: usize = 24;
/// So often letters and digits take turns in such a text at least.
const TURNS: usize = 5;
/// Hexadecimal digits of a hash at least.
const HASH: usize = 32;

pub(super) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn run(bytes: &[u8], limit: usize, is_in: impl Fn(u8) -> bool) -> usize {
    bytes
        .iter()
        .take(limit)
        .take_while(|byte| is_in(**byte))
        .count()
}

/// A query of a URL, from its `?` on.
pub(super) fn query(bytes: &[u8]) -> Option<usize> {
    let name = run(&bytes[1..], 60, |byte| {
        byte.is_ascii_alphanumeric() || b"_-.[]%".contains(&byte)
    });
    if name == 0 || bytes.get(1 + name) != Some(&b'=') {
        return None;
    }
    let ends = |byte: u8| byte.is_ascii_whitespace() || b"\"'`<>)".contains(&byte);
    Some(1 + run(&bytes[1..], usize::MAX, |byte| !ends(byte)))
}

/// The name and the password of a URL, from `://` on, without the `@`.
pub(super) fn credentials(bytes: &[u8]) -> Option<usize> {
    let after = bytes.strip_prefix(b"://")?;
    let length = run(after, 256, |byte| {
        !byte.is_ascii_whitespace() && !b"/@\"'<>?".contains(&byte)
    });
    (after.get(length) == Some(&b'@') && after[..length].contains(&b':')).then_some(3 + length)
}

/// An argument in a frame of a trace, with its quotes.
pub(super) fn argument(bytes: &[u8]) -> Option<usize> {
    let line = run(bytes, ARGUMENT, |byte| byte != b'\n');
    let end = (1..line)
        .find(|at| bytes[*at] == b'\'' && matches!(bytes.get(at + 1), Some(b',' | b')') | None));
    end.map(|at| at + 1)
}

/// A mail address, also where its `@` is written as in a URL.
pub(super) fn email(bytes: &[u8]) -> Option<usize> {
    let local = run(bytes, LOCAL + 1, |byte| {
        is_word(byte) || b".+-".contains(&byte)
    });
    if local == 0 || local > LOCAL {
        return None;
    }
    let rest = &bytes[local..];
    let sign = if rest.first() == Some(&b'@') {
        1
    } else if rest.len() > 3 && rest[..3].eq_ignore_ascii_case(b"%40") {
        3
    } else {
        return None;
    };
    let domain = run(&rest[sign..], DOMAIN, |byte| {
        is_word(byte) || b".-".contains(&byte)
    });
    let domain = &rest[sign..sign + domain];
    let domain = &domain[..domain.len()
        - domain
            .iter()
            .rev()
            .take_while(|byte| **byte == b'.')
            .count()];
    let top = domain.iter().rposition(|byte| *byte == b'.')?;
    (top > 0 && domain.len() - top > 2).then_some(local + sign + domain.len())
}

/// A card's number, which may have spaces or hyphens in it.
pub(super) fn card(bytes: &[u8]) -> Option<usize> {
    let (mut digits, mut end) = (Vec::with_capacity(19), 0);
    for (at, byte) in bytes.iter().enumerate().take(40) {
        match byte {
            b'0'..=b'9' if digits.len() == 19 => return None,
            b'0'..=b'9' => {
                digits.push(u32::from(byte - b'0'));
                end = at + 1;
            }
            b' ' | b'-' if end == at => {}
            _ => break,
        }
    }
    if digits.len() < 13
        || !(3..=6).contains(&digits[0])
        || bytes.get(end).is_some_and(|byte| is_word(*byte))
    {
        return None;
    }
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2, digit * 2) {
            (0, _) => *digit,
            (_, double) => double / 10 + double % 10,
        })
        .sum();
    sum.is_multiple_of(10).then_some(end)
}

/// An address of the internet.
pub(super) fn address(bytes: &[u8]) -> Option<usize> {
    let four = run(bytes, 16, |byte| byte.is_ascii_digit() || byte == b'.');
    let text = std::str::from_utf8(&bytes[..four])
        .unwrap_or_default()
        .trim_end_matches('.');
    if text.len() >= 7
        && !bytes.get(four).is_some_and(|byte| is_word(*byte))
        && let Ok(address) = text.parse::<Ipv4Addr>()
    {
        let own = address.is_private()
            || address.is_loopback()
            || address.is_link_local()
            || address.is_unspecified();
        return (!own).then_some(text.len());
    }
    let six = run(bytes, 46, |byte| {
        byte.is_ascii_hexdigit() || b":.".contains(&byte)
    });
    let text = std::str::from_utf8(&bytes[..six])
        .unwrap_or_default()
        .trim_end_matches(['.', ':']);
    if text.bytes().filter(|byte| *byte == b':').count() < 3
        || bytes.get(six).is_some_and(|byte| is_word(*byte))
    {
        return None;
    }
    let address: Ipv6Addr = text.parse().ok()?;
    let own = address.is_loopback()
        || address.is_unspecified()
        || address.is_unique_local()
        || address.is_unicast_link_local();
    (!own).then_some(text.len())
}

/// A text that nobody would read out: a token, a session id, a hash. Otherwise how much of it needs
/// no second look.
pub(super) fn random(bytes: &[u8]) -> Result<usize, usize> {
    let length = run(bytes, usize::MAX, |byte| {
        byte.is_ascii_alphanumeric() || b"_-+=".contains(&byte)
    });
    let text = &bytes[..length];
    let web_token = text.starts_with(b"eyJ") && length > 8 && bytes.get(length) == Some(&b'.');
    if web_token {
        return Ok(run(bytes, usize::MAX, |byte| {
            byte.is_ascii_alphanumeric() || b"_-.=".contains(&byte)
        }));
    }
    let has_digit = text.iter().any(u8::is_ascii_digit);
    let is_hash = length >= HASH && has_digit && text.iter().all(u8::is_ascii_hexdigit);
    let turns = text
        .array_windows::<2>()
        .filter(|[left, right]| {
            left.is_ascii_digit() && right.is_ascii_alphabetic()
                || left.is_ascii_alphabetic() && right.is_ascii_digit()
        })
        .count();
    // An UUID names something, and opens nothing.
    let is_uuid = length == 36 && [8, 13, 18, 23].iter().all(|at| text[*at] == b'-');
    if is_hash || length >= RANDOM && turns >= TURNS && !is_uuid {
        Ok(length)
    } else {
        Err(length.max(1))
    }
}
