//! How gc and publishers keep out of each other's way, though neither waits for the other to begin.
//! `docs/formats/bucket.md` has the proof.
//!
//! ```text
//! gc:         writes gc.json ──► reads what is needed ──► deletes ──► removes gc.json
//! publisher:  uploads ──► writes releases/<n>.json ──► waits until there is no gc.json
//!                     ──► looks at every blob again ──► moves the channel
//! ```
//!
//! Each announces itself before it looks at what the other announced. So either gc reads the new
//! release and keeps its blobs; or it began before, and then the publisher sees its mark, or finds
//! it gone with all that it deleted.

use crate::{CommandError, Progress, remote::read};
use jiff::{SignedDuration, Timestamp};
use release::{key, limits};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::{Duration, Instant};
use store::{Condition, Etag, ObjectStore, StoreError};
use tokio::time::sleep;

/// How long one gc may delete; what is left then is for the next one.
pub(crate) const LIMIT: Duration = Duration::from_mins(50);
/// After which a mark counts for nothing: its gc died. Beyond [`LIMIT`] by twice the time that two
/// clocks may differ.
const VALID: SignedDuration = SignedDuration::from_mins(60);
/// Between two looks at a mark.
const PAUSE: Duration = Duration::from_millis(500);
/// Bytes of a mark.
const MARK_LIMIT: u64 = 1024;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    schema: u32,
    until: Timestamp,
}

/// A gc that is at work and says so.
#[derive(Debug)]
pub(crate) struct Mark {
    until: Instant,
}

impl Mark {
    /// Says in `store` that a gc is at work.
    ///
    /// # Errors
    ///
    /// [`CommandError::Collecting`] where another one is; if the store fails.
    pub(crate) async fn set(store: &dyn ObjectStore, now: Timestamp) -> Result<Self, CommandError> {
        let until = Instant::now() + LIMIT;
        let text = Text {
            schema: 1,
            until: now + VALID,
        };
        let bytes =
            serde_json::to_vec(&text).map_err(|_| CommandError::Bug("a mark is not JSON"))?;
        let condition = match found(store).await? {
            None => Condition::Absent,
            Some((other, etag)) if is_over(&other, now) => Condition::Matches(etag),
            Some((other, _)) => return Err(CommandError::Collecting { until: other.until }),
        };
        match store.put(&key::collection(), bytes.into(), condition).await {
            Ok(_) => Ok(Self { until }),
            Err(StoreError::Condition { .. }) => {
                Err(CommandError::Collecting { until: text.until })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// How long it may still delete.
    pub(crate) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Says that the gc is over. If its time was over before, the mark may be another one's, and
    /// stays.
    ///
    /// # Errors
    ///
    /// If the store fails: publishers wait until the mark counts for nothing.
    pub(crate) async fn remove(self, store: &dyn ObjectStore) -> Result<(), CommandError> {
        if !self.left().is_zero() {
            store.delete(&key::collection()).await?;
        }
        Ok(())
    }
}

/// Waits until no gc is at work that may not know what was announced.
///
/// # Errors
///
/// If the store fails, or its deadline passes.
pub(crate) async fn none(
    store: &dyn ObjectStore,
    now: Timestamp,
    progress: &Progress,
) -> Result<(), CommandError> {
    let (start, mut told) = (Instant::now(), false);
    while let Some((mark, _)) = found(store).await? {
        let passed = SignedDuration::try_from(start.elapsed()).unwrap_or(SignedDuration::MAX);
        if is_over(&mark, now.saturating_add(passed).unwrap_or(Timestamp::MAX)) {
            break;
        }
        if !told {
            progress.step(
                "waiting",
                &format!(
                    "a gc is at work, until {} at most: waiting for its end",
                    mark.until
                ),
                &[("until", json!(mark.until))],
            );
            told = true;
        }
        sleep(PAUSE).await;
    }
    Ok(())
}

fn is_over(mark: &Text, now: Timestamp) -> bool {
    // A mark from a clock that is far ahead would stop everybody for as long: none is good for
    // longer than it may have been made.
    mark.until < now || mark.until.duration_since(now) > VALID + limits::CLOCK_TOLERANCE * 2
}

async fn found(store: &dyn ObjectStore) -> Result<Option<(Text, Etag)>, CommandError> {
    let key = key::collection();
    let object = match read(store, &key, MARK_LIMIT).await {
        Ok(object) => object,
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let text = serde_json::from_slice::<Text>(&object.bytes)
        .ok()
        .filter(|text| text.schema == 1);
    let text = text.ok_or_else(|| {
        CommandError::Usage(format!("{key} in the store is no mark of a gc: remove it"))
    })?;
    Ok(Some((text, object.etag)))
}

#[cfg(test)]
mod tests;
