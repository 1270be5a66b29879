//! PEM armor (RFC 7468) around the DER of one key.

use crate::KeyError;
use pem::{EncodeConfig, LineEnding, Pem};

/// Bytes of a key file: the longest that we write has 241, and comments may stand before the block.
const TEXT_LIMIT: usize = 16 << 10;

/// The DER inside the only block of `text`, which must have the label `expected`.
pub(crate) fn open(text: &str, expected: &'static str) -> Result<Vec<u8>, KeyError> {
    let problem = |problem: &str| KeyError::Pem {
        expected,
        problem: problem.to_owned(),
    };
    if text.len() > TEXT_LIMIT {
        return Err(problem("over 16 KiB of text"));
    }
    let blocks =
        pem::parse_many(text).map_err(|error| problem(&format!("a damaged one: {error}")))?;
    match <[Pem; 1]>::try_from(blocks) {
        Ok([block]) if block.tag() == expected => Ok(block.into_contents()),
        Ok([block]) => Err(KeyError::Label {
            expected,
            found: block.tag().chars().take(80).collect(),
        }),
        Err(none) if none.is_empty() => Err(problem("none")),
        Err(several) => match several.iter().find(|block| block.tag() != expected) {
            Some(other) => Err(KeyError::Label {
                expected,
                found: other.tag().chars().take(80).collect(),
            }),
            None => Err(problem("several")),
        },
    }
}

/// `der` as a PEM block.
pub(crate) fn close(der: &[u8], label: &'static str) -> String {
    pem::encode_config(
        &Pem::new(label, der),
        EncodeConfig::new().set_line_ending(LineEnding::LF),
    )
}
