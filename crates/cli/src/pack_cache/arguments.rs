//! Which cache a command uses, if any.

use super::PackCache;
use crate::{CommandError, Progress, pull::size};
use clap::Args;
use std::{env, ffi::OsString, path::PathBuf};

/// Where packed modules are kept.
#[derive(Debug, Args)]
pub(crate) struct CacheArguments {
    /// Where packed modules are kept, so that only those that changed are packed again; without it
    /// `longshore/pack` in `$XDG_CACHE_HOME` or in `~/.cache`. Share it only among those who may
    /// sign
    #[arg(
        long,
        env = "LONGSHORE_PACK_CACHE",
        hide_env_values = true,
        value_name = "DIRECTORY"
    )]
    cache: Option<PathBuf>,
    /// How much the cache may hold after this run: the least recently used entries go first
    #[arg(long, default_value = "10GiB", value_parser = size, value_name = "SIZE")]
    cache_limit: u64,
    /// Pack every module, and keep none
    #[arg(long)]
    no_cache: bool,
}

impl CacheArguments {
    /// Opens the cache that is asked for. One that the disk refuses is said and done without.
    ///
    /// # Errors
    ///
    /// If others may write to it: somebody must know that before anything is signed.
    pub(crate) fn open(&self, progress: &Progress) -> Result<Option<PackCache>, CommandError> {
        let Some(directory) = self
            .cache
            .clone()
            .or_else(of_this_person)
            .filter(|_| !self.no_cache)
        else {
            return Ok(None);
        };
        match PackCache::open(&directory, self.cache_limit) {
            Ok(cache) => Ok(Some(cache)),
            Err(CommandError::Write { path, source }) => {
                progress.warn(&format!(
                    "there is no cache of packed modules: cannot write {}: {source}",
                    path.display()
                ));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Where a person's caches are by the XDG base directory specification, which says to ignore what
/// is not absolute.
fn of_this_person() -> Option<PathBuf> {
    #[allow(
        clippy::disallowed_methods,
        reason = "not settings of ours: where the system has a person's files"
    )]
    let [cache, home] = ["XDG_CACHE_HOME", "HOME"].map(env::var_os);
    below(cache, home)
}

fn below(cache: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute =
        |path: Option<OsString>| path.map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute(cache).or_else(|| absolute(home).map(|home| home.join(".cache")))?;
    Some(caches.join("longshore/pack"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_persons_caches_are_where_xdg_says() {
        let at = |cache: Option<&str>, home: Option<&str>| {
            below(cache.map(Into::into), home.map(Into::into))
        };
        assert_eq!(at(Some("/c"), Some("/h")), Some("/c/longshore/pack".into()));
        for ignored in [None, Some(""), Some("c")] {
            assert_eq!(
                at(ignored, Some("/h")),
                Some("/h/.cache/longshore/pack".into())
            );
            assert_eq!(at(ignored, None), None);
        }
    }
}
