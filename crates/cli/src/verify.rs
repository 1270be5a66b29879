//! `longshore verify`: would a pod take this release, and is everything there that it needs?

use crate::{
    CommandError, Context, files,
    remote::{self, Deadline, Remote},
    staged,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use release::{
    AcceptancePolicy, ChannelName, Envelope, Manifest, Sequence, Sha256, TrustRoot, Verified, key,
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs, io,
    path::PathBuf,
};
use store::{Location, ObjectStore};
use tempfile::NamedTempFile;
use tokio::task;

/// Blobs that are looked at at once.
const AT_ONCE: usize = 8;

/// Arguments of `verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  longshore verify --store s3://releases/prod --channel shops/acme --trust 1.root.json
  longshore verify 41 --deep --store s3://releases/prod --channel shops/acme --trust 1.root.json
  longshore verify --release release.json --manifest manifest.json --trust 1.root.json
      files alone, no network
Exit code 0: a fresh pod would take it. 65: it would not, for the reason that is printed.")]
pub(crate) struct Verify {
    /// Which sequence; otherwise the one in force
    sequence: Option<Sequence>,
    /// Where releases are: `s3://bucket/prefix` or `file:///directory`
    #[arg(
        long,
        env = "LONGSHORE_STORE",
        hide_env_values = true,
        value_name = "URL",
        required_unless_present = "release"
    )]
    store: Option<Location>,
    /// The channel, such as shops/acme
    #[arg(
        long,
        env = "LONGSHORE_CHANNEL",
        hide_env_values = true,
        required_unless_present = "release"
    )]
    channel: Option<ChannelName>,
    #[command(flatten)]
    deadline: Deadline,
    /// A release object in a file, instead of a channel's
    #[arg(long, value_name = "FILE", conflicts_with = "sequence")]
    release: Option<PathBuf>,
    /// The manifest in a file, to go with --release
    #[arg(long, value_name = "FILE", requires = "release")]
    manifest: Option<PathBuf>,
    /// Trust root that pods believe
    #[arg(
        long,
        env = "LONGSHORE_TRUST",
        hide_env_values = true,
        value_name = "FILE"
    )]
    trust: PathBuf,
    /// Download every blob, and unpack all of it into a temporary directory as a pod would, not
    /// only look whether blobs are there with the right size
    #[arg(long, conflicts_with = "release")]
    deep: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    channel: String,
    sequence: Sequence,
    manifest: Sha256,
    root_version: u64,
    signed_by: Vec<String>,
    expires: Option<String>,
    blobs: usize,
    bytes: u64,
    /// How deep the check went.
    checked: &'static str,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} sequence {} is good", self.channel, self.sequence)?;
        writeln!(f, "  manifest  sha256:{}", self.manifest)?;
        writeln!(f, "  signed    under trust root {}, by", self.root_version)?;
        self.signed_by
            .iter()
            .try_for_each(|key| writeln!(f, "    {key}"))?;
        writeln!(
            f,
            "  expires   {}",
            self.expires.as_deref().unwrap_or("never")
        )?;
        writeln!(
            f,
            "  checked   {} blobs, {} bytes: {}",
            self.blobs, self.bytes, self.checked
        )
    }
}

/// Runs `longshore verify`.
///
/// # Errors
///
/// The first thing for which a pod would refuse the release, or that it would miss.
pub(crate) async fn run(arguments: Verify, context: &Context) -> Result<(), CommandError> {
    let root = files::trust_root(&arguments.trust)?;
    if let Some(path) = &arguments.release {
        let (envelope, _) = files::envelope(path)?;
        let mut report = accept(&root, &envelope, None, &path.display().to_string(), context)?;
        if let Some(path) = &arguments.manifest {
            let bytes = fs::read(path).map_err(|source| CommandError::Read {
                path: path.clone(),
                source,
            })?;
            let (what, found) = (path.display().to_string(), Sha256::digest(&bytes));
            if found != report.manifest {
                return Err(CommandError::Digest {
                    what,
                    signed: report.manifest,
                    found,
                });
            }
            let manifest = Manifest::parse(&bytes)
                .map_err(|source| CommandError::Manifest { what, source })?;
            report.blobs = manifest.modules.len();
            report.bytes = manifest.modules.iter().map(|module| module.size).sum();
        }
        return context.output.show(&report);
    }
    let (Some(location), Some(channel)) = (&arguments.store, &arguments.channel) else {
        return Err(CommandError::Bug("clap let a required argument pass"));
    };
    let remote = Remote {
        store: arguments.deadline.open(location).await?,
        channel: channel.clone(),
    };
    let root = deploy::pull::newest_root(root, &*remote.store).await?;
    let found = remote.release_or_head(arguments.sequence).await?;
    let what = arguments.sequence.map_or_else(
        || key::channel_head(channel),
        |sequence| key::release(channel, sequence),
    );
    let report = accept(&root, &found.envelope, Some(channel), &what, context)?;
    let (manifest, _) = remote.manifest(&found.release).await?;
    let mut blobs: Vec<_> = manifest
        .modules
        .iter()
        .map(|module| (module.sha256, module.size))
        .collect();
    blobs.sort_unstable();
    blobs.dedup();
    let bytes = blobs.iter().map(|(_, size)| size).sum();
    let bar = &context.progress.bar("verifying", bytes);
    let store = &*remote.store;
    let files: Vec<_> = stream::iter(&blobs)
        .map(|(digest, size)| check(store, digest, *size, arguments.deep, report.sequence, bar))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let files: BTreeMap<Sha256, NamedTempFile> = blobs
        .iter()
        .map(|(digest, _)| *digest)
        .zip(files)
        .filter_map(|(digest, file)| Some((digest, file?)))
        .collect();
    if arguments.deep {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let stage = move || {
            staged::check(&manifest, |digest| {
                files.get(digest).ok_or_else(missing)?.reopen()
            })
        };
        task::spawn_blocking(stage)
            .await
            .map_err(|_| CommandError::Bug("unpacking panicked"))??;
    }
    let checked = if arguments.deep {
        "every digest, and all unpacked"
    } else {
        "every size"
    };
    context.output.show(&Report {
        blobs: blobs.len(),
        bytes,
        checked,
        ..report
    })
}

/// The checks of a fresh pod: enough signatures, our channel, not expired.
fn accept(
    root: &Verified<TrustRoot>,
    envelope: &Envelope,
    channel: Option<&ChannelName>,
    what: &str,
    context: &Context,
) -> Result<Report, CommandError> {
    let release = root
        .verify_release(envelope)
        .map_err(|source| CommandError::Trust {
            what: what.to_owned(),
            source,
        })?;
    let channel = channel.unwrap_or(&release.channel);
    let policy = AcceptancePolicy {
        channel,
        floor: None,
        accepted: None,
        rejected: &BTreeSet::new(),
        now: context.now,
    };
    policy.accept(root, &release)?;
    Ok(Report {
        channel: channel.to_string(),
        sequence: release.sequence,
        manifest: release.manifest,
        root_version: root.version(),
        signed_by: envelope
            .signers(root.keys())
            .into_iter()
            .map(|key| key.id().to_string())
            .collect(),
        expires: release.expires.map(|time| time.to_string()),
        blobs: 0,
        bytes: 0,
        checked: "signatures and policy",
    })
}

async fn check(
    store: &dyn ObjectStore,
    digest: &Sha256,
    size: u64,
    deep: bool,
    sequence: Sequence,
    bar: &crate::Bar,
) -> Result<Option<NamedTempFile>, CommandError> {
    if deep {
        return remote::download(store, digest, size, &|bytes| bar.add(bytes))
            .await
            .map(Some);
    }
    let key = key::blob(digest);
    match store.head(&key).await? {
        None => Err(CommandError::BlobMissing { key, sequence }),
        Some(info) if info.size != size => Err(CommandError::Size {
            key,
            signed: size,
            found: info.size,
        }),
        Some(_) => Ok(None),
    }
}
