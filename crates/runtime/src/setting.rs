//! What one variable can hold: the trait, and the names and paths among its types.

use release::{ChannelName, Sequence};
use std::path::{Component, Path, PathBuf};

/// A value that one variable, or one flag, can hold.
///
/// ```
/// use runtime::Setting;
/// use std::time::Duration;
///
/// assert_eq!(Duration::read("30s"), Some(Duration::from_secs(30)));
/// assert_eq!(Duration::read("30"), None);
/// ```
pub trait Setting: Sized {
    /// What a correct value looks like, for the error message and the reference page.
    const EXPECTED: &'static str;

    /// Reads the value, or returns `None` if `text` is not one.
    fn read(text: &str) -> Option<Self>;
}

impl Setting for ChannelName {
    const EXPECTED: &'static str = Self::EXPECTED;

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Setting for Sequence {
    const EXPECTED: &'static str = Self::EXPECTED;

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// A path that means the same from every working directory: it starts at `/` and has no `..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbsolutePath(PathBuf);

impl AbsolutePath {
    /// The path.
    #[must_use]
    pub fn into_path(self) -> PathBuf {
        self.0
    }
}

impl Setting for AbsolutePath {
    const EXPECTED: &'static str = "an absolute path without '..', such as /srv/shop";

    fn read(text: &str) -> Option<Self> {
        let path = Path::new(text);
        let stays = path
            .components()
            .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        // An inner NUL ends the name for the kernel, which would then open another file than the
        // one named.
        (path.is_absolute() && stays && !text.contains('\0')).then(|| Self(path.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_absolute_and_stays_where_it_says() {
        for good in ["/", "/srv/shop", "/srv/shop/", "/srv/./shop"] {
            assert!(AbsolutePath::read(good).is_some(), "{good}");
        }
        for bad in ["", ".", "srv/shop", "~/shop", "/srv/../etc", "/srv\0x"] {
            assert!(AbsolutePath::read(bad).is_none(), "{bad}");
        }
    }
}
