//! Templates of configuration files: text with places for what only the pod knows. Pure: bytes in,
//! bytes out.
//!
//! `@release@` stands for the short name of the tree that the file is of, `@secret:KEY@` for a key
//! of the shop's Secret, and `@secret:KEY?@` for one that may be missing. A secret becomes content
//! of XML's CDATA, from which it cannot break out.

const RELEASE: &[u8] = b"@release@";
const SECRET: &[u8] = b"@secret:";
/// Characters of a key that a Kubernetes Secret takes.
const KEY_LIMIT: usize = 253;

/// A piece of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Taken as it is.
    Text(&'a [u8]),
    /// The tree's short name.
    Release,
    /// A key of the Secret.
    Secret {
        /// Which.
        key: &'a str,
        /// It may be missing, and is empty then.
        optional: bool,
    },
}

/// The pieces of a template, in their order.
///
/// # Errors
///
/// The line, from 1, of a place for a secret that is not one: to take it for text would hide a
/// misspelt name.
pub(crate) fn parts(template: &[u8]) -> Result<Vec<Part<'_>>, usize> {
    let (mut parts, mut text, mut at) = (Vec::new(), 0, 0);
    while let Some(found) = template[at..]
        .iter()
        .position(|byte| *byte == b'@')
        .map(|found| found + at)
    {
        let rest = &template[found..];
        let (part, length) = if rest.starts_with(RELEASE) {
            (Part::Release, RELEASE.len())
        } else if let Some(rest) = rest.strip_prefix(SECRET) {
            let line = || template[..found].split(|byte| *byte == b'\n').count();
            let (part, length) = secret(rest).ok_or_else(line)?;
            (part, SECRET.len() + length)
        } else {
            at = found + 1;
            continue;
        };
        parts.extend([Part::Text(&template[text..found]), part]);
        (text, at) = (found + length, found + length);
    }
    parts.push(Part::Text(&template[text..]));
    parts.retain(|part| *part != Part::Text(b""));
    Ok(parts)
}

/// `KEY@` or `KEY?@`, and how many bytes it has.
fn secret(rest: &[u8]) -> Option<(Part<'_>, usize)> {
    let end = rest
        .iter()
        .take(KEY_LIMIT + 2)
        .position(|byte| *byte == b'@')?;
    let (key, optional) = rest[..end]
        .strip_suffix(b"?")
        .map_or((&rest[..end], false), |key| (key, true));
    let good = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    // A key is a file's name, and never one that leads out of its directory.
    let proper = |key: &&str| {
        (1..=KEY_LIMIT).contains(&key.len())
            && !key.starts_with('.')
            && key.bytes().all(|byte| good(&byte))
    };
    let key = std::str::from_utf8(key).ok().filter(proper)?;
    Some((Part::Secret { key, optional }, end + 1))
}

/// A secret as the content of a CDATA section, whose end is the one thing that must not appear;
/// without the newline that editors add.
pub(crate) fn cdata(secret: &[u8]) -> Vec<u8> {
    const END: &[u8] = b"]]>";
    let length = secret
        .iter()
        .rposition(|byte| *byte != b'\n')
        .map_or(0, |last| last + 1);
    let (mut rest, mut content) = (&secret[..length], Vec::with_capacity(length));
    while let Some(end) = rest.windows(END.len()).position(|window| window == END) {
        content.extend_from_slice(&rest[..end]);
        content.extend_from_slice(b"]]]]><![CDATA[>");
        rest = &rest[end + END.len()..];
    }
    content.extend_from_slice(rest);
    content
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_place_is_found_and_other_signs_are_text() {
        let found =
            parts(b"a@b@release@c@secret:crypt-key@d@secret:cache-password?@e@@release").unwrap();
        let secret = |key, optional| Part::Secret { key, optional };
        let expected = [
            Part::Text(b"a@b"),
            Part::Release,
            Part::Text(b"c"),
            secret("crypt-key", false),
            Part::Text(b"d"),
            secret("cache-password", true),
            Part::Text(b"e@@release"),
        ];
        assert_eq!(found, expected);
        assert_eq!(parts(b""), Ok(vec![]));
    }

    #[test]
    fn a_misspelt_place_is_named_by_its_line() {
        for bad in [
            "@secret:@",
            "@secret:a b@",
            "@secret:open",
            "@secret:../x@",
            "@secret:a/b@",
            "@secret:?@",
        ] {
            assert_eq!(
                parts(format!("one\ntwo {bad}\n").as_bytes()),
                Err(2),
                "{bad}"
            );
        }
        assert_eq!(
            parts(format!("@secret:{}@", "k".repeat(254)).as_bytes()),
            Err(1)
        );
    }

    #[test]
    fn a_secret_cannot_end_its_section() {
        assert_eq!(cdata(b"x]]>y]]>\n\n"), b"x]]]]><![CDATA[>y]]]]><![CDATA[>");
        assert_eq!(
            (cdata(b"\n"), cdata(b"p&<w\nd")),
            (b"".to_vec(), b"p&<w\nd".to_vec())
        );
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_panics(
            template in "[@a:?.\n]{0,8}(@release@|@secret:k@|@secret:|x){0,4}",
        ) {
            if let Ok(parts) = parts(template.as_bytes()) {
                let again: String = parts
                    .iter()
                    .map(|part| match *part {
                        Part::Text(text) => std::str::from_utf8(text).unwrap().to_owned(),
                        Part::Release => "@release@".to_owned(),
                        Part::Secret { key, optional } => {
                            format!("@secret:{key}{}@", if optional { "?" } else { "" })
                        }
                    })
                    .collect();
                prop_assert_eq!(again, template);
            }
        }
    }
}
