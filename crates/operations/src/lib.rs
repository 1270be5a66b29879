//! What people do to a cluster, whatever they do it with: `longshore` on a terminal and the console
//! in a browser call the same functions, which check, write, and record who did it and why.
//!
//! | file | gives |
//! |---|---|
//! | `rollout` | a rollout is started, paused, resumed, promoted and aborted |
//! | `halt` | everything is halted, and goes on |
//! | `history` | the record of both, in the status of rollouts |
//! | `create`, `import` | new Shops are checked and stored: one of a few words, many of a list |
//! | `change` | a Shop is changed, or moved to a release: first its plan, then the change |
//! | `jobs` | a shop's caches are cleaned, its cron runs, its data is backed up and put back |
//! | `backups` | how the backups of a shop are |
//! | `nodes` | which shops have pods on a node |
//! | `roles` | who sees or manages the shops of a label, as Kubernetes' roles |
//! | `why` | what ails a shop's pods and its Secret |
//! | `watch` | what `longshore-watch` knows of a shop |

pub mod backups;
pub mod change;
pub mod create;
mod error;
pub mod halt;
mod history;
pub mod import;
pub mod jobs;
pub mod nodes;
mod parallel;
pub mod roles;
pub mod rollout;
pub mod watch;
pub mod why;

pub use error::OperationError;

use client::{ApiError, Cluster};

/// Who acts, and why: for the record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Who {
    /// Who.
    pub by: String,
    /// Why; empty if nobody said it.
    pub why: String,
}

impl Who {
    /// Whoever asks, as the API server knows that account; `by` stands before it if somebody else
    /// is named. The chart's policy holds what is recorded to this.
    ///
    /// # Errors
    ///
    /// If the API server does not say who asks.
    pub async fn asks(cluster: &Cluster, by: Option<&str>, why: &str) -> Result<Self, ApiError> {
        let account = cluster.who().await?;
        Ok(Self {
            by: match by {
                Some(by) if by != account => format!("{by} ({account})"),
                _ => account,
            },
            why: why.to_owned(),
        })
    }
}

/// Something was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Done {
    /// What was done, in a sentence.
    pub said: String,
    /// What did not work beside it, in sentences: what was done is done all the same.
    pub warnings: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::scripted::{Script, expect};
    use serde_json::json;

    #[tokio::test]
    async fn nobody_is_named_without_the_account_that_asks() {
        for (by, expected) in [
            (None, "deploy"),
            (Some("deploy"), "deploy"),
            (Some("anna"), "anna (deploy)"),
        ] {
            let me = json!({ "status": { "userInfo": { "username": "deploy" } } });
            let ask = expect("POST /apis/authentication.k8s.io/v1/selfsubjectreviews");
            let script = Script::new([ask.answers(me)]);
            let who = Who::asks(&script.cluster(), by, "").await.unwrap();
            assert_eq!(who.by, expected);
        }
    }
}
