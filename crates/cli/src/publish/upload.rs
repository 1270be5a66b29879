//! Blobs that the store lacks.

use crate::{CommandError, Progress, packing::Package};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use release::{Sha256, key};
use serde_json::json;
use std::collections::BTreeSet;
use store::ObjectStore;

/// Blobs that are sent at once; each large one sends several parts at once itself.
const AT_ONCE: usize = 4;

/// What the store has of a package, and what it lacks.
#[derive(Debug)]
pub(super) struct Difference {
    /// Blobs to send, with their bytes.
    pub missing: Vec<(Sha256, u64)>,
    /// Bytes of those that are there.
    pub reused_bytes: u64,
}

impl Difference {
    /// Bytes to send.
    #[must_use]
    pub(super) fn missing_bytes(&self) -> u64 {
        self.missing.iter().map(|(_, size)| size).sum()
    }
}

/// Asks which blobs of `package` the store lacks.
///
/// # Errors
///
/// Where the store does not answer.
pub(super) async fn compare(store: &dyn ObjectStore, package: &Package) -> Result<Difference, CommandError> {
    let blobs = package.blobs();
    let missing: BTreeSet<String> = store.missing(blobs.iter().map(|(digest, _)| key::blob(digest)).collect()).await?.into_iter().collect();
    let (missing, present): (Vec<_>, Vec<_>) = blobs.into_iter().partition(|(digest, _)| missing.contains(&key::blob(digest)));
    Ok(Difference { missing, reused_bytes: present.iter().map(|(_, size)| size).sum() })
}

/// Sends the missing blobs, several at once.
///
/// # Errors
///
/// Where the store does not take one; those that it took stay, and the next run skips them.
pub(super) async fn send(
    store: &dyn ObjectStore,
    package: &Package,
    difference: &Difference,
    progress: &Progress,
) -> Result<(), CommandError> {
    let bar = progress.bar("uploading", difference.missing_bytes());
    let bar = &bar;
    stream::iter(&difference.missing)
        .map(|(digest, size)| async move {
            let (key, path) = (key::blob(digest), package.blob(digest));
            store.put_file(&key, &path, &|sent| bar.add(sent)).await?;
            progress.step("uploaded", &format!("uploaded {key}: {size} bytes"), &[("key", json!(key)), ("bytes", json!(size))]);
            Ok::<_, CommandError>(())
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}
