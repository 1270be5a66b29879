//! What a store says about a channel, read the way a pod reads it.

use crate::CommandError;
use clap::Args;
use release::{ChannelName, Envelope, Manifest, Release, Sequence, Sha256, key, limits};
use sha2::Digest as _;
use std::{io::Write as _, sync::Arc, time::Duration};
use store::{Etag, Location, Object, ObjectStore, Options, StoreError};
use tempfile::NamedTempFile;

/// For how long to try.
#[derive(Debug, Args)]
pub(crate) struct Deadline {
    /// How long the whole command may work with the store before it fails
    #[arg(
        long,
        env = "LONGSHORE_DEADLINE",
        hide_env_values = true,
        default_value = "1h",
        value_parser = duration
    )]
    deadline: Duration,
}

impl Deadline {
    /// Opens a store.
    ///
    /// # Errors
    ///
    /// If the settings of the environment do not make a client.
    pub(crate) async fn open(
        &self,
        location: &Location,
    ) -> Result<Arc<dyn ObjectStore>, CommandError> {
        // A person or a CI job waits: a store that gives no answer at all is told after 30 seconds,
        // not after the deadline.
        let options = Options {
            deadline: self.deadline,
            patience: Duration::from_secs(30),
            ..Options::default()
        };
        Ok(store::open(location, &options).await?)
    }
}

/// Which store, and for how long to try.
#[derive(Debug, Args)]
pub(crate) struct StoreArguments {
    /// Where releases are: `s3://bucket/prefix` or `file:///directory`
    #[arg(
        long,
        env = "LONGSHORE_STORE",
        hide_env_values = true,
        value_name = "URL"
    )]
    store: Location,
    #[command(flatten)]
    deadline: Deadline,
}

impl StoreArguments {
    /// Opens the store.
    ///
    /// # Errors
    ///
    /// As [`Deadline::open`].
    pub(crate) async fn open(&self) -> Result<Arc<dyn ObjectStore>, CommandError> {
        self.deadline.open(&self.store).await
    }

    /// For how long to try, for other stores of the same command.
    pub(crate) const fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// Opens the store to look at one channel of it.
    ///
    /// # Errors
    ///
    /// As [`Deadline::open`].
    pub(crate) async fn channel(&self, channel: &ChannelName) -> Result<Remote, CommandError> {
        Ok(Remote {
            store: self.open().await?,
            channel: channel.clone(),
        })
    }
}

/// Which channel of which store.
#[derive(Debug, Args)]
pub(crate) struct ChannelArguments {
    #[command(flatten)]
    store: StoreArguments,
    /// The channel, such as shops/acme
    #[arg(long, env = "LONGSHORE_CHANNEL", hide_env_values = true)]
    channel: ChannelName,
}

impl ChannelArguments {
    /// Opens the store.
    ///
    /// # Errors
    ///
    /// As [`StoreArguments::open`].
    pub(crate) async fn open(&self) -> Result<Remote, CommandError> {
        self.store.channel(&self.channel).await
    }
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    <Duration as runtime::Setting>::read(text)
        .ok_or_else(|| format!("expected {}", <Duration as runtime::Setting>::EXPECTED))
}

/// One channel of a store.
#[derive(Debug)]
pub(crate) struct Remote {
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// The channel.
    pub channel: ChannelName,
}

/// A release object as the store holds it: its shape is checked, its signatures are not.
#[derive(Debug)]
pub(crate) struct StoredRelease {
    /// The envelope, with its signatures.
    pub envelope: Envelope,
    /// What it claims.
    pub release: Release,
    /// The version of the object that was read.
    pub etag: Etag,
}

impl Remote {
    /// The release object in force, or `None` if the channel has none.
    ///
    /// # Errors
    ///
    /// If the store does not answer or holds something else there.
    pub(crate) async fn head(&self) -> Result<Option<StoredRelease>, CommandError> {
        self.envelope(&key::channel_head(&self.channel)).await
    }

    /// The release object in force, which must be there.
    ///
    /// # Errors
    ///
    /// As [`Self::head`], and if the channel has no release.
    pub(crate) async fn required_head(&self) -> Result<StoredRelease, CommandError> {
        self.head().await?.ok_or_else(|| CommandError::NoRelease {
            channel: self.channel.clone(),
        })
    }

    /// The release object of one sequence, or `None` if there is none.
    ///
    /// # Errors
    ///
    /// As [`Self::head`].
    pub(crate) async fn release(
        &self,
        sequence: Sequence,
    ) -> Result<Option<StoredRelease>, CommandError> {
        self.envelope(&key::release(&self.channel, sequence)).await
    }

    /// The release object of one sequence, or the one in force; it must be there.
    ///
    /// # Errors
    ///
    /// As [`Self::head`], and if there is none.
    pub(crate) async fn release_or_head(
        &self,
        sequence: Option<Sequence>,
    ) -> Result<StoredRelease, CommandError> {
        match sequence {
            None => self.required_head().await,
            Some(sequence) => {
                let found = self.release(sequence).await?;
                found.ok_or_else(|| CommandError::NoSequence {
                    channel: self.channel.clone(),
                    sequence,
                })
            }
        }
    }

    async fn envelope(&self, key: &str) -> Result<Option<StoredRelease>, CommandError> {
        let object = match read(&*self.store, key, limits::ENVELOPE_LIMIT as u64).await {
            Ok(object) => object,
            Err(error) if error.is_missing() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let envelope = Envelope::parse(&object.bytes).map_err(|source| CommandError::Envelope {
            what: key.to_owned(),
            source,
        })?;
        let release = Release::unverified(&envelope).map_err(|source| CommandError::Statement {
            what: key.to_owned(),
            source,
        })?;
        Ok(Some(StoredRelease {
            envelope,
            release,
            etag: object.etag,
        }))
    }

    /// The manifest that a release names, with its bytes, once its digest was checked.
    ///
    /// # Errors
    ///
    /// If the store does not give it, or gives other bytes.
    pub(crate) async fn manifest(
        &self,
        release: &Release,
    ) -> Result<(Manifest, Vec<u8>), CommandError> {
        let key = key::blob(&release.manifest);
        let bytes = read(&*self.store, &key, limits::MANIFEST_LIMIT as u64)
            .await?
            .bytes;
        let found = Sha256::digest(&bytes);
        if found != release.manifest {
            return Err(CommandError::Digest {
                what: key,
                signed: release.manifest,
                found,
            });
        }
        let manifest = Manifest::parse(&bytes)
            .map_err(|source| CommandError::Manifest { what: key, source })?;
        Ok((manifest, bytes.to_vec()))
    }

    /// Copies one blob into another store through a temporary file, and only if its digest is
    /// right.
    ///
    /// # Errors
    ///
    /// If it is missing or damaged, or one of the stores fails.
    pub(crate) async fn copy_blob(
        &self,
        copy: &dyn ObjectStore,
        digest: &Sha256,
        size: u64,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), CommandError> {
        let key = key::blob(digest);
        if copy.head(&key).await?.is_some() {
            return Ok(());
        }
        let file = download(&*self.store, digest, size, progress).await?;
        Ok(copy.put_file(&key, file.path(), &|_| ()).await?)
    }
}

/// Reads a whole object, whatever state it is in.
///
/// # Errors
///
/// As [`ObjectStore::get`].
pub(crate) async fn read(
    store: &dyn ObjectStore,
    key: &str,
    limit: u64,
) -> Result<Object, StoreError> {
    let object = store.get(key, limit, None).await?;
    Ok(object.expect("only a read with a known state can answer that nothing changed"))
}

/// Downloads a blob into a temporary file, which is kept only if its digest is the one that names
/// it.
///
/// # Errors
///
/// If the store or the disk fails, or the bytes are others.
pub(crate) async fn download(
    store: &dyn ObjectStore,
    digest: &Sha256,
    size: u64,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<NamedTempFile, CommandError> {
    let key = key::blob(digest);
    let write = |source| CommandError::Write {
        path: std::env::temp_dir(),
        source,
    };
    let mut file = NamedTempFile::new().map_err(write)?;
    let mut hash = sha2::Sha256::new();
    let mut body = store.get_range(&key, 0..size, None).await?;
    while let Some(bytes) = body.next().await {
        let bytes = bytes?;
        hash.update(&bytes);
        file.write_all(&bytes).map_err(write)?;
        progress(bytes.len() as u64);
    }
    let found = Sha256::from_bytes(hash.finalize().into());
    if found == *digest {
        Ok(file)
    } else {
        Err(CommandError::Digest {
            what: key,
            signed: *digest,
            found,
        })
    }
}
