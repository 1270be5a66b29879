//! The release that a publication builds on: only one that trusted keys signed for this channel.
//!
//! Whoever may write to the bucket can put anything in a channel's place. A sequence that was taken
//! from there and signed would do that writer's work: one far ahead would end the channel, as pods
//! refuse to jump.

use super::roots::Roots;
use crate::{
    CommandError,
    remote::{Remote, StoredRelease},
};
use release::{Release, Sequence, key};
use store::Etag;

/// What to do about a channel whose release nobody vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Untrusted {
    /// Refuse to build on it.
    Refuse,
    /// Replace it, and continue after the newest release of the channel's history that is vouched
    /// for.
    Replace,
}

/// A channel's state when a publication begins.
#[derive(Debug)]
pub(crate) struct Head {
    /// The version of the object to replace, if there is one.
    pub etag: Option<Etag>,
    /// The release to continue after, if there is one.
    pub release: Option<Release>,
}

impl Head {
    /// Reads the channel.
    ///
    /// # Errors
    ///
    /// If the store fails, or the release in force is not vouched for and is not to be replaced.
    pub(crate) async fn read(
        remote: &Remote,
        roots: &Roots,
        untrusted: Untrusted,
    ) -> Result<Self, CommandError> {
        let what = key::channel_head(&remote.channel);
        let Some(found) = remote.head().await? else {
            return Ok(Self {
                etag: None,
                release: None,
            });
        };
        match (vouched(remote, roots, &found, &what).await, untrusted) {
            (Ok(release), _) => Ok(Self {
                etag: Some(found.etag),
                release: Some(release),
            }),
            (Err(error @ CommandError::Store(_)), _) | (Err(error), Untrusted::Refuse) => {
                Err(error)
            }
            (Err(_), Untrusted::Replace) => Ok(Self {
                etag: Some(found.etag),
                release: newest_vouched(remote, roots).await?,
            }),
        }
    }
}

async fn vouched(
    remote: &Remote,
    roots: &Roots,
    found: &StoredRelease,
    what: &str,
) -> Result<Release, CommandError> {
    let release = roots
        .vouch(&found.envelope, what, &*remote.store)
        .await?
        .into_inner();
    if release.channel != remote.channel {
        return Err(CommandError::OtherChannel {
            what: what.to_owned(),
            found: release.channel,
        });
    }
    Ok(release)
}

/// The newest release object of the channel's history that is vouched for.
async fn newest_vouched(remote: &Remote, roots: &Roots) -> Result<Option<Release>, CommandError> {
    let prefix = key::releases(&remote.channel);
    let listed = remote.store.list(&prefix).await?;
    let number = |key: &str| {
        key.strip_prefix(&prefix)?
            .strip_suffix(".json")?
            .parse::<Sequence>()
            .ok()
    };
    let mut sequences: Vec<Sequence> = listed
        .iter()
        .filter_map(|object| number(&object.key))
        .collect();
    sequences.sort_unstable();
    for sequence in sequences.into_iter().rev() {
        if let Ok(Some(found)) = remote.release(sequence).await
            && let Ok(release) = vouched(
                remote,
                roots,
                &found,
                &key::release(&remote.channel, sequence),
            )
            .await
            && release.sequence == sequence
        {
            return Ok(Some(release));
        }
    }
    Ok(None)
}
