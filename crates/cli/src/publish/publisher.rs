//! The steps of a publication against one channel, from the version of it that was read first.

use super::{
    Published,
    head::{Head, Untrusted},
    next::{self, Next, Repeat},
    roots::Roots,
    upload,
};
use crate::{CommandError, Progress, error::whole, files, mark, packing::Package, remote::Remote};
use jiff::{SignedDuration, Timestamp};
use release::{
    AcceptancePolicy, Accepted, Envelope, Migration, Release, Sequence, Sha256, key, limits,
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// How far ahead a clock is told to be: further than answers are late.
const NOTABLE: SignedDuration = SignedDuration::from_mins(1);

/// What the caller wants to be in force.
#[derive(Debug)]
pub(crate) struct Intent<'a> {
    /// When the release may no longer be activated.
    pub expires: Option<Timestamp>,
    /// Whether to sign content again that is in force already.
    pub repeat: Repeat,
    /// Files of the private keys that sign.
    pub keys: &'a [PathBuf],
}

/// A channel as it was when the publication began.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(super) remote: Remote,
    pub(super) roots: Roots,
    pub(super) head: Head,
    now: Timestamp,
}

impl Publisher {
    /// Looks at the channel, with the trust root in the file `trust`.
    ///
    /// # Errors
    ///
    /// If the file is no trust root, the store does not answer, or holds trust roots or a
    /// release that do not fit to it, or our clock is so far ahead of the store's that pods would
    /// refuse what is made now.
    pub(crate) async fn begin(
        remote: Remote,
        trust: &Path,
        untrusted: Untrusted,
        now: Timestamp,
        progress: &Progress,
    ) -> Result<Self, CommandError> {
        let roots = Roots::read(trust, &*remote.store).await?;
        let head = Head::read(&remote, &roots, untrusted).await?;
        match remote.store.stats().ahead() {
            Some(ahead) if ahead > limits::CLOCK_TOLERANCE => {
                return Err(CommandError::Ahead { ahead });
            }
            Some(ahead) if ahead > NOTABLE => progress.warn(&format!(
                "this machine's clock is {} ahead of the store's; from {} on, pods would refuse \
                 what it makes",
                whole(ahead),
                whole(limits::CLOCK_TOLERANCE)
            )),
            _ => {}
        }
        Ok(Self {
            remote,
            roots,
            head,
            now,
        })
    }

    /// What [`Self::publish`] would do.
    ///
    /// # Errors
    ///
    /// As [`Self::publish`], as far as nothing is written.
    pub(crate) async fn preview(
        &self,
        package: &Package,
        repeat: Repeat,
    ) -> Result<Published, CommandError> {
        let (outcome, sequence) = match self.next(package.digest(), repeat).await? {
            Next::Unchanged(sequence) => ("unchanged", sequence),
            Next::Finish(sequence) | Next::New(sequence) => ("would-publish", sequence),
        };
        let difference = upload::compare(&*self.remote.store, package).await?;
        Ok(Published {
            uploaded_bytes: difference.missing_bytes(),
            reused_bytes: difference.reused_bytes,
            ..self.summary(outcome, sequence, package)
        })
    }

    /// Uploads what is missing, signs, moves the channel.
    ///
    /// # Errors
    ///
    /// If pods would refuse the release, the store fails, or another publisher was faster.
    pub(crate) async fn publish(
        self,
        package: &Package,
        intent: &Intent<'_>,
        progress: &Progress,
    ) -> Result<Published, CommandError> {
        match self.next(package.digest(), intent.repeat).await? {
            Next::Unchanged(sequence) => self.heal(sequence, package, progress).await,
            Next::Finish(sequence) => {
                let sent = self.send(package, progress).await?;
                self.settle(package, progress).await?;
                let found = self.remote.release_or_head(Some(sequence)).await?;
                self.move_channel(&found.envelope, sequence, progress)
                    .await?;
                Ok(Published {
                    uploaded_bytes: sent.0,
                    reused_bytes: sent.1,
                    ..self.summary("finished", sequence, package)
                })
            }
            Next::New(sequence) => {
                let release = self.release(
                    sequence,
                    package.digest(),
                    package.manifest_bytes.len() as u64,
                    package.manifest.migration,
                    intent.expires,
                );
                let envelope = self.sign(&release, intent.keys)?;
                let sent = self.send(package, progress).await?;
                self.put_release(&envelope, sequence, progress).await?;
                self.settle(package, progress).await?;
                self.move_channel(&envelope, sequence, progress).await?;
                Ok(Published {
                    uploaded_bytes: sent.0,
                    reused_bytes: sent.1,
                    ..self.summary("published", sequence, package)
                })
            }
        }
    }

    /// Publishes a release object that was signed elsewhere, with the sequence that it was signed
    /// for.
    ///
    /// # Errors
    ///
    /// As [`Self::publish`]; and if the sequence is taken by another release.
    pub(crate) async fn publish_signed(
        self,
        package: &Package,
        envelope: Envelope,
        release: Release,
        progress: &Progress,
    ) -> Result<Published, CommandError> {
        let sequence = release.sequence;
        if self.head.release.as_ref() == Some(&release) {
            return self.heal(sequence, package, progress).await;
        }
        self.accept(&envelope)?;
        let (uploaded_bytes, reused_bytes) = self.send(package, progress).await?;
        let (outcome, envelope) = match self.remote.release(sequence).await? {
            Some(found) if found.release == release => ("finished", found.envelope),
            Some(_) => return Err(self.conflict(&key::release(&self.remote.channel, sequence))),
            None => {
                self.put_release(&envelope, sequence, progress).await?;
                ("published", envelope)
            }
        };
        self.settle(package, progress).await?;
        self.move_channel(&envelope, sequence, progress).await?;
        Ok(Published {
            uploaded_bytes,
            reused_bytes,
            ..self.summary(outcome, sequence, package)
        })
    }

    /// Signs a new sequence that names the manifest of an older release, and moves the channel to
    /// it.
    ///
    /// # Errors
    ///
    /// If the older release is not there or not trusted, or as [`Self::publish`].
    pub(crate) async fn go_back(
        self,
        to: Sequence,
        expires: Option<Timestamp>,
        keys: &[PathBuf],
        progress: &Progress,
    ) -> Result<Release, CommandError> {
        let older = self.remote.release_or_head(Some(to)).await?;
        self.roots
            .vouch(
                &older.envelope,
                &key::release(&self.remote.channel, to),
                &*self.remote.store,
            )
            .await?;
        let (manifest, bytes) = self.remote.manifest(&older.release).await?;
        let blobs: Vec<_> = manifest
            .modules
            .iter()
            .map(|module| key::blob(&module.sha256))
            .chain([key::blob(&older.release.manifest)])
            .collect();
        self.all_there(&blobs, to).await?;
        let (envelope, release) = match self.next(older.release.manifest, Repeat::Again).await? {
            Next::Unchanged(sequence) | Next::Finish(sequence) => {
                let found = self.remote.release_or_head(Some(sequence)).await?;
                (found.envelope, found.release)
            }
            Next::New(sequence) => {
                let release = self.release(
                    sequence,
                    older.release.manifest,
                    bytes.len() as u64,
                    manifest.migration,
                    expires,
                );
                let envelope = self.sign(&release, keys)?;
                self.put_release(&envelope, sequence, progress).await?;
                (envelope, release)
            }
        };
        mark::none(&*self.remote.store, self.now, progress).await?;
        self.all_there(&blobs, to).await?;
        self.move_channel(&envelope, release.sequence, progress)
            .await?;
        Ok(release)
    }

    async fn all_there(&self, blobs: &[String], sequence: Sequence) -> Result<(), CommandError> {
        let missing = self
            .remote
            .store
            .missing(blobs.to_vec())
            .await?
            .into_iter()
            .next();
        missing.map_or(Ok(()), |key| {
            Err(CommandError::BlobMissing { key, sequence })
        })
    }

    /// Uploads what the store has lost of the release in force, or holds damaged.
    async fn heal(
        &self,
        sequence: Sequence,
        package: &Package,
        progress: &Progress,
    ) -> Result<Published, CommandError> {
        let (uploaded_bytes, reused_bytes) = self.send(package, progress).await?;
        let outcome = if uploaded_bytes == 0 {
            "unchanged"
        } else {
            "healed"
        };
        Ok(Published {
            uploaded_bytes,
            reused_bytes,
            ..self.summary(outcome, sequence, package)
        })
    }

    /// Makes sure, once the release object is there for every gc to see, that one before it took
    /// nothing of the release.
    async fn settle(&self, package: &Package, progress: &Progress) -> Result<(), CommandError> {
        let store = &*self.remote.store;
        mark::none(store, self.now, progress).await?;
        let gone = store
            .missing(
                package
                    .blobs()
                    .iter()
                    .map(|(digest, _)| key::blob(digest))
                    .collect(),
            )
            .await?;
        if !gone.is_empty() {
            self.send(package, progress).await?;
        }
        Ok(())
    }

    async fn next(&self, manifest: Sha256, repeat: Repeat) -> Result<Next, CommandError> {
        let head = self.head.release.as_ref();
        let mut beyond = Vec::new();
        let mut taken = None;
        let mut probe = head.map_or(Some(Sequence::FIRST), |head| head.sequence.next());
        // Object by object: an abandoned one is rare, and a listing would read a channel's whole
        // history.
        while let Some(sequence) = probe
            && let Some(found) = self.remote.release(sequence).await?
        {
            taken = Some(sequence);
            if self.accept(&found.envelope).is_ok() {
                beyond.push(found.release);
            }
            probe = sequence.next();
        }
        Ok(next::next(&manifest, head, &beyond, taken, repeat)?)
    }

    fn release(
        &self,
        sequence: Sequence,
        manifest: Sha256,
        manifest_size: u64,
        migration: Migration,
        expires: Option<Timestamp>,
    ) -> Release {
        Release {
            channel: self.remote.channel.clone(),
            sequence,
            created: self.now,
            expires,
            root_version: self.roots.newest().version(),
            migration,
            manifest,
            manifest_size,
        }
    }

    fn sign(&self, release: &Release, keys: &[PathBuf]) -> Result<Envelope, CommandError> {
        let what = || format!("the release for {}", release.channel);
        let mut envelope = release
            .to_envelope()
            .map_err(|source| CommandError::Statement {
                what: what(),
                source,
            })?;
        files::sign(&mut envelope, keys)?;
        self.accept(&envelope)?;
        Ok(envelope)
    }

    /// The check that every pod makes, before anything is published that no pod would take.
    fn accept(&self, envelope: &Envelope) -> Result<(), CommandError> {
        let what = || format!("the release for {}", self.remote.channel);
        let release = self
            .roots
            .newest()
            .verify_release(envelope)
            .map_err(|source| CommandError::Trust {
                what: what(),
                source,
            })?;
        let accepted = self.head.release.as_ref().map(|head| Accepted {
            sequence: head.sequence,
            manifest: head.manifest,
            root_version: head.root_version,
            // Made by a publisher whose clock was ahead, it must not keep others from putting that
            // right.
            at: head.created.min(self.now),
        });
        let policy = AcceptancePolicy {
            channel: &self.remote.channel,
            floor: None,
            accepted,
            rejected: &BTreeSet::new(),
            now: self.now,
        };
        Ok(policy.accept(self.roots.newest(), &release)?)
    }

    fn summary(&self, outcome: &'static str, sequence: Sequence, package: &Package) -> Published {
        Published::new(outcome, self.remote.channel.as_str(), sequence, package)
    }
}
