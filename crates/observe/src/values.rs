//! A message without the values in it, so that the same error has the same message.
//!
//! Numbers, hashes and UUIDs become `*`, what is in quotes becomes `'*'`, and of a path its last
//! name is left: the same file is elsewhere in each release. Classes that Magento generates
//! (`Interceptor`, `Proxy`) count as those that they stand in for.

/// Bytes of a message that are looked at.
const LIMIT: usize = 2 << 10;
/// Bytes in quotes at most.
const QUOTED: usize = 400;
/// Hexadecimal digits that are a value, and no word.
const HEX: usize = 8;
const GENERATED: [&str; 2] = [r"\Interceptor", r"\Proxy"];
const ANONYMOUS: &str = "@anonymous";

/// The message without its values.
pub(crate) fn without_values(message: &str) -> String {
    let message = &message[..message.floor_char_boundary(LIMIT)];
    let mut out = String::with_capacity(message.len());
    let mut rest = message;
    let mut follows_word = false;
    while let Some(first) = rest.chars().next() {
        let taken = if first.is_whitespace() {
            if !out.ends_with(' ') && !out.is_empty() {
                out.push(' ');
            }
            first.len_utf8()
        } else if let Some(length) = quoted(rest).filter(|_| !follows_word) {
            out.push_str("'*'");
            length
        } else {
            let length = rest
                .find(|sign: char| !in_token(sign))
                .unwrap_or(rest.len());
            if length == 0 {
                out.push(first);
                first.len_utf8()
            } else {
                token(&rest[..length], &mut out);
                length
            }
        };
        follows_word = rest[..taken].ends_with(|sign: char| sign.is_alphanumeric());
        rest = &rest[taken..];
    }
    out.truncate(out.trim_end().len());
    out
}

/// The name of a class, a function or a method, as it is in every release.
pub(crate) fn name(name: &str) -> String {
    let mut name = name.to_owned();
    if let Some(at) = name.find(ANONYMOUS) {
        let after = at + ANONYMOUS.len();
        let member = ["->", "::"]
            .iter()
            .filter_map(|sign| name[after..].find(sign))
            .min();
        let end = member.map_or(name.len(), |member| after + member);
        name.replace_range(after..end, "");
    }
    for generated in GENERATED {
        while let Some(at) = name.match_indices(generated).map(|(at, _)| at).find(|at| {
            !name[at + generated.len()..]
                .starts_with(|next: char| next.is_alphanumeric() || next == '_')
        }) {
            name.replace_range(at..at + generated.len(), "");
        }
    }
    name.replace("->", "::")
}

fn in_token(sign: char) -> bool {
    sign.is_alphanumeric() || "_./\\$@~+-:{}".contains(sign)
}

fn quoted(text: &str) -> Option<usize> {
    let quote = text.bytes().next().filter(|byte| b"'\"`".contains(byte))?;
    let bytes = text.as_bytes();
    let end = (1..bytes.len().min(QUOTED)).find(|at| {
        bytes[*at] == quote && !bytes.get(at + 1).is_some_and(u8::is_ascii_alphanumeric)
    })?;
    Some(end + 1)
}

fn token(token: &str, out: &mut String) {
    let token = name(token);
    let mut token = token.as_str();
    if token.contains('/') && !token.contains(ANONYMOUS) {
        token = token.trim_end_matches('/');
        token = token.rsplit('/').next().unwrap_or(token);
    }
    let is_uuid = token.len() == 36
        && token.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    if is_uuid {
        return out.push('*');
    }
    let mut rest = token;
    while !rest.is_empty() {
        let length = rest
            .find(|sign: char| !sign.is_alphanumeric() && sign != '_')
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(length);
        let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
        let is_hex = word.len() >= HEX && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        if has_digit && (is_hex || word.starts_with("0x")) {
            number(out);
        } else if has_digit {
            digits(word, out);
        } else {
            out.push_str(word);
        }
        let signs = after
            .find(|sign: char| sign.is_alphanumeric() || sign == '_')
            .unwrap_or(after.len());
        out.push_str(&after[..signs]);
        rest = &after[signs..];
    }
}

fn digits(word: &str, out: &mut String) {
    let mut before = false;
    for sign in word.chars() {
        let is_digit = sign.is_ascii_digit();
        if !is_digit {
            out.push(sign);
        } else if !before {
            number(out);
        }
        before = is_digit;
    }
}

// `1,234.5`, `12:30` and `-7` are one number each.
fn number(out: &mut String) {
    if out.ends_with(['.', ',', ':']) && out[..out.len() - 1].ends_with('*') {
        out.pop();
        return;
    }
    if out.ends_with('-') && out[..out.len() - 1].ends_with([' ', '(', ',', '*']) {
        out.pop();
    }
    if !out.ends_with('*') {
        out.push('*');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_gone_and_words_stay() {
        for (message, expected) in [
            (
                "Allowed memory size of 134217728 bytes exhausted (tried to allocate 20480 bytes)",
                "Allowed memory size of * bytes exhausted (tried to allocate * bytes)",
            ),
            (
                "Undefined array key \"x y\" in /srv/shop/releases/0123456789abcdef/app/code/Foo.php on line 12",
                "Undefined array key '*' in Foo.php on line *",
            ),
            ("Can't find 'it's' of Bob's", "Can't find '*' of Bob's"),
            (
                "Total 1,234.50 at 12:30:01, -7 and 999",
                "Total * at *, * and *",
            ),
            (
                r"Foo\Bar\Interceptor::save(): Argument #1 ($x) must be of type Foo\Baz\Proxy",
                r"Foo\Bar::save(): Argument #* ($x) must be of type Foo\Baz",
            ),
            (r"Foo\ProxyFactory", r"Foo\ProxyFactory"),
            (
                "class@anonymous\\u{0}/srv/a/b.php:12$0::x",
                "class@anonymous::x",
            ),
            (
                "id 3b241101-e2bb-4255-8caf-4136c566a962, 0x00007f12, deadbeef01, order000123",
                "id *, *, *, order*",
            ),
            ("see https://shop.example/a/b.html/ now", "see b.html now"),
            ("\n  two\n\n lines ", "two lines"),
        ] {
            assert_eq!(without_values(message), expected, "{message}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in "('|\"|[0-9]{1,3}|/|\\\\Proxy|@anonymous|->|\\*|[\\x00-\\x7f]|ü| ){0,60}") {
            without_values(&text);
        }

        #[test]
        fn numbers_make_no_difference(a in any::<i64>(), b in any::<u32>()) {
            let message = |a: i64, b: u32| without_values(&format!("item {a} of {b} in /srv/{b}/x{b}.php:{b} ({a})"));
            prop_assert_eq!(message(a, b), message(7, 8));
        }
    }
}
