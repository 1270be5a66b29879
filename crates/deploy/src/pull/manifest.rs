//! The manifest of a release: from the node's cache, or from the store.

use super::{
    PullError, blocking,
    claims::{PATIENCE, PAUSES},
};
use crate::cache::{Cache, Claimed, Eviction};
use release::{Manifest, Release, Sha256, Verified, key, limits};
use std::sync::Arc;
use store::{ObjectStore, StoreError};
use tokio::time::{Instant, sleep};

/// The manifest of a release, of the node's cache where that has it.
pub(crate) async fn manifest(
    store: &dyn ObjectStore,
    cache: Option<&Arc<Cache>>,
    release: &Verified<Release>,
) -> Result<Manifest, PullError> {
    let (digest, size) = (release.manifest, release.manifest_size);
    let mut claim = None;
    if let Some(cache) = cache {
        let begin = Instant::now();
        claim = loop {
            let own = Arc::clone(cache);
            // At most 16 MiB.
            match blocking(move || {
                found_manifest(&own, &digest, size.min(limits::MANIFEST_LIMIT as u64))
            })
            .await
            {
                ManifestRead::Bytes(bytes) => return Ok(release.read_manifest(&bytes)?),
                ManifestRead::Claimed(Claimed::Ours(claim)) => break Some(claim),
                ManifestRead::Claimed(Claimed::Busy) if begin.elapsed() < PATIENCE => {
                    sleep(PAUSES.0).await;
                }
                ManifestRead::Claimed(_) => break None,
            }
        };
    }
    let limit = usize::try_from(size)
        .unwrap_or(usize::MAX)
        .min(limits::MANIFEST_LIMIT);
    let bytes = whole(store, &key::blob(&digest), limit).await?;
    let manifest = release.read_manifest(&bytes)?;
    if let Some(claim) = claim {
        blocking(move || claim.publish(&bytes)).await;
    }
    Ok(manifest)
}

enum ManifestRead {
    Bytes(Vec<u8>),
    Claimed(Claimed),
}

fn found_manifest(cache: &Arc<Cache>, digest: &Sha256, size: u64) -> ManifestRead {
    match cache.claim(digest, size) {
        Claimed::Found(held) => {
            let mut bytes = Vec::new();
            let problem = match held.read(&mut bytes) {
                Ok(()) if Sha256::digest(&bytes) == *digest => {
                    held.served();
                    return ManifestRead::Bytes(bytes);
                }
                Ok(()) => "its digest is another",
                Err(_) => "it cannot be read",
            };
            ManifestRead::Claimed(match held.evict(problem) {
                Eviction::Gone => cache.claim(digest, size),
                Eviction::Stays => Claimed::Off,
            })
        }
        other => ManifestRead::Claimed(other),
    }
}

/// A whole object of at most `limit` bytes.
pub(crate) async fn whole(
    store: &dyn ObjectStore,
    key: &str,
    limit: usize,
) -> Result<Vec<u8>, StoreError> {
    // `None` means "not modified", which is never the answer to an unconditional call.
    Ok(store
        .get(key, limit as u64, None)
        .await?
        .map(|object| object.bytes.into())
        .unwrap_or_default())
}
