//! What a switch asks of the shop that runs.

use php::Problem;
use release::{RelativePath, Sequence, Sha256};
use std::{
    future::Future,
    path::{Path, PathBuf},
};

/// A release that becomes active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch {
    /// Its sequence.
    pub sequence: Sequence,
    /// Its manifest.
    pub manifest: Sha256,
    /// Its tree.
    pub tree: PathBuf,
    /// Scripts that its manifest wants compiled first, if that was read.
    pub warm: Vec<RelativePath>,
}

impl Switch {
    pub(crate) fn to(root: &Path, sequence: Sequence, manifest: Sha256) -> Self {
        Self {
            sequence,
            manifest,
            tree: deploy::tree(root, &manifest),
            warm: Vec::new(),
        }
    }
}

/// Why a release is not switched to although it was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Objection {
    /// It fails at what the release that runs does well at the same time: it is rejected.
    Release(String),
    /// The release that runs fails, too, or cannot be asked: that says nothing of either, and it is
    /// tried again later.
    Surroundings(String),
}

/// The shop beside the agent: nginx and php-fpm in a pod, something scripted in tests.
pub trait Shop: Send {
    /// Runs the hook before the switch.
    ///
    /// # Errors
    ///
    /// What it said: the release waits then.
    fn before(&self, switch: &Switch) -> impl Future<Output = Result<(), String>> + Send;

    /// Compiles what the new tree will need first. What fails here only makes the first requests
    /// slower.
    fn warm(&self, switch: &Switch) -> impl Future<Output = ()> + Send;

    /// Tries the new tree before any visitor meets it, and if it fails the tree that runs, by
    /// the same question.
    ///
    /// # Errors
    ///
    /// What was seen instead of a page, and of whom; nothing was switched.
    fn rehearse(&self, switch: &Switch) -> impl Future<Output = Result<(), Objection>> + Send;

    /// Makes PHP look at `current` again, if it is configured so.
    fn reload(&self) -> impl Future<Output = ()> + Send;

    /// Asks whether the shop works.
    ///
    /// # Errors
    ///
    /// What was seen instead: the release is left then, unless nobody answered at all.
    fn probe(&self) -> impl Future<Output = Result<(), Problem>> + Send;

    /// Asks, while a release that failed is active, for the page of the tree `before` without
    /// switching to it, and then the shop once more: trouble that ends before the release is left
    /// would be seen by nobody else.
    ///
    /// # Errors
    ///
    /// What the shop still says; or that the tree before fails, too.
    fn again(&self, before: &Path) -> impl Future<Output = Result<(), Objection>> + Send;

    /// Asks the shop the same once, after a release that failed was left: the first answer counts,
    /// as what is away may come back any time.
    ///
    /// # Errors
    ///
    /// What was seen instead: the release that was left may have done nothing wrong.
    fn control(&self) -> impl Future<Output = Result<(), Problem>> + Send;

    /// Forgets the tree that ran before, and runs the hook after the switch.
    ///
    /// # Errors
    ///
    /// What it said; the release runs all the same.
    fn after(
        &self,
        switch: &Switch,
        before: Option<&Path>,
    ) -> impl Future<Output = Result<(), String>> + Send;
}
