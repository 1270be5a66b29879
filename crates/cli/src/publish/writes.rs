//! What a publication writes, each under its condition: blobs, the release object, the channel.

use super::{publisher::Publisher, upload};
use crate::{CommandError, Progress, packing::Package};
use release::{Envelope, Sequence, key};
use serde_json::json;
use store::{Condition, Etag, StoreError};

impl Publisher {
    pub(super) async fn send(
        &self,
        package: &Package,
        progress: &Progress,
    ) -> Result<(u64, u64), CommandError> {
        let store = &*self.remote.store;
        let difference = upload::compare(store, package).await?;
        upload::send(store, package, &difference, progress).await?;
        self.roots.offer(store).await?;
        Ok((difference.missing_bytes(), difference.reused_bytes))
    }

    pub(super) async fn put_release(
        &self,
        envelope: &Envelope,
        sequence: Sequence,
        progress: &Progress,
    ) -> Result<(), CommandError> {
        let key = key::release(&self.remote.channel, sequence);
        match self
            .remote
            .store
            .put(&key, envelope.to_json().into(), Condition::Absent)
            .await
        {
            Ok(_) => {
                self.try_conditions(&key, envelope, progress).await?;
                progress.step(
                    "signed",
                    &format!("wrote {key}"),
                    &[("key", json!(key)), ("sequence", json!(sequence))],
                );
                Ok(())
            }
            Err(StoreError::Condition { .. }) => Err(self.conflict(&key)),
            Err(error) => Err(error.into()),
        }
    }

    /// Tries, at a channel's first release, whether the store keeps to conditions at all: some
    /// implementations ignore what they do not know.
    async fn try_conditions(
        &self,
        key: &str,
        envelope: &Envelope,
        progress: &Progress,
    ) -> Result<(), CommandError> {
        if self.head.etag.is_some() {
            return Ok(());
        }
        let nothing = Condition::Matches(Etag::new(format!("\"{:032}\"", 0)));
        for (condition, name) in [(Condition::Absent, "If-None-Match"), (nothing, "If-Match")] {
            match self
                .remote
                .store
                .put(key, envelope.to_json().into(), condition)
                .await
            {
                Err(StoreError::Condition { .. }) => {}
                Ok(_) => progress.warn(&format!(
                    "this store ignores conditional writes ({name}): two publishers at once may \
                     both be told that they published, and one release is lost; let one publish \
                     at a time, or use a store that keeps to conditions"
                )),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    pub(super) async fn move_channel(
        &self,
        envelope: &Envelope,
        sequence: Sequence,
        progress: &Progress,
    ) -> Result<(), CommandError> {
        let key = key::channel_head(&self.remote.channel);
        let condition = self
            .head
            .etag
            .clone()
            .map_or(Condition::Absent, Condition::Matches);
        match self
            .remote
            .store
            .put(&key, envelope.to_json().into(), condition)
            .await
        {
            Ok(_) => {
                progress.step(
                    "moved",
                    &format!("moved {} to sequence {sequence}", self.remote.channel),
                    &[("sequence", json!(sequence))],
                );
                Ok(())
            }
            Err(StoreError::Condition { .. }) => Err(self.conflict(&key)),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn conflict(&self, key: &str) -> CommandError {
        let was = self.head.release.as_ref().map_or_else(
            || "it had no release".to_owned(),
            |head| format!("it was at {}", head.sequence),
        );
        CommandError::Conflict {
            channel: self.remote.channel.clone(),
            key: key.to_owned(),
            was,
        }
    }
}
