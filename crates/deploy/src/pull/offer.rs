//! Which release is offered, and who vouches for it: from raw bytes to a verified release that the policy accepts.

use super::{PullError, Settings, Source, blocking, seen::Seen};
use crate::state::{State, Target};
use release::{Accepted, Envelope, Policy, Release, Sha256, TrustRoot, Verified, key, limits};
use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};
use store::{Etag, Object, ObjectStore, StoreError};

/// What the file is called where a directory is given: the key's last name in the store.
const RELEASE_FILE: &str = "release.json";

/// A release that trusted keys signed, and the trust root that they are of.
#[derive(Debug)]
pub(crate) struct Offer {
    pub(crate) release: Verified<Release>,
    pub(crate) root: Verified<TrustRoot>,
    /// Of the release object's bytes.
    pub(crate) object: Sha256,
    /// The state of the store's object that they were read from.
    pub(crate) etag: Option<Etag>,
}

/// What came of asking which release is offered.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// The one that was seen before.
    Same(Seen),
    /// This one.
    Offer(Offer),
}

impl Offer {
    /// Reads the release object and walks to the newest trust root, and checks the signatures. Where one was seen before that still
    /// holds, the walk waits until it is known that another one is offered: else it is not needed.
    pub(crate) async fn fetch(settings: &Settings, store: &dyn ObjectStore, seen: Option<&Seen>) -> Result<Fetched, PullError> {
        let walk = newest_root(settings.trust.clone(), store);
        let (read, root) = if let Some(seen) = seen {
            let Some(read) = release_object(settings, store, Some(seen)).await? else { return Ok(Fetched::Same(seen.clone())) };
            (read, walk.await?)
        } else {
            let (read, root) = tokio::join!(release_object(settings, store, None), walk);
            (read?.unwrap_or_default(), root?)
        };
        let envelope = Envelope::parse(&read.bytes).map_err(|source| PullError::Envelope { channel: settings.channel.clone(), source })?;
        let release = root.verify_release(&envelope)?;
        Ok(Fetched::Offer(Self { release, root, object: Sha256::of(&read.bytes), etag: read.etag }))
    }

    /// Asks the policy. A release whose manifest runs already is only recorded, so its expiry does not matter.
    pub(crate) fn check(&self, settings: &Settings, state: &State, running: bool) -> Result<(), PullError> {
        let chosen = matches!(settings.source, Source::Chosen(_));
        let accepted = state.policy_floor().map(|accepted| if chosen { self.as_if_newest(accepted) } else { accepted });
        let rejected: BTreeSet<_> = if chosen { BTreeSet::new() } else { state.rejected.keys().copied().collect() };
        let policy = Policy { channel: &settings.channel, floor: settings.floor, accepted, rejected: &rejected, now: settings.now };
        let verdict = if running { policy.accept_running(&self.root, &self.release) } else { policy.accept(&self.root, &self.release) };
        Ok(verdict?)
    }

    // An operator who names a sequence may go below the accepted one, which stays in the state; every other rule holds.
    fn as_if_newest(&self, accepted: Accepted) -> Accepted {
        if self.release.sequence < accepted.sequence {
            Accepted { sequence: self.release.sequence, manifest: self.release.manifest, ..accepted }
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
        }
    }
}

/// The bytes of a release object, and the state of the store's object that they are of.
#[derive(Debug, Default)]
struct Read {
    bytes: Vec<u8>,
    etag: Option<Etag>,
}

/// The release object, or `None` where it is the one that was seen.
async fn release_object(settings: &Settings, store: &dyn ObjectStore, seen: Option<&Seen>) -> Result<Option<Read>, PullError> {
    let (key, what) = match &settings.source {
        Source::File(path) => {
            let path = path.clone();
            let bytes = blocking(move || read_file(&path)).await?;
            return Ok(if seen.is_some_and(|seen| seen.is_of(&bytes)) { None } else { Some(Read { bytes, etag: None }) });
        }
        Source::Channel => (key::channel_head(&settings.channel), "in force".to_owned()),
        Source::Chosen(sequence) => (key::release(&settings.channel, *sequence), sequence.to_string()),
    };
    match store.get(&key, limits::ENVELOPE_LIMIT as u64, seen.and_then(Seen::etag).as_ref()).await {
        Ok(read) => Ok(read.map(|Object { bytes, etag }| Read { bytes: bytes.into(), etag: Some(etag) })),
        Err(source) if source.is_missing() => {
            Err(PullError::ChannelMissing { channel: settings.channel.clone(), what, source: Box::new(source) })
        }
        Err(error) => Err(error.into()),
    }
}

/// Walks from a trust root that is believed to the newest one that the store has, each signed by the thresholds of both.
///
/// # Errors
///
/// Where a root does not follow from the one before, where there are more than [`limits::ROOT_CHAIN_LIMIT`], and where the store
/// does not say whether there is another: only "missing" ends the walk well.
pub async fn newest_root(mut root: Verified<TrustRoot>, store: &dyn ObjectStore) -> Result<Verified<TrustRoot>, PullError> {
    let from = root.version();
    for _ in 0..limits::ROOT_CHAIN_LIMIT {
        match whole(store, &key::trust_root(root.version() + 1), limits::ENVELOPE_LIMIT).await {
            Ok(bytes) => root = root.successor(&bytes)?,
            Err(error) if error.is_missing() => return Ok(root),
            Err(error) => return Err(error.into()),
        }
    }
    Err(PullError::RootChain { from, limit: limits::ROOT_CHAIN_LIMIT })
}

/// A whole object of at most `limit` bytes.
pub(crate) async fn whole(store: &dyn ObjectStore, key: &str, limit: usize) -> Result<Vec<u8>, StoreError> {
    // `None` means "not modified", which is never the answer to an unconditional call.
    Ok(store.get(key, limit as u64, None).await?.map(|object| object.bytes.into()).unwrap_or_default())
}

fn read_file(path: &Path) -> Result<Vec<u8>, PullError> {
    let path: PathBuf = if path.is_dir() { path.join(RELEASE_FILE) } else { path.to_owned() };
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        // One byte over the limit is enough for the envelope to refuse it as too large.
        File::open(&path)?.take(limits::ENVELOPE_LIMIT as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|source| PullError::ReleaseFile { path: path.clone(), source })
}
