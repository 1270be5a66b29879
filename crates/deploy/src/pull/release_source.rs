//! Which release is offered, and who vouches for it: from raw bytes to a verified release that the
//! policy accepts.

use super::{
    PullError, Settings, Source, blocking,
    last_release::LastRelease,
    origin::{Memory, Origin, Read, Reader, Sent},
    release_file::read_file,
    said::Said,
};
use crate::{
    cache::Remembered,
    state::{State, Target},
};
use release::{
    AcceptancePolicy, Accepted, Envelope, Refusal, Release, Sha256, TrustRoot, Verified, key,
};
use std::{collections::BTreeSet, time::Duration};
use store::{Etag, ObjectStore};
use tracing::warn;

/// How long a store may say nothing before the node's cache is asked, but never more than a quarter
/// of the deadline: 10 s, as long as the store's own options let one answer take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A release that trusted keys signed, and the trust root that they are of.
#[derive(Debug)]
pub(crate) struct OfferedRelease {
    pub(crate) release: Verified<Release>,
    pub(crate) root: Verified<TrustRoot>,
    /// Of the release object's bytes.
    pub(crate) object: Sha256,
    /// The state of the store's object that they were read from.
    pub(crate) etag: Option<Etag>,
    pub(crate) origin: Origin,
    bytes: Vec<u8>,
    sent: Vec<Sent>,
}

/// What a release is checked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It may become the active one.
    Activation,
    /// Its manifest runs already, so it is only recorded: neither its expiry nor the list of
    /// rejected manifests counts.
    Record,
}

/// What came of asking which release is offered.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// The one that was seen before.
    Same(LastRelease),
    /// This one.
    Offer(OfferedRelease),
}

impl OfferedRelease {
    /// What it is to be remembered by.
    pub(crate) fn last_release(&self, settings: &Settings, store: &dyn ObjectStore) -> LastRelease {
        LastRelease::new(
            settings,
            store,
            self.etag.as_ref(),
            self.object,
            (self.release.sequence, self.release.manifest),
        )
    }

    /// The offer of the store; or, if that cannot be asked, the last one that was accepted on
    /// this node, provided that `check` accepts it here. "Missing", "forbidden" and bad signatures
    /// are answers.
    pub(crate) async fn fetch(
        settings: &Settings,
        store: &dyn ObjectStore,
        memory: Option<&Memory>,
        last_release: Option<&LastRelease>,
        check: impl Fn(&Self) -> Result<(), PullError>,
    ) -> Result<Fetched, PullError> {
        let reader = Reader::Store(store, memory);
        let Some(memory) = memory else {
            return Self::ask(settings, &reader, last_release).await;
        };
        let mut asked = std::pin::pin!(Self::ask(settings, &reader, last_release));
        let patience = PATIENCE.min(settings.deadline / 4);
        let silence = match tokio::time::timeout(patience, &mut asked).await {
            Ok(Err(PullError::Store(error))) if error.is_transient() => Some(error),
            Ok(answer) => return answer,
            Err(_elapsed) => None,
        };
        let why = silence.as_ref().map_or_else(
            || format!("no answer within {patience:?}"),
            ToString::to_string,
        );
        match Self::read(settings, &Reader::Memory(memory))
            .await
            .and_then(|offer| check(&offer).map(|()| offer))
        {
            Ok(offer) => {
                let sequence = offer.release.sequence.get();
                warn!(
                    error = why,
                    sequence,
                    "the store cannot be asked: the node cache offers the last release it knows"
                );
                Ok(Fetched::Offer(offer))
            }
            Err(error) => {
                warn!(
                    error = why,
                    cache = %error,
                    "the store cannot be asked, and the node cache has no release for us"
                );
                match silence {
                    Some(error) => Err(PullError::Store(error)),
                    None => asked.await,
                }
            }
        }
    }

    /// Asks whether the release that was seen is still offered, if one was that still holds: the
    /// walk of the trust roots then waits until it is known that it is needed.
    async fn ask(
        settings: &Settings,
        reader: &Reader<'_>,
        last_release: Option<&LastRelease>,
    ) -> Result<Fetched, PullError> {
        let Some(last_release) = last_release else {
            return Self::read(settings, reader).await.map(Fetched::Offer);
        };
        let mut sent = Vec::new();
        let Some(read) = release_object(settings, reader, Some(last_release), &mut sent).await?
        else {
            return Ok(Fetched::Same(last_release.clone()));
        };
        let root = reader
            .newest_root(settings.trust.clone(), &mut sent)
            .await?;
        Self::verify(settings, reader, read, root, sent).map(Fetched::Offer)
    }

    /// Reads the release object and walks to the newest trust root, both at once, and checks the
    /// signatures.
    async fn read(settings: &Settings, reader: &Reader<'_>) -> Result<Self, PullError> {
        let (mut sent, mut roots) = (Vec::new(), Vec::new());
        let (read, root) = tokio::join!(
            release_object(settings, reader, None, &mut sent),
            reader.newest_root(settings.trust.clone(), &mut roots)
        );
        sent.append(&mut roots);
        // If none was seen, there always is an answer or an error.
        Self::verify(settings, reader, read?.unwrap_or_default(), root?, sent)
    }

    fn verify(
        settings: &Settings,
        reader: &Reader<'_>,
        Read { bytes, etag }: Read,
        root: Verified<TrustRoot>,
        sent: Vec<Sent>,
    ) -> Result<Self, PullError> {
        let envelope = Envelope::parse(&bytes).map_err(|source| PullError::Envelope {
            channel: settings.channel.clone(),
            source,
        })?;
        let release = root.verify_release(&envelope)?;
        let origin = if matches!(reader, Reader::Memory(_)) {
            Origin::Cache
        } else {
            Origin::Store
        };
        Ok(Self {
            release,
            root,
            object: Sha256::digest(&bytes),
            etag,
            origin,
            bytes,
            sent,
        })
    }

    /// Lets the node remember what the store sent, now that all of it was accepted: also under the
    /// release's own sequence, by which a tree is repaired while the store is away.
    pub(crate) async fn remember(&mut self, settings: &Settings, memory: &Memory) {
        let mut sent = std::mem::take(&mut self.sent);
        let own = key::release(&settings.channel, self.release.sequence);
        if self.origin == Origin::Store
            && !sent.iter().any(|sent| sent.key == own)
            && !memory.knows(&own, &self.bytes).await
        {
            // Nobody's tag where a file has the release object: the store then sends its own, once.
            let etag = self
                .etag
                .clone()
                .unwrap_or_else(|| Etag::new(format!("\"{}\"", self.object)));
            sent.push(Sent {
                key: own,
                object: Remembered {
                    bytes: self.bytes.clone(),
                    etag,
                },
            });
        }
        // A pod that was slow must not put an older release in the place of a newer one, which
        // another pod accepted meanwhile.
        if sent
            .iter()
            .any(|sent| sent.key == key::channel_head(&settings.channel))
            && let Ok(known) = Self::read(settings, &Reader::Memory(memory)).await
            && known.release.sequence > self.release.sequence
        {
            sent.retain(|sent| sent.key != key::channel_head(&settings.channel));
        }
        if !sent.is_empty() {
            memory.remember(sent).await;
        }
    }

    /// Another release object, under the same trust root.
    pub(super) fn beside(&self, bytes: &[u8]) -> Result<Self, PullError> {
        let channel = self.release.channel.clone();
        let envelope =
            Envelope::parse(bytes).map_err(|source| PullError::Envelope { channel, source })?;
        let release = self.root.verify_release(&envelope)?;
        let (root, origin) = (self.root.clone(), self.origin);
        Ok(Self {
            release,
            root,
            object: Sha256::digest(bytes),
            etag: None,
            origin,
            bytes: bytes.to_owned(),
            sent: Vec::new(),
        })
    }

    /// Takes over what the store sent for another one.
    pub(super) fn after(self, other: Self) -> Self {
        Self {
            sent: other.sent,
            ..self
        }
    }

    /// Asks the policy.
    pub(super) fn check(
        &self,
        settings: &Settings,
        said: &Said,
        state: &State,
        purpose: Purpose,
    ) -> Result<(), PullError> {
        if self.root.version() < settings.trust_floor {
            return Err(Refusal::RootBelow {
                found: self.root.version(),
                floor: settings.trust_floor,
            }
            .into());
        }
        let by_operator = matches!(settings.source, Source::Chosen(_));
        let chosen = by_operator || said.chosen == Some(self.release.sequence);
        let accepted = state.policy_floor().map(|accepted| Accepted {
            at: said.passed(accepted.at),
            ..accepted
        });
        let accepted = accepted.map(|accepted| {
            if chosen {
                self.as_if_newest(accepted)
            } else {
                accepted
            }
        });
        let mut rejected: BTreeSet<_> = if by_operator {
            BTreeSet::new()
        } else {
            state.rejected.keys().copied().collect()
        };
        // A pod that starts has looked for another one already.
        if matches!(settings.source, Source::File(_)) {
            rejected.extend(&said.rejected);
        }
        let policy = AcceptancePolicy {
            channel: &settings.channel,
            floor: settings.floor,
            accepted,
            rejected: &rejected,
            now: settings.now,
        };
        let verdict = match purpose {
            Purpose::Activation => policy.accept(&self.root, &self.release),
            Purpose::Record => policy.accept_running(&self.root, &self.release),
        };
        Ok(verdict?)
    }

    // An operator who names a sequence may go below the accepted one, which stays in the state;
    // every other rule holds.
    fn as_if_newest(&self, accepted: Accepted) -> Accepted {
        if self.release.sequence < accepted.sequence {
            Accepted {
                sequence: self.release.sequence,
                manifest: self.release.manifest,
                ..accepted
            }
        } else {
            accepted
        }
    }

    pub(crate) fn target(&self) -> Target {
        Target {
            manifest: self.release.manifest,
            sequence: self.release.sequence,
            channel: self.release.channel.clone(),
            root_version: self.root.version(),
            created: self.release.created,
        }
    }
}

/// The release object, or `None` if it is the one that was seen.
async fn release_object(
    settings: &Settings,
    reader: &Reader<'_>,
    last_release: Option<&LastRelease>,
    sent: &mut Vec<Sent>,
) -> Result<Option<Read>, PullError> {
    let (key, what) = match &settings.source {
        Source::File(path) | Source::Start(path) => {
            let path = path.clone();
            let bytes = blocking(move || read_file(&path)).await?;
            return Ok(
                if last_release.is_some_and(|last_release| last_release.is_of(&bytes)) {
                    None
                } else {
                    Some(Read { bytes, etag: None })
                },
            );
        }
        Source::Channel => (key::channel_head(&settings.channel), "in force".to_owned()),
        Source::Chosen(sequence) => (
            key::release(&settings.channel, *sequence),
            sequence.to_string(),
        ),
    };
    match reader
        .read(
            &key,
            last_release.and_then(LastRelease::etag).as_ref(),
            sent,
        )
        .await
    {
        Ok(read) => Ok(read),
        Err(source) if source.is_missing() => Err(PullError::ChannelMissing {
            channel: settings.channel.clone(),
            what,
            source: Box::new(source),
        }),
        Err(error) => Err(error.into()),
    }
}

/// Walks from a trust root that is believed to the newest one that the store has, each signed by
/// the thresholds of both.
///
/// # Errors
///
/// If a root does not follow from the one before, if there are more than
/// [`ROOT_CHAIN_LIMIT`](release::limits::ROOT_CHAIN_LIMIT), and if the store does not say whether
/// there is another: only "missing" ends the walk well.
pub async fn newest_root(
    root: Verified<TrustRoot>,
    store: &dyn ObjectStore,
) -> Result<Verified<TrustRoot>, PullError> {
    Reader::Store(store, None)
        .newest_root(root, &mut Vec::new())
        .await
}
