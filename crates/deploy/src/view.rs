//! Looking at a release root without its lock: for people, and for the agent's status.

use crate::{
    layout::link_contents,
    root::{RootError, read_current, read_state},
    state::{ActiveRelease, State},
};
use std::path::{Path, PathBuf};

/// What a release root shows at one moment. The file behind it is replaced whole, so it is never
/// half of two states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// What the root remembers: accepted, active, previous and rejected releases.
    pub state: State,
    /// What `current` contains, such as `releases/0123456789abcdef`; `None` if nothing was
    /// activated.
    pub current: Option<PathBuf>,
}

impl View {
    /// Reads the root at `path`. A root where nothing was activated yet has an empty state.
    ///
    /// # Errors
    ///
    /// [`RootError::NotDirectory`] if there is no directory, [`RootError::State`] where
    /// `state.json` is damaged, otherwise the disk's.
    pub fn read(path: &Path) -> Result<Self, RootError> {
        if !path.is_dir() {
            return Err(RootError::NotDirectory(path.to_owned()));
        }
        Ok(Self {
            state: read_state(path)?,
            current: read_current(path),
        })
    }

    /// The release that readers of `current` see, if the root knows it. It differs from
    /// `state.active` between the two steps of an activation, and after a crash there.
    #[must_use]
    pub fn running(&self) -> Option<&ActiveRelease> {
        let shown = self.current.as_ref()?;
        [&self.state.active, &self.state.previous]
            .into_iter()
            .flatten()
            .find(|release| link_contents(&release.manifest) == *shown)
    }
}
