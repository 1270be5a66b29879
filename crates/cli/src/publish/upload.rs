//! Blobs that the store lacks.

use crate::{CommandError, Progress, packing::Package};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use release::{Sha256, key};
use serde_json::json;
use store::{Holds, ObjectStore, StoreError};

/// Blobs that are sent at once; each large one sends several parts at once itself.
const AT_ONCE: usize = 4;

/// What the store has of a package, and what it lacks or holds damaged.
#[derive(Debug)]
pub(super) struct Difference {
    /// Blobs to send, with their bytes.
    pub missing: Vec<(Sha256, u64)>,
    /// Those of them for which the store has other bytes.
    pub damaged: Vec<Sha256>,
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
/// If the store does not answer.
pub(super) async fn compare(
    store: &dyn ObjectStore,
    package: &Package,
) -> Result<Difference, CommandError> {
    let blobs = package.blobs();
    let held: Vec<_> = stream::iter(&blobs)
        .map(|(digest, size)| async move {
            Ok::<_, StoreError>((
                *digest,
                *size,
                store
                    .holds(&key::blob(digest), &package.blob(digest))
                    .await?,
            ))
        })
        .buffered(store.parallel().get())
        .try_collect()
        .await?;
    let of = |wanted: Holds| {
        held.iter()
            .filter(move |(_, _, holds)| *holds == wanted)
            .map(|(digest, size, _)| (*digest, *size))
    };
    let damaged: Vec<_> = of(Holds::Other).map(|(digest, _)| digest).collect();
    let missing = of(Holds::Nothing).chain(of(Holds::Other)).collect();
    Ok(Difference {
        missing,
        damaged,
        reused_bytes: of(Holds::Same).map(|(_, size)| size).sum(),
    })
}

/// Sends the missing blobs, several at once.
///
/// # Errors
///
/// If the store does not take one; those that it took stay, and the next run skips them.
pub(super) async fn send(
    store: &dyn ObjectStore,
    package: &Package,
    difference: &Difference,
    progress: &Progress,
) -> Result<(), CommandError> {
    for digest in &difference.damaged {
        progress.warn(&format!(
            "{} was damaged in the store, and is uploaded again",
            key::blob(digest)
        ));
    }
    let bar = progress.bar("uploading", difference.missing_bytes());
    let bar = &bar;
    stream::iter(&difference.missing)
        .map(|(digest, size)| async move {
            let (key, path) = (key::blob(digest), package.blob(digest));
            store.put_file(&key, &path, &|sent| bar.add(sent)).await?;
            progress.step(
                "uploaded",
                &format!("uploaded {key}: {size} bytes"),
                &[("key", json!(key)), ("bytes", json!(size))],
            );
            Ok::<_, CommandError>(())
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}
