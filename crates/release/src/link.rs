//! Where a symbolic link leads, through other links too. Decides only: reading links is the
//! caller's.

use crate::Reason;
use std::collections::BTreeSet;

/// More links in one walk than this, the one that it begins with among them, are a loop; Linux
/// stops at 40 as well (`MAXSYMLINKS`).
const HOPS: usize = 40;

/// Why a link must not be in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// It, or a link on its way, leads to an absolute path.
    Absolute,
    /// It leads out of its module.
    Above,
    /// Its chain does not end, or has more links than Linux follows.
    Loop,
    /// It goes up from a shared or writable directory: in a pod that is a link to another place,
    /// and `..` is what is above that one.
    Elsewhere,
}

impl Escape {
    /// The rest of a sentence about the link.
    #[must_use]
    pub const fn problem(self) -> &'static str {
        match self {
            Self::Absolute => "is a link that leads to an absolute path",
            Self::Above => "is a link that leads out of its module",
            Self::Loop => "is a link whose chain does not end, or has over 40 links",
            Self::Elsewhere => {
                "is a link that goes up from a shared or writable directory, which is elsewhere in \
                 a pod"
            }
        }
    }

    /// The stable reason: `link-escape`.
    #[must_use]
    pub const fn reason(self) -> Reason {
        Reason::LinkEscape
    }
}

/// Walks from the link at `path` to where `target` leads, and looks at each path on the way whether
/// it is a link too.
///
/// `base` is the directory that the walk must not leave: empty, or one that `path` is below. From a
/// directory of `elsewhere` it does not come up again.
///
/// # Errors
///
/// An [`Escape`], if the link must not be there; what `link_at` fails with.
pub fn walk<E: From<Escape>>(
    base: &str,
    path: &str,
    target: &str,
    elsewhere: &BTreeSet<&str>,
    mut link_at: impl FnMut(&str) -> Result<Option<String>, E>,
) -> Result<(), E> {
    if target.starts_with('/') {
        return Err(Escape::Absolute.into());
    }
    let mut at = path
        .rsplit_once('/')
        .map_or("", |(parent, _)| parent)
        .to_owned();
    let mut ahead: Vec<String> = target.rsplit('/').map(str::to_owned).collect();
    let mut hops = 1;
    // What a module ships below such a directory lies beside it in the end, as deep as here: only
    // who goes in from outside is elsewhere.
    let mut entered = false;
    while let Some(name) = ahead.pop() {
        match name.as_str() {
            "" | "." => {}
            ".." if entered => return Err(Escape::Elsewhere.into()),
            ".." if at.len() <= base.len() => return Err(Escape::Above.into()),
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
                        return Err(Escape::Loop.into());
                    }
                    if next.starts_with('/') {
                        return Err(Escape::Absolute.into());
                    }
                    at.truncate(parent);
                    ahead.extend(next.rsplit('/').map(str::to_owned));
                } else {
                    entered |= elsewhere.contains(at.as_str());
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base: &str, links: &[(&str, &str)]) -> Vec<Result<(), Escape>> {
        check_with(base, links, &[])
    }

    fn check_with(
        base: &str,
        links: &[(&str, &str)],
        elsewhere: &[&str],
    ) -> Vec<Result<(), Escape>> {
        let elsewhere = elsewhere.iter().copied().collect();
        let link_at = |at: &str| {
            Ok::<_, Escape>(
                links
                    .iter()
                    .find(|(path, _)| *path == at)
                    .map(|(_, target)| (*target).to_owned()),
            )
        };
        let walk = |(path, target): &(&str, &str)| walk(base, path, target, &elsewhere, link_at);
        links.iter().map(walk).collect()
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
            assert_eq!(
                check(base, &[(path, target)]),
                [Ok(())],
                "{path} -> {target}"
            );
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
            assert_eq!(
                check(base, &[(path, target)]),
                [Err(escape)],
                "{path} -> {target}"
            );
        }
    }

    #[test]
    fn chains_are_followed() {
        // Each link looks harmless by itself: d/up leads to d's parent only where d is not a link
        // to deep/er.
        assert_eq!(
            check("", &[("deep/er", ".."), ("x", "deep/er/../y")]),
            [Ok(()), Err(Escape::Above)]
        );
        assert_eq!(
            check("", &[("a", "b"), ("b", "a")]),
            [Err(Escape::Loop), Err(Escape::Loop)]
        );
        assert_eq!(check("", &[("a", "b/c"), ("b", "d")]), [Ok(()), Ok(())]);
        assert_eq!(
            check("", &[("a", "b/c"), ("b", "/d")]),
            [Err(Escape::Absolute), Err(Escape::Absolute)]
        );
    }

    #[test]
    fn as_many_links_as_linux_follows() {
        let names: Vec<String> = (0..=41).map(|number| format!("l{number}")).collect();
        let chain: Vec<(&str, &str)> = names
            .array_windows::<2>()
            .map(|[path, target]| (path.as_str(), target.as_str()))
            .collect();
        assert_eq!(chain.len(), 41);
        assert_eq!(check("", &chain)[0], Err(Escape::Loop), "41 links");
        assert_eq!(check("", &chain)[1], Ok(()), "40 links");
    }

    #[test]
    fn nothing_comes_up_from_a_directory_that_is_elsewhere() {
        for (path, target, verdict) in [
            ("logo", "media/logo.png", Ok(())),
            ("up", "media/../index.php", Err(Escape::Elsewhere)),
            ("deep", "media/a/../b", Err(Escape::Elsewhere)),
            ("around", "media/../../etc", Err(Escape::Elsewhere)),
            // It is set aside with what is around it.
            ("media/theme", "../skin", Ok(())),
            ("media/a/b", "../c", Ok(())),
            ("media/again", "../media/../skin", Err(Escape::Elsewhere)),
        ] {
            assert_eq!(
                check_with("", &[(path, target)], &["media"]),
                [verdict],
                "{path} -> {target}"
            );
        }
        let through = [("pub", "media"), ("x", "pub/../y")];
        assert_eq!(
            check_with("", &through, &["media"])[1],
            Err(Escape::Elsewhere),
            "through another link"
        );
    }
}
