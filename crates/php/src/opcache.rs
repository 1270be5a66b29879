//! `OPcache`: compiled before a tree takes requests, and forgotten once it takes none any more.

use crate::{PhpError, Pool, Probe, call::Call, said};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// Scripts of one call: at some 2 ms each, the worker is free again in less than half a second.
const BATCH: usize = 200;
/// What a rehearsed page has at least: a new release begins with cold caches, which cost Magento 10
/// s on a busy node, and no visitor waits.
const REHEARSAL: Duration = Duration::from_secs(30);

/// What came of warming.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Warmed {
    /// Scripts that were compiled.
    pub compiled: usize,
    /// Scripts that were there.
    pub cached: usize,
    /// Scripts that are left to the first request that includes them, as only that compiles them
    /// as they have to be.
    pub skipped: usize,
    /// Scripts that PHP cannot compile, or that are not there.
    pub failed: Vec<String>,
    /// Scripts that there was no time or no memory for.
    pub left: usize,
    /// Whether php-fpm has `OPcache` at all.
    pub enabled: bool,
}

/// What came of a page that php-fpm was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rehearsed {
    /// What is wrong with it, if anything is.
    pub problem: Option<String>,
    /// The message of PHP about it that matters most, in one line of at most 1 KiB.
    pub said: Option<String>,
}

impl Pool {
    /// Compiles `scripts`, relative to `tree`, until `limit` passes. What it leaves behaves as if
    /// nothing had been compiled: a script of which that is not certain is skipped.
    ///
    /// # Errors
    ///
    /// If php-fpm does not answer. A script that does not compile is no error: it may never be
    /// used.
    pub async fn warm(
        &self,
        tree: &Path,
        scripts: &[String],
        limit: Duration,
    ) -> Result<Warmed, PhpError> {
        let (start, tree) = (Instant::now(), tree.to_string_lossy());
        let (mut warmed, mut rest) = (
            Warmed {
                enabled: true,
                ..Warmed::default()
            },
            scripts,
        );
        while !rest.is_empty() {
            let left = limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                break;
            }
            let (batch, seconds) = (&rest[..rest.len().min(BATCH)], left.as_secs_f64());
            let answer = self
                .call(
                    &Call::Warm {
                        tree: &tree,
                        scripts: batch,
                        seconds,
                    },
                    left,
                )
                .await?;
            warmed.enabled = answer.enabled;
            warmed.compiled += answer.compiled;
            warmed.cached += answer.cached;
            warmed.skipped += answer.skipped;
            warmed.failed.extend(answer.failed);
            // A fatal error ends PHP's request, and with it the batch: the next one begins behind
            // that script.
            let done = answer.done + usize::from(answer.at.is_some());
            warmed.failed.extend(answer.at);
            rest = &rest[done.min(rest.len())..];
            if !answer.enabled || answer.full || done == 0 {
                break;
            }
        }
        Ok(Warmed {
            left: rest.len(),
            ..warmed
        })
    }

    /// The scripts of `tree` that were used most, relative to it, `most` of them at most.
    ///
    /// # Errors
    ///
    /// If php-fpm does not answer.
    pub async fn hottest(&self, tree: &Path, most: usize) -> Result<Vec<String>, PhpError> {
        Ok(self
            .call(
                &Call::Hottest {
                    tree: &tree.to_string_lossy(),
                    most,
                },
                Duration::ZERO,
            )
            .await?
            .scripts)
    }

    /// Marks every script of `tree` as waste, and says how many: `OPcache` takes their memory back
    /// when it has to.
    ///
    /// # Errors
    ///
    /// If php-fpm does not answer.
    pub async fn forget(&self, tree: &Path) -> Result<u64, PhpError> {
        Ok(self
            .call(
                &Call::Forget {
                    tree: &tree.to_string_lossy(),
                },
                Duration::ZERO,
            )
            .await?
            .forgotten)
    }

    /// Marks these scripts of `tree`, relative to it, as waste, and says how many were compiled:
    /// whoever asks for one next compiles what is on the disk now.
    ///
    /// # Errors
    ///
    /// If php-fpm does not answer.
    pub async fn drop_scripts(&self, tree: &Path, scripts: &[String]) -> Result<u64, PhpError> {
        let (tree, mut forgotten) = (tree.to_string_lossy(), 0);
        for batch in scripts.chunks(BATCH) {
            forgotten += self
                .call(
                    &Call::Drop {
                        tree: &tree,
                        scripts: batch,
                    },
                    Duration::ZERO,
                )
                .await?
                .forgotten;
        }
        Ok(forgotten)
    }

    /// Runs a page of the tree whose web root is `root`, before any visitor meets that tree.
    ///
    /// # Errors
    ///
    /// If php-fpm does not answer at all.
    pub async fn rehearse(&self, root: &Path, probe: &Probe) -> Result<Rehearsed, PhpError> {
        let mut heard = Vec::new();
        let problem = match self
            .page(probe.params(root), probe.timeout.max(REHEARSAL), &mut heard)
            .await
        {
            Ok(page) => {
                let headers: Vec<_> = page
                    .headers
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()))
                    .collect();
                probe.expect.problem(page.status, &headers, &page.body)
            }
            Err(error @ PhpError::Connect(..)) => return Err(error),
            // A page that kills its worker, or never ends, is what this is for.
            Err(error) => Some(error.to_string()),
        };
        Ok(Rehearsed {
            problem,
            said: said::message(&heard),
        })
    }
}
