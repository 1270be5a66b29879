//! What agents' `/status` pages say of a release: read here, and asked for in `run`. The agent's own types write the page; a test compares.

use serde::Deserialize;

/// One agent's `/status`, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AgentStatus {
    running: Option<Running>,
    #[serde(default)]
    rejected: Vec<Rejected>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Running {
    sequence: u64,
    manifest: String,
    on_trial: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Rejected {
    manifest: String,
    reason: String,
}

/// What an agent says of one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The shop runs it, or a newer one, and was seen to work with it.
    Runs,
    /// Not yet.
    Waits,
    /// It failed there, for this reason, and is not tried again.
    Rejected(String),
}

impl AgentStatus {
    /// Reads a page; `None` where it is none, which says nothing of a release.
    ///
    /// ```
    /// use scheduler::evidence::{AgentStatus, Said};
    ///
    /// let page = r#"{"running": {"sequence": 7, "manifest": "ab", "onTrial": false}, "rejected": [{"manifest": "cd", "reason": "probe"}]}"#;
    /// let agent = AgentStatus::read(page).unwrap();
    /// assert_eq!(agent.says(7, "ab"), Said::Runs);
    /// assert_eq!(agent.says(8, "cd"), Said::Rejected("probe".to_owned()));
    /// assert_eq!(agent.says(9, "ef"), Said::Waits);
    /// ```
    #[must_use]
    pub fn read(page: &str) -> Option<Self> {
        serde_json::from_str(page).ok()
    }

    /// What it says of the release with this sequence and this manifest.
    #[must_use]
    pub fn says(&self, sequence: u64, manifest: &str) -> Said {
        // The shop's own word first: a manifest that was rejected once may run under a later sequence by an operator's choice.
        match &self.running {
            Some(running) if running.sequence > sequence && !running.on_trial => return Said::Runs,
            Some(running) if running.sequence == sequence && running.manifest == manifest && !running.on_trial => return Said::Runs,
            _ => {}
        }
        let rejected = self.rejected.iter().find(|rejected| rejected.manifest == manifest);
        rejected.map_or(Said::Waits, |rejected| Said::Rejected(rejected.reason.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(page: &str) -> Said {
        AgentStatus::read(page).unwrap().says(7, "ab")
    }

    #[test]
    fn a_release_on_trial_does_not_count_and_one_that_failed_says_why() {
        for (page, expected) in [
            (r#"{"running": null, "rejected": []}"#, Said::Waits),
            (r#"{"running": {"sequence": 7, "manifest": "ab", "onTrial": true}}"#, Said::Waits),
            (r#"{"running": {"sequence": 7, "manifest": "ab", "onTrial": false}}"#, Said::Runs),
            // The same sequence with another manifest is a split channel, and no evidence.
            (r#"{"running": {"sequence": 7, "manifest": "cd", "onTrial": false}}"#, Said::Waits),
            (r#"{"running": {"sequence": 8, "manifest": "cd", "onTrial": false}}"#, Said::Runs),
            (
                r#"{"running": {"sequence": 6, "manifest": "cd", "onTrial": false}, "rejected": [{"manifest": "ab", "reason": "502"}]}"#,
                Said::Rejected("502".to_owned()),
            ),
        ] {
            assert_eq!(says(page), expected, "{page}");
        }
    }

    #[test]
    fn the_page_that_the_agent_writes_is_understood() {
        // The agent's own test writes this file.
        let agent = AgentStatus::read(include_str!("../../../docs/formats/status.json")).unwrap();
        let digest = |text: &str| release::Sha256::of(text.as_bytes()).to_string();
        assert_eq!(agent.says(43, &digest("43")), Said::Runs);
        assert_eq!(agent.says(44, &digest("44")), Said::Rejected("the shop answered 502".to_owned()));
        assert_eq!(agent.says(45, &digest("45")), Said::Waits);
    }

    #[test]
    fn a_page_without_trial_is_no_page() {
        assert_eq!(AgentStatus::read(r#"{"running": {"sequence": 7}}"#), None);
        assert_eq!(AgentStatus::read("not found"), None);
    }
}
