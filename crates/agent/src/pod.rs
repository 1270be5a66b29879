//! The shop in this pod: php-fpm, nginx and an operator's hooks.

use crate::{
    activate::{Objection, Shop, Switch},
    hooks::{Hook, Occasion},
    logs::Logs,
};
use deploy::View;
use observe::masked;
use php::{Address, PhpError, Pool, Probe, Problem, Reload};
use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use tracing::{info, warn};

/// Scripts that are compiled before a switch at most: what a shop of Magento's size uses for its
/// busiest pages.
const HOTTEST: usize = 5000;
/// How often a page of the new tree is tried before the switch: what fails once may be a database
/// that was away.
const REHEARSALS: u32 = 3;
/// Where front controllers are in a tree, most particular first: nginx has its root in `pub` for
/// Magento 2, and in `public` for Symfony.
const ENTRIES: [&str; 3] = ["pub", "public", ""];
/// Where the helper script is, in the release root: php-fpm sees it there, and no web server serves
/// it.
const HELPERS: &str = "agent";

/// How a switch speaks to the shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// php-fpm.
    pub php: Option<Address>,
    /// php-fpm's pid file, if it is to be reloaded.
    pub reload: Option<PathBuf>,
    /// How long warming may take.
    pub warm: Duration,
    /// How to ask whether the shop works.
    pub probe: Option<Probe>,
    /// Runs before a switch.
    pub before: Option<Hook>,
    /// Runs after one.
    pub after: Option<Hook>,
}

/// The shop in this pod.
#[derive(Debug)]
pub struct Pod {
    root: PathBuf,
    settings: Settings,
    pool: Option<Pool>,
    logs: Logs,
}

impl Pod {
    /// The shop whose sources are in the release root `root`, and which writes its reports into
    /// `logs`.
    ///
    /// # Errors
    ///
    /// If the helper script cannot be written there.
    pub fn new(root: &Path, settings: Settings, logs: Logs) -> Result<Self, PhpError> {
        let pool = settings
            .php
            .clone()
            .map(|address| Pool::install(address, &root.join(HELPERS)))
            .transpose()?;
        Ok(Self {
            root: root.to_owned(),
            settings,
            pool,
            logs,
        })
    }

    /// php-fpm, if this knows of one.
    #[must_use]
    pub fn pool(&self) -> Option<Pool> {
        self.pool.clone()
    }

    /// The tree that runs.
    fn running(&self) -> Option<PathBuf> {
        // php-fpm names scripts by their real paths.
        let root = self.root.canonicalize().ok()?;
        View::read(&root)
            .ok()?
            .running()
            .map(|active| deploy::tree(&root, &active.manifest))
    }

    async fn compile(&self, pool: &Pool, switch: &Switch) -> Result<(), PhpError> {
        let mut scripts: Vec<_> = switch.warm.iter().map(ToString::to_string).collect();
        if let Some(running) = self.running().filter(|running| *running != switch.tree) {
            scripts.extend(pool.hottest(&running, HOTTEST).await?);
        }
        let tree = switch
            .tree
            .canonicalize()
            .unwrap_or_else(|_| switch.tree.clone());
        let warmed = pool.warm(&tree, &scripts, self.settings.warm).await?;
        info!(
            compiled = warmed.compiled,
            cached = warmed.cached,
            skipped = warmed.skipped,
            failed = warmed.failed.len(),
            left = warmed.left,
            opcache = warmed.enabled,
            "warmed OPcache"
        );
        Ok(())
    }

    /// What PHP says about the page of the tree that runs, if that fails without nginx, too.
    /// Over HTTP nobody hears it.
    async fn said(&self, probe: &Probe) -> Option<String> {
        let (pool, entry) = (self.pool.as_ref()?, entry(&self.running()?)?);
        match pool.rehearse(&entry, probe).await {
            Ok(rehearsed) => rehearsed.problem.and(rehearsed.said),
            Err(error) => {
                warn!(error = %runtime::Chain(&error), "php-fpm cannot be asked what is wrong");
                None
            }
        }
    }

    /// A problem of a tree, and the report that the shop wrote about it, if any.
    async fn reported(&self, problem: String, tree: Option<PathBuf>, since: SystemTime) -> String {
        let Some(tree) = tree else { return problem };
        let logs = self.logs.clone();
        let report = tokio::task::spawn_blocking(move || logs.report(&tree, since)).await;
        match report.ok().flatten() {
            Some(report) => format!("{problem}; {report}"),
            None => problem,
        }
    }

    /// Whether a release that failed while it was warm is to blame: the cold tree fails, the one
    /// that runs does not, and the cold tree fails again. Whatever was away while the first failed
    /// and came back before the second was asked is found by the third.
    async fn judge(
        &self,
        pool: &Pool,
        probe: &Probe,
        tree: &Path,
        entry: &Path,
    ) -> Result<RehearsalResult, PhpError> {
        // No release is judged by what warming made of its scripts.
        pool.forget(tree).await?;
        if try_out(pool, probe, entry).await?.is_none() {
            return Ok(RehearsalResult::Works);
        }
        let Some(running) = self.running().and_then(|running| self::entry(&running)) else {
            return Ok(RehearsalResult::Unknown(
                "no release runs that could be asked the same".to_owned(),
            ));
        };
        let control = pool.rehearse(&running, probe).await?;
        if let Some(problem) = control.problem {
            return Ok(RehearsalResult::Unknown(format!(
                "and of the release that runs: {}",
                with(&problem, control.said.as_deref())
            )));
        }
        Ok(try_out(pool, probe, entry)
            .await?
            .map_or(RehearsalResult::Works, RehearsalResult::Fails))
    }

    async fn hook(hook: Option<&Hook>, when: &'static str, switch: &Switch) -> Result<(), String> {
        let Some(hook) = hook else { return Ok(()) };
        let occasion = Occasion {
            when,
            sequence: switch.sequence,
            manifest: switch.manifest,
            tree: &switch.tree,
        };
        hook.run(occasion)
            .await
            .map_err(|error| runtime::Chain(&error).to_string())
    }
}

impl Shop for Pod {
    async fn before(&self, switch: &Switch) -> Result<(), String> {
        Self::hook(self.settings.before.as_ref(), "before", switch).await
    }

    async fn warm(&self, switch: &Switch) {
        let Some(pool) = &self.pool else { return };
        if let Err(error) = self.compile(pool, switch).await {
            warn!(error = %runtime::Chain(&error), "OPcache is not warmed");
        }
    }

    async fn rehearse(&self, switch: &Switch) -> Result<(), Objection> {
        let (Some(pool), Some(probe)) = (&self.pool, &self.settings.probe) else {
            return Ok(());
        };
        let tree = switch
            .tree
            .canonicalize()
            .unwrap_or_else(|_| switch.tree.clone());
        let Some(entry) = entry(&tree) else {
            info!(
                tree = %tree.display(),
                "no index.php in the release, or in its pub or public: it is not rehearsed"
            );
            return Ok(());
        };
        let since = SystemTime::now();
        let problem = match try_out(pool, probe, &entry).await {
            Ok(None) => return Ok(()),
            Ok(Some(problem)) => problem,
            // Without php-fpm nothing is known; the probe after the switch decides.
            Err(error) => {
                warn!(error = %runtime::Chain(&error), "the release is not rehearsed");
                return Ok(());
            }
        };
        let page = probe.url.path();
        match self.judge(pool, probe, &tree, &entry).await {
            Ok(RehearsalResult::Works) => {
                warn!(
                    problem,
                    "the release works after OPcache forgot it: it runs without what was warmed"
                );
                Ok(())
            }
            Ok(RehearsalResult::Fails(problem)) => {
                let problem = self
                    .reported(problem, Some(switch.tree.clone()), since)
                    .await;
                Err(Objection::Release(format!(
                    "before the switch, {page} through php-fpm: {problem}"
                )))
            }
            Ok(RehearsalResult::Unknown(why)) => Err(Objection::Surroundings(format!(
                "before the switch, {page} through php-fpm: {problem}; {why}"
            ))),
            Err(error) => {
                let why = runtime::Chain(&error);
                Err(Objection::Surroundings(format!(
                    "before the switch, {page} through php-fpm: {problem}; then {why}"
                )))
            }
        }
    }

    async fn reload(&self) {
        let Some(pid_file) = self.settings.reload.clone() else {
            return;
        };
        match (Reload { pid_file }).ask() {
            Ok(()) => info!("php-fpm was asked to reload"),
            Err(error) => warn!(error = %runtime::Chain(&error), "php-fpm is not reloaded"),
        }
    }

    async fn probe(&self) -> Result<(), Problem> {
        let Some(probe) = &self.settings.probe else {
            return Ok(());
        };
        let since = SystemTime::now();
        match probe.check().await {
            Err(Problem::Bad(problem)) => {
                let problem = with(&problem, self.said(probe).await.as_deref());
                Err(Problem::Bad(
                    self.reported(problem, self.running(), since).await,
                ))
            }
            done => done,
        }
    }

    async fn again(&self, before: &Path) -> Result<(), Objection> {
        let Some(probe) = &self.settings.probe else {
            return Ok(());
        };
        let tree = before.canonicalize().unwrap_or_else(|_| before.to_owned());
        if let (Some(pool), Some(entry)) = (&self.pool, entry(&tree)) {
            match pool.rehearse(&entry, probe).await {
                Ok(rehearsed) => {
                    if let Some(problem) = rehearsed.problem {
                        let problem = with(&problem, rehearsed.said.as_deref());
                        return Err(Objection::Surroundings(format!(
                            "and of the release before, at the same time: {problem}"
                        )));
                    }
                }
                // What the release did to php-fpm, perhaps. The release before is asked once it is
                // active.
                Err(error) => {
                    warn!(error = %runtime::Chain(&error), "the release before is not asked");
                }
            }
        }
        let once = Probe {
            times: 1,
            ..probe.clone()
        };
        once.check()
            .await
            .map_err(|problem| Objection::Release(problem.to_string()))
    }

    async fn control(&self) -> Result<(), Problem> {
        let Some(probe) = &self.settings.probe else {
            return Ok(());
        };
        Probe {
            times: 1,
            ..probe.clone()
        }
        .check()
        .await
    }

    async fn after(&self, switch: &Switch, before: Option<&Path>) -> Result<(), String> {
        if let (Some(pool), Some(before)) = (&self.pool, before)
            && let Err(error) = pool.forget(before).await
        {
            warn!(
                error = %runtime::Chain(&error),
                "OPcache keeps the scripts of the release before"
            );
        }
        Self::hook(self.settings.after.as_ref(), "after", switch).await
    }
}

/// What a tree that failed its rehearsal is worth.
enum RehearsalResult {
    Works,
    Fails(String),
    Unknown(String),
}

/// A problem, and what PHP says about it, without secrets: it leaves the pod.
fn with(problem: &str, said: Option<&str>) -> String {
    said.map_or_else(
        || problem.to_owned(),
        |said| format!("{problem}; PHP says: {}", masked(said)),
    )
}

/// What is wrong with the tree's page, if it is each time it is asked for.
async fn try_out(pool: &Pool, probe: &Probe, entry: &Path) -> Result<Option<String>, PhpError> {
    let mut last = None;
    for _ in 0..REHEARSALS {
        let rehearsed = pool.rehearse(entry, probe).await?;
        let Some(problem) = rehearsed.problem else {
            return Ok(None);
        };
        last = Some(with(&problem, rehearsed.said.as_deref()));
    }
    Ok(last)
}

/// The directory of the tree's front controller, which is a web server's root, if it has one.
fn entry(tree: &Path) -> Option<PathBuf> {
    ENTRIES
        .iter()
        .map(|directory| tree.join(directory))
        .find(|directory| directory.join("index.php").is_file())
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        reason = "a test prepares what is on the disk"
    )]

    use super::*;

    #[test]
    fn the_front_controller_is_where_a_web_server_has_its_root() {
        let tree = tempfile::tempdir().unwrap();
        let make = |path: &str| {
            let path = tree.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "<?php").unwrap();
        };
        make("bin/magento");
        assert_eq!(entry(tree.path()), None);
        make("index.php");
        assert_eq!(entry(tree.path()), Some(tree.path().to_owned()));
        // Magento 2 has both, and only this one is reached from outside.
        make("pub/index.php");
        assert_eq!(entry(tree.path()), Some(tree.path().join("pub")));
    }
}
