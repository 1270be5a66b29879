//! Object stores: an S3 bucket or a directory, behind one trait with one meaning.
//!
//! ```text
//!  open(Location, Options) ──► dyn ObjectStore
//!    ├─ s3::S3Store                 s3://bucket/prefix    aws-sdk-s3, aws-config
//!    └─ directory::DirectoryStore   file:///directory     files, link(2), flock(2)
//! ```
//!
//! What both promise:
//!
//! - **Missing, forbidden and "could not ask" are different.** Only an answer of the store makes an
//!   object missing.
//! - **One deadline** for all calls of an opened store, and one budget of retries ([`Options`]).
//!   Retries use full jitter; if the store throttles, calls wait until the deadline.
//! - **A body is whole or an error.** It resumes on a new connection after a reset, a stall or an
//!   early end, from the byte that it reached, and only while the object is the same.
//! - **A write happens once and whole**: readers see the old object or the new one. `put` can be
//!   conditional. If the answer to a conditional write is lost, `put` reads the object back to
//!   learn the outcome.
//! - **Keys are relative paths** as [`release::RelativePath`] defines them, below the prefix or
//!   directory of the [`Location`].
//!
//! Neither promises that a listing shows what another process writes meanwhile. If a process dies
//! during an upload, it may leave parts in the bucket (a lifecycle rule that aborts incomplete
//! multipart uploads removes them) or a temporary file in `.longshore/` of a directory (the next
//! writer removes those older than a day).
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! use store::{Condition, Location, Options};
//! let directory = tempfile::tempdir()?;
//! let location = Location::Directory(directory.path().to_owned());
//! let store = store::open(&location, &Options::default()).await?;
//! store.put("a/b", "hello".into(), Condition::Absent).await?;
//! assert_eq!(store.get_range("a/b", 1..4, None).await?.collect().await?, "ell");
//! assert!(store.put("a/b", "other".into(), Condition::Absent).await.is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod body;
mod budget;
mod deadline;
mod directory;
mod error;
mod location;
mod object;
mod options;
mod retry;
mod s3;
mod stall;
mod stats;

pub use body::Body;
pub use error::{Action, Cause, StoreError, Subject};
pub use location::{Location, LocationError};
pub use object::{Condition, Etag, Holds, Info, Listed, Object};
pub use options::{Credentials, Options, S3Settings};
pub use stats::Stats;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use release::RelativePath;
use std::{fmt::Debug, num::NonZeroUsize, ops::Range, path::Path, sync::Arc};

/// A place that holds objects by key. See the crate's page for what every implementation promises.
///
/// Dropping a future of a reading call is safe. Dropping one of a writing call leaves open whether
/// the write happened.
#[async_trait]
pub trait ObjectStore: Debug + Send + Sync {
    /// The whole object, or `None` if it still is in the state `known`.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooLarge`] above `limit` bytes, before they are read; [`StoreError::Missing`]
    /// if there is none.
    async fn get(
        &self,
        key: &str,
        limit: u64,
        known: Option<&Etag>,
    ) -> Result<Option<Object>, StoreError>;

    /// The bytes of `range`, which must lie within the object; an empty range asks nothing and
    /// gives nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Replaced`] where the object is not in the state `etag`, or changes until the
    /// last byte came; [`StoreError::Short`] where it ends before the range does.
    async fn get_range(
        &self,
        key: &str,
        range: Range<u64>,
        etag: Option<&Etag>,
    ) -> Result<Body, StoreError>;

    /// Size and state of the object, or `None` if the store answered that there is none.
    ///
    /// # Errors
    ///
    /// If the store could not be asked, or refused to answer. S3 refuses to tell an identity
    /// without `s3:ListBucket` that a key is missing: that is [`StoreError::Forbidden`].
    async fn head(&self, key: &str) -> Result<Option<Info>, StoreError>;

    /// Those of `keys` that the store does not hold, in the order of `keys`; asked in parallel.
    ///
    /// # Errors
    ///
    /// The first of [`head`](Self::head)'s.
    async fn missing(&self, keys: Vec<String>) -> Result<Vec<String>, StoreError> {
        stream::iter(keys)
            .map(|key| async move { Ok(self.head(&key).await?.is_none().then_some(key)) })
            .buffered(self.parallel().get())
            .try_filter_map(|absent| async move { Ok(absent) })
            .try_collect()
            .await
    }

    /// Whether the store holds the bytes of the file at `path` under `key`: by size and checksum,
    /// where the store keeps one. What nothing tells from the file counts as the same.
    ///
    /// # Errors
    ///
    /// As [`head`](Self::head)'s; [`StoreError::Disk`] where the file cannot be read.
    async fn holds(&self, key: &str, path: &Path) -> Result<Holds, StoreError> {
        let size = path
            .metadata()
            .map_err(|source| StoreError::Disk {
                path: path.to_owned(),
                source,
            })?
            .len();
        Ok(match self.head(key).await? {
            None => Holds::Nothing,
            Some(info) if info.size == size => Holds::Same,
            Some(_) => Holds::Other,
        })
    }

    /// Keeps `bytes` under `key` where `condition` holds, and gives the object's new state.
    ///
    /// # Errors
    ///
    /// [`StoreError::Condition`] where the condition does not hold; the object is as another writer
    /// left it.
    async fn put(&self, key: &str, bytes: Bytes, condition: Condition) -> Result<Etag, StoreError>;

    /// Keeps the bytes of the file at `path` under `key`, whatever is there; `progress` hears how
    /// many bytes were taken since its last call. Needs up to four parts of memory: 32 MiB up to a
    /// size of 80 GB, in proportion to the size above.
    ///
    /// # Errors
    ///
    /// [`StoreError::Disk`] where the file cannot be read or changes its size meanwhile.
    async fn put_file(
        &self,
        key: &str,
        path: &Path,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), StoreError>;

    /// Every object whose key starts with `prefix`, sorted by key. The prefix is empty, or a
    /// relative path with or without a slash at its end; `a/b` is a prefix of `a/bc` too.
    ///
    /// # Errors
    ///
    /// If the store could not be asked, or refused; never a part of the list.
    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError>;

    /// Removes the object; it is no error if there is none.
    ///
    /// # Errors
    ///
    /// If the store could not be asked, or refused.
    async fn delete(&self, key: &str) -> Result<(), StoreError>;

    /// Begins the next piece of work, such as a look at a channel: the store's deadline counts from
    /// here. Who shares a store with others gives them more time, too.
    fn begin(&self);

    /// What tells this store from every other: bucket, endpoint and prefix, or the directory. Holds
    /// no secret.
    fn identity(&self) -> String;

    /// Its directory, if it is one of this machine: no place that Longshore empties may be
    /// within it, or around it.
    fn directory(&self) -> Option<&Path> {
        None
    }

    /// The counters of this store.
    fn stats(&self) -> &Stats;

    /// How many existence checks [`missing`](Self::missing) has in flight.
    fn parallel(&self) -> NonZeroUsize {
        NonZeroUsize::MIN
    }
}

/// Opens the store at `location`; its deadline starts now, and again at each
/// [`begin`](ObjectStore::begin).
///
/// A directory must exist. A bucket is not asked for yet.
///
/// # Errors
///
/// [`StoreError::Bucket`] where the directory does not exist, [`StoreError::Region`] where no
/// region is set and no endpoint either.
pub async fn open(
    location: &Location,
    options: &Options,
) -> Result<Arc<dyn ObjectStore>, StoreError> {
    match location {
        Location::Directory(path) => Ok(Arc::new(directory::DirectoryStore::open(path, options)?)),
        Location::S3 { bucket, prefix } => Ok(Arc::new(
            s3::S3Store::open(bucket, prefix.as_ref(), options).await?,
        )),
    }
}

/// Reads the key of `subject`, so that no store sees one that is not a relative path.
fn key_of(subject: &Subject) -> Result<RelativePath, StoreError> {
    subject.key.parse().map_err(|source| StoreError::Key {
        subject: subject.clone(),
        source,
    })
}

/// Checks the prefix of a listing.
fn prefix_of(subject: &Subject) -> Result<(), StoreError> {
    let path = subject.key.strip_suffix('/').unwrap_or(&subject.key);
    if path.is_empty() && subject.key.is_empty() {
        return Ok(());
    }
    path.parse::<RelativePath>()
        .map(drop)
        .map_err(|source| StoreError::Key {
            subject: subject.clone(),
            source,
        })
}
