//! What errors and slow pages say of a release, in words.

use jiff::Timestamp;
use observe::v1;

/// Findings that are told.
const TOLD: usize = 3;
/// Fewer requests say nothing of a release.
const FEW: u64 = 100;

/// What errors and slow pages say of the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// Nobody asks for it.
    NotAsked,
    /// Nothing is held against it; in words.
    Clean(String),
    /// Something is, for this reason.
    Against(String),
    /// Nobody answers who would know, since then.
    Away(Timestamp),
}

impl From<&v1::Evidence> for Evidence {
    /// The same every time where nothing changed, as each change is written into the status.
    fn from(answer: &v1::Evidence) -> Self {
        if answer.against.is_empty() {
            return Self::Clean(if answer.requests < FEW {
                "too few requests to be evidence".to_owned()
            } else {
                "no evidence against it".to_owned()
            });
        }
        let told: Vec<_> = answer
            .against
            .iter()
            .take(TOLD)
            .map(|finding| finding.text.as_str())
            .collect();
        Self::Against(told.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use observe::v1::Finding;

    #[test]
    fn words_are_the_same_while_nothing_changes() {
        let answer = |requests, texts: &[&str]| v1::Evidence {
            as_of: None,
            requests,
            against: texts
                .iter()
                .map(|text| Finding {
                    shop: "acme".to_owned(),
                    fingerprint: None,
                    text: (*text).to_owned(),
                })
                .collect(),
        };
        assert_eq!(
            Evidence::from(&answer(100, &[])),
            Evidence::from(&answer(9000, &[]))
        );
        assert_ne!(
            Evidence::from(&answer(99, &[])),
            Evidence::from(&answer(100, &[]))
        );
        assert_eq!(
            Evidence::from(&answer(5, &["a", "b", "c", "d"])),
            Evidence::Against("a; b; c".to_owned())
        );
    }
}
