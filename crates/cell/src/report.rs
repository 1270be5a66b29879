//! What agents said of a release, as far as rollouts care.

/// What the agents of a shop said about one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentsReport {
    /// The sequence that was asked about.
    pub sequence: u64,
    /// All of them run it.
    pub all: bool,
    /// The first of them that rejected it.
    pub rejected: Option<Rejection>,
}

/// What an agent said of a release that failed there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Of this pod.
    pub pod: String,
    /// Its reason.
    pub why: String,
}

impl AgentsReport {
    /// Why the shop does not work with the release, for people.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        self.rejected
            .as_ref()
            .map(|Rejection { pod, why }| format!("agent of pod {pod} rejected it: {why}"))
    }
}
