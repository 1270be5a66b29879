//! Requests to the helper script, and its answers.

use serde::{Deserialize, Serialize};

/// What the helper is asked.
#[derive(Debug, Serialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub(crate) enum Call<'a> {
    /// Compile these scripts of a tree, in this many seconds.
    Warm {
        tree: &'a str,
        scripts: &'a [String],
        seconds: f64,
    },
    /// Which scripts of a tree are used most?
    Hottest { tree: &'a str, most: usize },
    /// Forget every script of a tree.
    Forget { tree: &'a str },
    /// Forget these scripts of a tree.
    Drop {
        tree: &'a str,
        scripts: &'a [String],
    },
}

/// What it answers: `enabled`, and what belongs to the call.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Answer {
    pub(crate) enabled: bool,
    pub(crate) done: usize,
    pub(crate) compiled: usize,
    pub(crate) cached: usize,
    pub(crate) skipped: usize,
    pub(crate) failed: Vec<String>,
    /// The script at which a fatal error ended it.
    pub(crate) at: Option<String>,
    pub(crate) full: bool,
    pub(crate) scripts: Vec<String>,
    pub(crate) forgotten: u64,
}
