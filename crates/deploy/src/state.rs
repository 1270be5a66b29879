//! `state.json`: what this root has accepted, runs, ran before and refuses. Pure: text in, text
//! out.
//!
//! `docs/formats/release-root.md` is the specification. A damaged file is an error and never an
//! empty state: the highest accepted sequence is what stops a replay of an old release.

use jiff::{SignedDuration, Timestamp};
use release::{Accepted, ChannelName, Reason, Sequence, Sha256};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the file that this code writes, and the only one it reads.
const SCHEMA: u32 = 1;
/// Rejected digests that are remembered; the oldest is forgotten first. A year of daily failures is
/// not a real case, a file that grows without end would be.
const REJECTED_LIMIT: usize = 256;

/// How long after a release was made, at most, its acceptance counts as a time that has passed: of
/// that, only its signers' word is proof.
const PASSED: SignedDuration = SignedDuration::from_hours(1);

/// What a release root remembers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct State {
    schema: Schema,
    /// The highest sequence that was ever activated here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<AcceptedRelease>,
    /// The release that `current` names, or will as soon as an interrupted activation is finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<ActiveRelease>,
    /// The release that was active before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<ActiveRelease>,
    /// Since when the active release is on trial: it has still to show that the shop works with
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<Timestamp>,
    /// Manifests that failed here, which are not activated again unless an operator chooses them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rejected: BTreeMap<Sha256, Rejection>,
}

/// The highest release that was activated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AcceptedRelease {
    /// Its sequence.
    pub sequence: Sequence,
    /// The version of the trust root that vouched for it.
    pub root_version: u64,
    /// Its manifest.
    pub manifest: Sha256,
    /// A clock behind this is wrong: when it was activated, but at most an hour after it was made,
    /// as the clock may have been ahead.
    pub at: Timestamp,
}

/// A release that is or was active.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ActiveRelease {
    /// Its manifest, whose first 16 digits name the tree.
    pub manifest: Sha256,
    /// The sequence that named this manifest last.
    pub sequence: Sequence,
    /// The channel it came from.
    pub channel: ChannelName,
    /// When this manifest became active.
    pub since: Timestamp,
}

/// Why a manifest is not activated again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rejection {
    /// What failed, for people.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// A release to activate: verified, accepted and complete on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its manifest.
    pub manifest: Sha256,
    /// Its sequence.
    pub sequence: Sequence,
    /// Its channel.
    pub channel: ChannelName,
    /// The version of the trust root that vouched for it.
    pub root_version: u64,
    /// When it was made, as its signers say.
    pub created: Timestamp,
}

/// Why a `state.json` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The bytes are not a state.
    #[error("is damaged")]
    Malformed(#[source] serde_json::Error),
    /// A newer Longshore wrote it.
    #[error("has schema {0}; this version of Longshore reads schema 1")]
    Schema(u32),
}

impl StateError {
    /// The stable reason: always `state`.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        Reason::State
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Schema(u32);

impl Default for Schema {
    fn default() -> Self {
        Self(SCHEMA)
    }
}

impl State {
    /// Reads a `state.json`.
    ///
    /// # Errors
    ///
    /// [`StateError`] where the text is not a state of schema 1. It is never taken for an empty
    /// one.
    pub fn parse(text: &[u8]) -> Result<Self, StateError> {
        #[derive(Deserialize)]
        struct Versioned {
            schema: u32,
        }
        let Versioned { schema } = serde_json::from_slice(text).map_err(StateError::Malformed)?;
        if schema != SCHEMA {
            return Err(StateError::Schema(schema));
        }
        serde_json::from_slice(text).map_err(StateError::Malformed)
    }

    /// The text to store, with one newline at its end.
    ///
    /// # Errors
    ///
    /// Never for a state that was parsed or built here; JSON itself may refuse, and that is not
    /// hidden.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        Ok(text)
    }

    /// What the acceptance policy asks about the past.
    #[must_use]
    pub fn policy_floor(&self) -> Option<Accepted> {
        self.accepted.as_ref().map(|it| Accepted {
            sequence: it.sequence,
            manifest: it.manifest,
            root_version: it.root_version,
            at: it.at,
        })
    }

    /// The state once `target` is active: the accepted sequence never falls, also where an older
    /// release was chosen.
    #[must_use]
    pub fn activated(&self, target: &Target, now: Timestamp) -> Self {
        let mut next = self.clone();
        let raises = self
            .accepted
            .as_ref()
            .is_none_or(|accepted| target.sequence >= accepted.sequence);
        if raises {
            let before = self.accepted.as_ref();
            next.accepted = Some(AcceptedRelease {
                sequence: target.sequence,
                root_version: before
                    .map_or(0, |it| it.root_version)
                    .max(target.root_version),
                manifest: target.manifest,
                // A clock that is ahead today is right tomorrow, and must not be held behind until
                // then.
                at: now.min(target.created.saturating_add(PASSED).unwrap_or(now)),
            });
        }
        let same = self
            .active
            .as_ref()
            .filter(|active| active.manifest == target.manifest);
        if same.is_none() {
            next.previous.clone_from(&self.active);
            next.trial = None;
        }
        next.active = Some(ActiveRelease {
            manifest: target.manifest,
            sequence: target.sequence,
            channel: target.channel.clone(),
            since: same.map_or(now, |active| active.since),
        });
        next.rejected.remove(&target.manifest);
        next
    }

    /// The state once `target` is active on trial, if it was not active before.
    #[must_use]
    pub fn activated_on_trial(&self, target: &Target, now: Timestamp) -> Self {
        let known = self
            .active
            .as_ref()
            .is_some_and(|active| active.manifest == target.manifest);
        let next = self.activated(target, now);
        if known {
            next
        } else {
            Self {
                trial: Some(now),
                ..next
            }
        }
    }

    /// The state once the trial is over and the active release stays.
    #[must_use]
    pub fn kept(&self) -> Self {
        Self {
            trial: None,
            ..self.clone()
        }
    }

    /// The state once the release before the active one is active again; nothing if there was
    /// none before it. What failed is not rejected by that: whoever goes back knows only afterwards
    /// whether the release before works.
    #[must_use]
    pub fn gone_back(&self, now: Timestamp) -> Option<Self> {
        let before = self.previous.clone()?;
        Some(Self {
            active: Some(ActiveRelease {
                since: now,
                ..before
            }),
            previous: None,
            trial: None,
            ..self.clone()
        })
    }

    /// The state once `manifest` may be tried again.
    #[must_use]
    pub fn without_rejected(&self, manifest: &Sha256) -> Self {
        let mut next = self.clone();
        next.rejected.remove(manifest);
        next
    }

    /// The state once `manifest` is on the rejected list.
    #[must_use]
    pub fn with_rejected(&self, manifest: Sha256, reason: &str, now: Timestamp) -> Self {
        let mut next = self.clone();
        next.rejected.insert(
            manifest,
            Rejection {
                reason: reason.to_owned(),
                at: now,
            },
        );
        while next.rejected.len() > REJECTED_LIMIT {
            let oldest = next
                .rejected
                .iter()
                .filter(|(digest, _)| **digest != manifest)
                .min_by_key(|(_, it)| it.at)
                .map(|(digest, _)| *digest);
            let Some(oldest) = oldest else { break };
            next.rejected.remove(&oldest);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn target(sequence: u64, manifest: u8) -> Target {
        Target {
            manifest: Sha256::digest(&[manifest]),
            sequence: sequence.try_into().unwrap(),
            channel: "shops/acme".parse().unwrap(),
            root_version: 1,
            created: at(0),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn choosing_an_older_release_keeps_the_floor() {
        let state = State::default()
            .activated(&target(7, 7), at(1))
            .activated(&target(5, 5), at(2));
        assert_eq!(state.accepted.as_ref().unwrap().sequence.get(), 7);
        assert_eq!(state.active.as_ref().unwrap().sequence.get(), 5);
        assert_eq!(state.previous.as_ref().unwrap().sequence.get(), 7);
    }

    #[test]
    fn a_new_sequence_of_the_same_manifest_keeps_its_start_and_the_previous_one() {
        let state = State::default()
            .activated(&target(1, 1), at(1))
            .activated(&target(2, 2), at(2));
        let state = state.activated(&target(3, 2), at(3));
        let active = state.active.as_ref().unwrap();
        assert_eq!((active.sequence.get(), active.since), (3, at(2)));
        assert_eq!(state.previous.unwrap().manifest, Sha256::digest(&[1]));
    }

    #[test]
    fn an_unknown_schema_says_so_and_damage_is_never_an_empty_state() {
        assert!(matches!(
            State::parse(br#"{"schema":2,"other":true}"#),
            Err(StateError::Schema(2))
        ));
        for text in [
            "",
            "{}",
            "null",
            r#"{"schema":1,"accepted":{}}"#,
            r#"{"schema":1,"unknown":1}"#,
            "{\"schema\":1",
        ] {
            assert!(
                matches!(State::parse(text.as_bytes()), Err(StateError::Malformed(_))),
                "{text}"
            );
        }
        assert_eq!(State::parse(br#"{"schema":1}"#).unwrap(), State::default());
    }

    #[test]
    fn the_oldest_rejections_are_forgotten_first() {
        let digest = |n: usize| Sha256::digest(&n.to_be_bytes());
        let state = (0..=REJECTED_LIMIT).fold(State::default(), |state, n| {
            state.with_rejected(digest(n), "probe", at(i64::try_from(n).unwrap()))
        });
        assert_eq!(state.rejected.len(), REJECTED_LIMIT);
        assert!(
            !state.rejected.contains_key(&digest(0))
                && state.rejected.contains_key(&digest(REJECTED_LIMIT))
        );
    }

    proptest! {
        #[test]
        fn the_accepted_sequence_never_falls_and_the_text_is_exact(
            steps in prop::collection::vec((1_u64..50, 0_u8..5, -1000_i64..100_000), 1..30),
        ) {
            let mut state = State::default();
            for (sequence, manifest, second) in steps {
                let next = state.activated(&target(sequence, manifest), at(second));
                prop_assert!(
                    next.accepted.as_ref().map(|it| it.sequence)
                        >= state.accepted.as_ref().map(|it| it.sequence)
                );
                prop_assert!(
                    next.accepted
                        .as_ref()
                        .is_some_and(|it| it.at <= at(0) + PASSED),
                    "whatever the clock said"
                );
                prop_assert_eq!(&State::parse(&next.to_json().unwrap()).unwrap(), &next);
                state = next;
            }
        }
    }
}
