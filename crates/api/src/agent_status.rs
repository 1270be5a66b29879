//! What agents' `/status` pages say of a release: read here, and asked for in `run`. The agent's
//! own types write the page; a test compares.

use jiff::Timestamp;
use serde::Deserialize;

/// Bytes of what an agent says of a failure: a sentence, and the beginning of what PHP said.
const WHY: usize = 512;

/// One agent's `/status`, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AgentStatus {
    running: Option<Running>,
    #[serde(default)]
    rejected: Vec<Rejected>,
    #[serde(default)]
    page: Option<Page>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Page {
    state: String,
    problem: Option<String>,
}

/// What is known of a shop's page, by one agent or by all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageStatus {
    /// It works; or nobody asks for it.
    Works,
    /// Nobody has seen it yet.
    Unknown,
    /// It does not work, for this reason.
    Fails(String),
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
    #[serde(default)]
    at: Option<Timestamp>,
}

/// What an agent is asked of one release.
#[derive(Debug, Clone, Copy)]
pub struct ReleaseQuery<'a> {
    /// Its sequence.
    pub sequence: u64,
    /// Its manifest's digest.
    pub manifest: &'a str,
    /// Releases after it that the shop may be assigned by now, with their manifests. What else a
    /// page names is nothing that we gave the shop.
    pub newer: &'a [(u64, String)],
    /// Since when a person wants it tried again: what failed before does not count.
    pub retried: Option<Timestamp>,
}

/// What an agent says of one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentVerdict {
    /// The shop runs it, or a newer one, and was seen to work with it.
    Runs,
    /// Not yet.
    Waits,
    /// It failed there, for this reason, and is not tried again.
    Rejected(String),
}

impl AgentStatus {
    /// Reads a page; `None` if it is not one, which says nothing about a release.
    ///
    /// ```
    /// use api::agent_status::{AgentStatus, ReleaseQuery, AgentVerdict};
    ///
    /// let page = r#"{
    ///     "running": {"sequence": 7, "manifest": "ab", "onTrial": false},
    ///     "rejected": [{"manifest": "cd", "reason": "probe"}]
    /// }"#;
    /// let agent = AgentStatus::read(page.as_bytes()).unwrap();
    /// let says = |sequence, manifest| {
    ///     agent.says(&ReleaseQuery { sequence, manifest, newer: &[], retried: None })
    /// };
    /// assert_eq!(says(7, "ab"), AgentVerdict::Runs);
    /// assert_eq!(says(8, "cd"), AgentVerdict::Rejected("probe".to_owned()));
    /// assert_eq!(says(9, "ef"), AgentVerdict::Waits);
    /// ```
    #[must_use]
    pub fn read(page: &[u8]) -> Option<Self> {
        serde_json::from_slice(page).ok()
    }

    /// What it has seen of the shop's page. One that asks for none cannot say.
    #[must_use]
    pub fn page(&self) -> PageStatus {
        match &self.page {
            None => PageStatus::Works,
            Some(page) => match (page.state.as_str(), &page.problem) {
                ("good", _) => PageStatus::Works,
                ("bad", problem) => {
                    PageStatus::Fails(words(problem.as_deref().unwrap_or_default()))
                }
                _ => PageStatus::Unknown,
            },
        }
    }

    /// What it says of a release. The tenant's code may have written the page: it can say that its
    /// own shop runs what it was given, or that it does not, and nothing else.
    #[must_use]
    pub fn says(&self, question: &ReleaseQuery<'_>) -> AgentVerdict {
        let ReleaseQuery {
            sequence,
            manifest,
            newer,
            retried,
        } = *question;
        // The shop's own word first: a manifest that was rejected once may run under a later
        // sequence by an operator's choice.
        if let Some(running) = self.running.as_ref().filter(|running| !running.on_trial) {
            let same = running.sequence == sequence && running.manifest == manifest;
            if same
                || newer.iter().any(|(sequence, manifest)| {
                    running.sequence == *sequence && running.manifest == *manifest
                })
            {
                return AgentVerdict::Runs;
            }
        }
        let before = |rejected: &&Rejected| {
            rejected
                .at
                .zip(retried)
                .is_some_and(|(at, retried)| at < retried)
        };
        let rejected = self
            .rejected
            .iter()
            .find(|rejected| rejected.manifest == manifest)
            .filter(|rejected| !before(rejected));
        rejected.map_or(AgentVerdict::Waits, |rejected| {
            AgentVerdict::Rejected(words(&rejected.reason))
        })
    }
}

/// A text of a pod, as one line that is not longer than people read. The tenant's code may have
/// answered in the agent's place.
#[must_use]
pub fn words(text: &str) -> String {
    let line = text
        .chars()
        .map(|found| if found.is_control() { ' ' } else { found });
    let mut end = 0;
    let kept = line.take_while(|found| {
        end += found.len_utf8();
        end <= WHY
    });
    kept.collect::<String>()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// The same of a log, whose end says why it ended.
#[must_use]
pub fn last_words(log: &str) -> String {
    words(&log[log.ceil_char_boundary(log.len().saturating_sub(WHY))..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(page: &str) -> AgentVerdict {
        let newer = [(8, "cd".to_owned())];
        AgentStatus::read(page.as_bytes())
            .unwrap()
            .says(&ReleaseQuery {
                sequence: 7,
                manifest: "ab",
                newer: &newer,
                retried: None,
            })
    }

    #[test]
    fn a_release_on_trial_does_not_count_and_one_that_failed_says_why() {
        for (page, expected) in [
            (r#"{"running": null, "rejected": []}"#, AgentVerdict::Waits),
            (
                r#"{"running": {"sequence": 7, "manifest": "ab", "onTrial": true}}"#,
                AgentVerdict::Waits,
            ),
            (
                r#"{"running": {"sequence": 7, "manifest": "ab", "onTrial": false}}"#,
                AgentVerdict::Runs,
            ),
            // The same sequence with another manifest is a split channel, and no evidence.
            (
                r#"{"running": {"sequence": 7, "manifest": "cd", "onTrial": false}}"#,
                AgentVerdict::Waits,
            ),
            (
                r#"{"running": {"sequence": 8, "manifest": "cd", "onTrial": false}}"#,
                AgentVerdict::Runs,
            ),
            // What the shop was never given.
            (
                r#"{"running": {"sequence": 8, "manifest": "ef", "onTrial": false}}"#,
                AgentVerdict::Waits,
            ),
            (
                r#"{"running": {"sequence": 9, "manifest": "cd", "onTrial": false}}"#,
                AgentVerdict::Waits,
            ),
            (
                r#"{"running": {"sequence": 999999, "manifest": "ab", "onTrial": false}}"#,
                AgentVerdict::Waits,
            ),
            (
                r#"{"running": {"sequence": 18446744073709551615, "manifest": "ab", "onTrial": false}}"#,
                AgentVerdict::Waits,
            ),
            (
                r#"{"running": {"sequence": 6, "manifest": "cd", "onTrial": false}, "rejected": [{"manifest": "ab", "reason": "502"}]}"#,
                AgentVerdict::Rejected("502".to_owned()),
            ),
        ] {
            assert_eq!(says(page), expected, "{page}");
        }
    }

    #[test]
    fn a_hostile_page_is_no_page() {
        let nested = format!(r#"{{"running": null, "x": {}"#, "[".repeat(100_000));
        let many = format!(
            r#"{{"running": null, "rejected": [{}{{}}]}}"#,
            r#"{"manifest": "x", "reason": "y"},"#.repeat(7000)
        );
        let twice =
            r#"{"running": null, "running": {"sequence": 7, "manifest": "ab", "onTrial": false}}"#;
        for page in [
            "",
            "null",
            "[]",
            "7",
            "\"running\"",
            "{\"running\": 7}",
            r#"{"running": {"sequence": -1, "manifest": "ab", "onTrial": false}}"#,
            r#"{"running": {"sequence": 1e30, "manifest": "ab", "onTrial": false}}"#,
            r#"{"running": {"sequence": "7", "manifest": "ab", "onTrial": false}}"#,
            r#"{"running": {"sequence": 7.0, "manifest": "ab", "onTrial": false}}"#,
            r#"{"running": {"sequence": 7, "manifest": null, "onTrial": false}}"#,
            r#"{"running": {"sequence": 7, "manifest": "ab", "onTrial": 0}}"#,
            r#"{"running": null, "rejected": {}}"#,
            r#"{"running": null} {}"#,
            &nested,
            &many,
            twice,
        ] {
            assert_eq!(
                AgentStatus::read(page.as_bytes()),
                None,
                "{}",
                page.chars().take(80).collect::<String>()
            );
        }
        assert_eq!(
            AgentStatus::read(
                b"{\"running\": null, \"page\": {\"state\": \"\xff\", \"problem\": null}}"
            ),
            None
        );
    }

    #[test]
    fn the_page_that_the_agent_writes_is_understood() {
        // The agent's own test writes this file.
        let agent = AgentStatus::read(include_bytes!("../../../docs/formats/status.json")).unwrap();
        let digest = |text: &str| release::Sha256::digest(text.as_bytes()).to_string();
        let says = |sequence: u64| {
            agent.says(&ReleaseQuery {
                sequence,
                manifest: &digest(&sequence.to_string()),
                newer: &[],
                retried: None,
            })
        };
        assert_eq!(says(43), AgentVerdict::Runs);
        assert_eq!(
            says(44),
            AgentVerdict::Rejected("the shop answered 502".to_owned())
        );
        assert_eq!(says(45), AgentVerdict::Waits);
    }

    #[test]
    fn a_page_that_nobody_has_seen_is_not_one_that_works() {
        for (page, expected) in [
            ("{\"running\": null}", PageStatus::Works),
            (r#"{"running": null, "page": null}"#, PageStatus::Works),
            (
                r#"{"running": null, "page": {"state": "unknown", "problem": "nobody listens", "at": null}}"#,
                PageStatus::Unknown,
            ),
            (
                r#"{"running": null, "page": {"state": "good", "problem": null, "at": null}}"#,
                PageStatus::Works,
            ),
            (
                r#"{"running": null, "page": {"state": "bad", "problem": "status 503", "at": null}}"#,
                PageStatus::Fails("status 503".to_owned()),
            ),
        ] {
            assert_eq!(
                AgentStatus::read(page.as_bytes()).unwrap().page(),
                expected,
                "{page}"
            );
        }
        assert_eq!(
            AgentStatus::read(include_bytes!("../../../docs/formats/status.json"))
                .unwrap()
                .page(),
            PageStatus::Works
        );
    }

    #[test]
    fn what_failed_before_it_was_told_once_more_does_not_count() {
        let page = r#"{"running": null, "rejected": [{"manifest": "ab", "reason": "502", "at": "2026-11-23T12:00:00Z"}]}"#;
        let agent = AgentStatus::read(page.as_bytes()).unwrap();
        let says = |retried: &str| {
            agent.says(&ReleaseQuery {
                sequence: 7,
                manifest: "ab",
                newer: &[],
                retried: Some(retried.parse().unwrap()),
            })
        };
        assert_eq!(says("2026-11-23T12:00:01Z"), AgentVerdict::Waits);
        assert_eq!(
            says("2026-11-23T11:59:59Z"),
            AgentVerdict::Rejected("502".to_owned())
        );
    }

    #[test]
    fn a_hostile_reason_is_a_short_line() {
        assert_eq!(
            words("PHP Fatal\n\u{1b}[31m  error:\r\n x"),
            "PHP Fatal [31m error: x"
        );
        assert_eq!(words(&"ä".repeat(10_000)).len(), WHY);
        let log = format!("{}\nmigrate: no tables", "ä".repeat(10_000));
        assert!(
            last_words(&log).ends_with("ä migrate: no tables") && last_words(&log).len() <= WHY
        );
    }

    #[test]
    fn a_page_without_trial_is_no_page() {
        assert_eq!(AgentStatus::read(br#"{"running": {"sequence": 7}}"#), None);
        assert_eq!(AgentStatus::read(b"not found"), None);
    }
}
