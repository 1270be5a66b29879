//! A directory as a store: one file an object, at the path that its key says.
//!
//! ```text
//! <directory>/channels/shops/acme/release.json    objects
//! <directory>/blobs/sha256/<hex>
//! <directory>/.longshore/lock                     held (flock) from the check of a condition to
//!                                                 the write that it allows
//! <directory>/.longshore/<random>                 files being written
//! ```
//!
//! A file is written under a temporary name, synced, and then renamed or linked to its own, so a
//! reader has the old or the new object. The state of an object is its inode, size and time of
//! modification: two states in a row never share an inode, as the new file exists before the old
//! one goes.

mod list;
mod read;
mod tree;
mod write;

use crate::{
    Action, Body, Condition, Etag, Holds, Info, Listed, Object, ObjectStore, Options, Stats,
    StoreError, Subject, deadline::Deadline, key_of, prefix_of,
};
use async_trait::async_trait;
use bytes::Bytes;
use release::RelativePath;
use std::{
    fs::File,
    io,
    num::NonZeroUsize,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};
use tokio::task::spawn_blocking;
use tree::{Call, RESERVED, Tree};
use write::Staged;

/// How much of a file is copied between two reports of progress: 8 MiB, as a part of an upload.
const COPIED: u64 = 8 << 20;

/// The store of `file:///directory`.
#[derive(Debug)]
pub(crate) struct DirectoryStore {
    root: PathBuf,
    name: Arc<str>,
    deadline: Deadline,
    parallel: NonZeroUsize,
    stats: Arc<Stats>,
}

impl DirectoryStore {
    pub(crate) fn open(root: &Path, options: &Options) -> Result<Self, StoreError> {
        let store = Self {
            root: root.to_owned(),
            name: format!("directory {}", root.display()).into(),
            deadline: Deadline::new(options),
            parallel: options.parallel,
            stats: Arc::new(Stats::default()),
        };
        Tree::open(store.call(Action::Open, "")).map(|_opened| store)
    }

    fn call(&self, action: Action, key: &str) -> Call {
        let subject = Subject {
            action,
            key: key.to_owned(),
            store: Arc::clone(&self.name),
        };
        Call {
            subject,
            root: self.root.clone(),
            until: self.deadline.until().into_std(),
            limit: self.deadline.limit(),
        }
    }

    /// Runs `work` on a thread that may block, over the opened directory.
    async fn run<T: Send + 'static>(
        &self,
        call: Call,
        work: impl FnOnce(Tree, Arc<Stats>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.stats.request();
        let (stats, root, started) = (Arc::clone(&self.stats), self.root.clone(), Instant::now());
        let done = spawn_blocking(move || {
            call.in_time()?;
            work(Tree::open(call)?, stats)
        });
        let done = done.await.map_err(|source| StoreError::Disk {
            path: root,
            source: io::Error::other(source),
        });
        self.stats.wait(started.elapsed());
        done?
    }

    fn key(call: &Call) -> Result<RelativePath, StoreError> {
        let key = key_of(&call.subject)?;
        if key.as_str().split('/').next() == Some(RESERVED) {
            let code = format!("keys below {RESERVED}/ are this store's own");
            return Err(StoreError::Refused {
                subject: call.subject.clone(),
                code,
            });
        }
        Ok(key)
    }
}

#[async_trait]
impl ObjectStore for DirectoryStore {
    async fn get(
        &self,
        key: &str,
        limit: u64,
        known: Option<&Etag>,
    ) -> Result<Option<Object>, StoreError> {
        let call = self.call(Action::Read, key);
        let (key, known) = (Self::key(&call)?, known.cloned());
        self.run(call, move |tree, stats| {
            read::whole(tree, &key, limit, known.as_ref(), &stats)
        })
        .await
    }

    async fn get_range(
        &self,
        key: &str,
        range: Range<u64>,
        etag: Option<&Etag>,
    ) -> Result<Body, StoreError> {
        let call = self.call(Action::Read, key);
        let (key, etag) = (Self::key(&call)?, etag.cloned());
        if range.is_empty() {
            return Ok(Body::new(futures_util::stream::empty()));
        }
        self.run(call, move |tree, stats| {
            read::range(tree, &key, range, etag.as_ref(), stats)
        })
        .await
    }

    async fn head(&self, key: &str) -> Result<Option<Info>, StoreError> {
        let call = self.call(Action::Look, key);
        let key = Self::key(&call)?;
        self.run(call, move |tree, _stats| read::info(&tree, &key))
            .await
    }

    async fn holds(&self, key: &str, path: &Path) -> Result<Holds, StoreError> {
        let call = self.call(Action::Look, key);
        let (key, path) = (Self::key(&call)?, path.to_owned());
        self.run(call, move |tree, _stats| read::holds(&tree, &key, &path))
            .await
    }

    async fn put(&self, key: &str, bytes: Bytes, condition: Condition) -> Result<Etag, StoreError> {
        let call = self.call(Action::Write, key);
        let key = Self::key(&call)?;
        self.run(call, move |tree, stats| {
            let mut staged = Staged::create(tree)?;
            staged.write(&bytes)?;
            stats.send(bytes.len() as u64);
            staged.commit(&key, &condition)
        })
        .await
    }

    async fn put_file(
        &self,
        key: &str,
        path: &Path,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), StoreError> {
        let call = self.call(Action::Write, key);
        let (key, path) = (Self::key(&call)?, path.to_owned());
        let (call_of_pieces, call_of_commit) = (call.clone(), call.clone());
        let (mut source, mut staged, size) = self
            .run(call, move |tree, _stats| {
                let unreadable = |source| StoreError::Disk {
                    path: path.clone(),
                    source,
                };
                let source = File::open(&path).map_err(unreadable)?;
                let size = source.metadata().map_err(unreadable)?.len();
                Ok(((source, path), Staged::create(tree)?, size))
            })
            .await?;
        let mut at = 0;
        while at < size {
            let piece = COPIED.min(size - at);
            (source, staged) = self
                .run(call_of_pieces.clone(), move |_tree, stats| {
                    staged.copy(&source.0, &source.1, piece)?;
                    stats.send(piece);
                    Ok((source, staged))
                })
                .await?;
            at += piece;
            progress(piece);
        }
        self.run(call_of_commit, move |_tree, _stats| {
            staged.commit(&key, &Condition::Always).map(drop)
        })
        .await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let call = self.call(Action::List, prefix);
        prefix_of(&call.subject)?;
        let prefix = prefix.to_owned();
        self.run(call, move |tree, _stats| list::list(&tree, &prefix))
            .await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let call = self.call(Action::Delete, key);
        let key = Self::key(&call)?;
        self.run(call, move |tree, _stats| write::delete(&tree, &key))
            .await
    }

    fn begin(&self) {
        self.deadline.begin();
    }

    fn identity(&self) -> String {
        self.name.to_string()
    }

    fn directory(&self) -> Option<&Path> {
        Some(&self.root)
    }

    fn stats(&self) -> &Stats {
        &self.stats
    }

    fn parallel(&self) -> NonZeroUsize {
        self.parallel
    }
}

#[cfg(test)]
mod tests;
