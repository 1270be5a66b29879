//! The trust roots of a publication: the one that was given, the newest that the store has, and
//! those before it.

use crate::{CommandError, files, remote::read};
use bytes::Bytes;
use release::{Envelope, Release, TrustRoot, Verified, key, limits};
use std::path::Path;
use store::{Condition, ObjectStore, StoreError};

/// What vouches for releases of this store.
#[derive(Debug)]
pub(crate) struct Roots {
    newest: Verified<TrustRoot>,
    given: Verified<TrustRoot>,
    given_bytes: Bytes,
    /// Whether the store has the given one.
    offered: bool,
}

impl Roots {
    /// Reads the trust root at `path`, and walks to the newest that the store has.
    ///
    /// # Errors
    ///
    /// If the file is no trust root, or the store holds another one of its version, or a newer
    /// one that does not follow from it.
    pub(crate) async fn read(path: &Path, store: &dyn ObjectStore) -> Result<Self, CommandError> {
        let given = files::trust_root(path)?;
        let given_bytes = files::read(path)?.into();
        let offered = is_offered(&given, store).await?;
        let newest = deploy::pull::newest_root(given.clone(), store).await?;
        Ok(Self {
            newest,
            given,
            given_bytes,
            offered,
        })
    }

    /// The one that pods end at.
    pub(crate) const fn newest(&self) -> &Verified<TrustRoot> {
        &self.newest
    }

    /// Puts the given trust root where pods look for the next one, unless it is there.
    ///
    /// # Errors
    ///
    /// If the store fails, or somebody else put another one there meanwhile.
    pub(crate) async fn offer(&self, store: &dyn ObjectStore) -> Result<(), CommandError> {
        if self.offered {
            return Ok(());
        }
        let key = key::trust_root(self.given.version());
        match store
            .put(&key, self.given_bytes.clone(), Condition::Absent)
            .await
        {
            Ok(_) => Ok(()),
            // Another publisher was faster, usually with the same one.
            Err(StoreError::Condition { .. }) if is_offered(&self.given, store).await? => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The release in `envelope`, if the newest root or one before it vouches for it.
    ///
    /// One before it counts for what was published before a rotation: a root that lists keys which
    /// signed the next one was in force, whoever handed its bytes to us.
    ///
    /// # Errors
    ///
    /// If none does, with what the newest has against it; or the store fails.
    pub(crate) async fn vouch(
        &self,
        envelope: &Envelope,
        what: &str,
        store: &dyn ObjectStore,
    ) -> Result<Verified<Release>, CommandError> {
        let refusal = match self.newest.verify_release(envelope) {
            Ok(release) => return Ok(release),
            Err(source) => CommandError::Trust {
                what: what.to_owned(),
                source,
            },
        };
        let mut bytes = self.bytes(self.newest.version(), store).await?;
        for version in (1..self.newest.version()).rev() {
            let Some(earlier_bytes) = bytes_of(version, store).await? else {
                break;
            };
            let earlier = TrustRoot::from_trusted(&earlier_bytes)
                .ok()
                .filter(|earlier| earlier.version() == version);
            let Some(earlier) = earlier.filter(|earlier| earlier.successor(&bytes).is_ok()) else {
                break;
            };
            if let Ok(release) = earlier.verify_release(envelope) {
                return Ok(release);
            }
            bytes = earlier_bytes;
        }
        Err(refusal)
    }

    async fn bytes(&self, version: u64, store: &dyn ObjectStore) -> Result<Bytes, CommandError> {
        if version == self.given.version() {
            return Ok(self.given_bytes.clone());
        }
        Ok(bytes_of(version, store).await?.unwrap_or_default())
    }
}

/// Whether the store has `root`; another one in its place is an error.
async fn is_offered(
    root: &Verified<TrustRoot>,
    store: &dyn ObjectStore,
) -> Result<bool, CommandError> {
    match bytes_of(root.version(), store).await? {
        Some(held) if TrustRoot::from_trusted(&held).is_ok_and(|held| held == *root) => Ok(true),
        Some(_) => Err(CommandError::OtherRoot {
            key: key::trust_root(root.version()),
        }),
        None => Ok(false),
    }
}

async fn bytes_of(version: u64, store: &dyn ObjectStore) -> Result<Option<Bytes>, CommandError> {
    match read(
        store,
        &key::trust_root(version),
        limits::ENVELOPE_LIMIT as u64,
    )
    .await
    {
        Ok(object) => Ok(Some(object.bytes)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error.into()),
    }
}
