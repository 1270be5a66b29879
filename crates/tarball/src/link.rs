//! What a symbolic link holds, and whether by itself it stays where it must: where it leads in a
//! whole tree, `release` decides.

use crate::problem::Problem;
use release::{Escape, PATH_LIMIT, Reason, walk};
use std::collections::BTreeSet;

/// Reads what a link holds: 1 to 1024 bytes of UTF-8 without control characters.
pub(crate) fn target(bytes: &[u8]) -> Result<&str, Problem> {
    if bytes.is_empty() || bytes.contains(&0) {
        return Err(Problem::new(
            Reason::PathUnsafe,
            "is a link whose target is empty or has a NUL byte",
        ));
    }
    if bytes.len() > PATH_LIMIT {
        return Err(Problem::new(
            Reason::PathTooLong,
            "is a link whose target is over 1024 bytes",
        ));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => Ok(text),
        _ => Err(Problem::new(
            Reason::NameEncoding,
            "is a link whose target is not UTF-8 or has control characters",
        )),
    }
}

/// Follows the link at `path` through those of its own module; `link_at` knows them.
pub(crate) fn alone(
    base: &str,
    path: &str,
    target: &str,
    link_at: impl Fn(&str) -> Option<String>,
) -> Result<(), Problem> {
    let walked = walk(base, path, target, &BTreeSet::new(), |at| {
        Ok::<_, Escape>(link_at(at))
    });
    walked.map_err(escape)
}

fn escape(escape: Escape) -> Problem {
    Problem::new(escape.reason(), escape.problem())
}
