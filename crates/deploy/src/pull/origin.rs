//! Release objects and trust roots: from the store, or as the node's cache remembers them where the
//! store cannot be asked.
//!
//! With a cache every question is conditional: what the cache has is not sent again. It is the
//! store that says whether that is still in force; only where it says nothing is the cache asked
//! alone, and then signatures and policy decide as ever.

use super::{PullError, blocking};
use crate::cache::{Cache, Remembered};
use release::{TrustRoot, Verified, key, limits};
use std::{fmt, sync::Arc};
use store::{Etag, Object, ObjectStore, StoreError};

/// Who offered the release that is active now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The store, or the file that decides which release is in force; the store had the trust
    /// roots.
    Store,
    /// The node's cache, as the store could not be asked.
    Cache,
}

impl Origin {
    /// A word for logs: `store` or `cache`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Cache => "cache",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a node remembers of one store.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    cache: Arc<Cache>,
    store: Arc<str>,
}

impl Memory {
    pub(crate) fn new(cache: Arc<Cache>, store: &dyn ObjectStore) -> Self {
        Self {
            cache,
            store: store.identity().into(),
        }
    }

    async fn recall(&self, key: &str) -> Option<Remembered> {
        let (own, key) = (self.clone(), key.to_owned());
        blocking(move || own.cache.recall(&own.store, &key)).await
    }

    /// Whether these bytes are remembered under `key`.
    pub(crate) async fn knows(&self, key: &str, bytes: &[u8]) -> bool {
        self.recall(key)
            .await
            .is_some_and(|remembered| remembered.bytes == bytes)
    }

    /// Keeps what was sent, once all of it was accepted.
    pub(crate) async fn remember(&self, objects: Vec<Sent>) {
        let own = self.clone();
        blocking(move || {
            for Sent { key, object } in objects {
                own.cache.remember(&own.store, &key, &object);
            }
        })
        .await;
    }
}

/// A small object that was read.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) bytes: Vec<u8>,
    /// The state of the store's object; `None` for a file.
    pub(crate) etag: Option<Etag>,
}

/// An object that the store has just sent, which nobody has verified yet.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) key: String,
    pub(crate) object: Remembered,
}

/// Where small objects are read.
#[derive(Debug)]
pub(crate) enum Reader<'a> {
    /// The store, and what is remembered of it.
    Store(&'a dyn ObjectStore, Option<&'a Memory>),
    /// Only what is remembered.
    Memory(&'a Memory),
}

impl Reader<'_> {
    /// The object under `key`, of at most [`limits::ENVELOPE_LIMIT`] bytes, or `None` if the
    /// store has it in the state `known`; what the store sends is added to `sent`.
    pub(crate) async fn read(
        &self,
        key: &str,
        known: Option<&Etag>,
        sent: &mut Vec<Sent>,
    ) -> Result<Option<Read>, StoreError> {
        let of = |remembered: Remembered| Read {
            bytes: remembered.bytes,
            etag: Some(remembered.etag),
        };
        let (store, memory) = match self {
            Self::Memory(memory) => {
                return memory
                    .recall(key)
                    .await
                    .map(|found| Some(of(found)))
                    .ok_or_else(|| unknown(memory, key));
            }
            Self::Store(store, memory) => (store, memory),
        };
        let remembered = match memory {
            Some(memory) if known.is_none() => memory.recall(key).await,
            _ => None,
        };
        let condition = known.or(remembered.as_ref().map(|remembered| &remembered.etag));
        let Some(Object { bytes, etag }) = store
            .get(key, limits::ENVELOPE_LIMIT as u64, condition)
            .await?
        else {
            return Ok(remembered.map(of));
        };
        let bytes: Vec<u8> = bytes.into();
        if memory.is_some() {
            sent.push(Sent {
                key: key.to_owned(),
                object: Remembered {
                    bytes: bytes.clone(),
                    etag: etag.clone(),
                },
            });
        }
        Ok(Some(Read {
            bytes,
            etag: Some(etag),
        }))
    }

    /// Walks from a trust root that is believed to the newest one, each signed by the thresholds of
    /// both.
    pub(crate) async fn newest_root(
        &self,
        mut root: Verified<TrustRoot>,
        sent: &mut Vec<Sent>,
    ) -> Result<Verified<TrustRoot>, PullError> {
        let from = root.version();
        // One look more than there may be steps: that nothing follows the last root is known only
        // from a look, too.
        for step in 0..=limits::ROOT_CHAIN_LIMIT {
            match self
                .read(&key::trust_root(root.version() + 1), None, sent)
                .await
            {
                Ok(_) if step == limits::ROOT_CHAIN_LIMIT => break,
                // "Not modified" is never the answer if nothing is known.
                Ok(read) => root = root.successor(&read.unwrap_or_default().bytes)?,
                Err(error) if error.is_missing() => return Ok(root),
                Err(error) => return Err(error.into()),
            }
        }
        Err(PullError::RootChain {
            from,
            limit: limits::ROOT_CHAIN_LIMIT,
        })
    }
}

fn unknown(memory: &Memory, key: &str) -> StoreError {
    let store = format!("the node cache, of {}", memory.store).into();
    StoreError::Missing {
        subject: store::Subject {
            action: store::Action::Read,
            key: key.to_owned(),
            store,
        },
    }
}
