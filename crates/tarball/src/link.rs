//! Where a symbolic link leads, through other links too. Decides only: reading links is the caller's.

use crate::problem::Problem;
use release::{PATH_LIMIT, Reason};

/// More links in one walk than this are a loop; Linux stops at 40 as well (`MAXSYMLINKS`).
const HOPS: usize = 40;

/// How a link leaves its module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escape {
    Absolute,
    Above,
    Loop,
}

impl Escape {
    pub(crate) const fn problem(self) -> Problem {
        let text = match self {
            Self::Absolute => "is a link that leads to an absolute path",
            Self::Above => "is a link that leads out of its module",
            Self::Loop => "is a link whose chain does not end",
        };
        Problem::new(Reason::LinkEscape, text)
    }
}

/// Reads what a link holds: 1 to 1024 bytes of UTF-8 without control characters.
pub(crate) fn target(bytes: &[u8]) -> Result<&str, Problem> {
    if bytes.is_empty() || bytes.contains(&0) {
        return Err(Problem::new(Reason::PathUnsafe, "is a link whose target is empty or has a NUL byte"));
    }
    if bytes.len() > PATH_LIMIT {
        return Err(Problem::new(Reason::PathTooLong, "is a link whose target is over 1024 bytes"));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => Ok(text),
        _ => Err(Problem::new(Reason::NameEncoding, "is a link whose target is not UTF-8 or has control characters")),
    }
}

/// Walks from the link at `path` to where `target` leads, and looks at each path on the way whether it is a link too.
///
/// `base` is the directory that the walk must not leave: empty, or one that `path` is below.
pub(crate) fn walk<E>(
    base: &str,
    path: &str,
    target: &str,
    mut link_at: impl FnMut(&str) -> Result<Option<String>, E>,
) -> Result<Result<(), Escape>, E> {
    if target.starts_with('/') {
        return Ok(Err(Escape::Absolute));
    }
    let mut at = path.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
    let mut ahead: Vec<String> = target.rsplit('/').map(str::to_owned).collect();
    let mut hops = 0;
    while let Some(name) = ahead.pop() {
        match name.as_str() {
            "" | "." => {}
            ".." if at.len() <= base.len() => return Ok(Err(Escape::Above)),
            ".." => at.truncate(at.rfind('/').unwrap_or(0)),
            name => {
                let parent = at.len();
                if parent > 0 {
                    at.push('/');
                }
                at.push_str(name);
                if let Some(next) = link_at(&at)? {
                    hops += 1;
                    if hops > HOPS {
                        return Ok(Err(Escape::Loop));
                    }
                    if next.starts_with('/') {
                        return Ok(Err(Escape::Absolute));
                    }
                    at.truncate(parent);
                    ahead.extend(next.rsplit('/').map(str::to_owned));
                }
            }
        }
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn check(base: &str, links: &[(&str, &str)]) -> Vec<Result<(), Escape>> {
        let link_at = |at: &str| Ok::<_, Infallible>(links.iter().find(|(path, _)| *path == at).map(|(_, target)| (*target).to_owned()));
        links.iter().map(|(path, target)| walk(base, path, target, link_at).unwrap_or_else(|never| match never {})).collect()
    }

    #[test]
    fn links_that_stay_inside() {
        for (base, path, target) in [
            ("", "a", "b"),
            ("", "a", "missing/../b"),
            ("", "vendor/bin/tool", "../maker/tool/bin/tool"),
            ("", "a/self", ".."),
            ("", "a/dots", "./b//c/"),
            ("app/code", "app/code/x/y", "../z"),
            ("app/code", "app/code/x/y", ".."),
        ] {
            assert_eq!(check(base, &[(path, target)]), [Ok(())], "{path} -> {target}");
        }
    }

    #[test]
    fn links_that_leave() {
        for (base, path, target, escape) in [
            ("", "a", "/etc/passwd", Escape::Absolute),
            ("", "a", "..", Escape::Above),
            ("", "a/b", "../../a/b", Escape::Above),
            ("", "a", "b/../../c", Escape::Above),
            ("", "a", "a", Escape::Loop),
            ("app/code", "app/code/x", "..", Escape::Above),
            ("app/code", "app/code/x", "../code/y", Escape::Above),
        ] {
            assert_eq!(check(base, &[(path, target)]), [Err(escape)], "{path} -> {target}");
        }
    }

    #[test]
    fn chains_are_followed() {
        // Each link looks harmless by itself: d/up leads to d's parent only where d is not a link to deep/er.
        assert_eq!(check("", &[("deep/er", ".."), ("x", "deep/er/../y")]), [Ok(()), Err(Escape::Above)]);
        assert_eq!(check("", &[("a", "b"), ("b", "a")]), [Err(Escape::Loop), Err(Escape::Loop)]);
        assert_eq!(check("", &[("a", "b/c"), ("b", "d")]), [Ok(()), Ok(())]);
        assert_eq!(check("", &[("a", "b/c"), ("b", "/d")]), [Err(Escape::Absolute), Err(Escape::Absolute)]);
    }
}
