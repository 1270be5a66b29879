//! `longshore release export`: a release and everything that it needs, as a directory.

use crate::{
    CommandError, Context,
    files::ensure_directory,
    remote::{ChannelArguments, Remote, read},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use release::{Sequence, Sha256, key};
use serde::Serialize;
use serde_json::json;
use std::{fmt, path::PathBuf};
use store::{Condition, Location, ObjectStore, Options};

/// Blobs that are copied at once.
const AT_ONCE: usize = 4;

/// Arguments of `release export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example, for an air-gapped site or a laptop:
  longshore release export --store s3://releases/prod --channel shops/acme --out acme
  longshore pull --store file://$PWD/acme --channel shops/acme --trust 1.root.json shop")]
pub(crate) struct Export {
    /// Which sequence; otherwise the one in force
    sequence: Option<Sequence>,
    #[command(flatten)]
    from: ChannelArguments,
    /// The directory; made if it does not exist
    #[arg(long, value_name = "DIRECTORY")]
    out: PathBuf,
}

#[derive(Debug, Serialize)]
struct Exported {
    directory: PathBuf,
    channel: String,
    sequence: Sequence,
    blobs: usize,
    bytes: u64,
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            directory,
            channel,
            sequence,
            blobs,
            bytes,
        } = self;
        writeln!(
            f,
            "{} holds {channel} sequence {sequence}: {blobs} blobs, {bytes} bytes",
            directory.display()
        )
    }
}

pub(super) async fn run(arguments: Export, context: &Context) -> Result<(), CommandError> {
    let remote = arguments.from.open().await?;
    let found = remote.release_or_head(arguments.sequence).await?;
    let (manifest, manifest_bytes) = remote.manifest(&found.release).await?;
    let out =
        std::path::absolute(&arguments.out).and_then(|out| ensure_directory(&out).map(|()| out));
    let out = out.map_err(|source| CommandError::Write {
        path: arguments.out.clone(),
        source,
    })?;
    let copy = store::open(&Location::Directory(out), &Options::default()).await?;
    let copy = &*copy;
    let mut blobs: Vec<(Sha256, u64)> = manifest
        .modules
        .iter()
        .map(|module| (module.sha256, module.size))
        .collect();
    blobs.sort_unstable();
    blobs.dedup();
    let bar = &context
        .progress
        .bar("exporting", blobs.iter().map(|(_, size)| size).sum());
    let remote = &remote;
    stream::iter(&blobs)
        .map(|(digest, size)| async move {
            remote
                .copy_blob(copy, digest, *size, &|bytes| bar.add(bytes))
                .await?;
            context.progress.step(
                "copied",
                &format!("copied {digest}"),
                &[("blob", json!(digest)), ("bytes", json!(size))],
            );
            Ok::<_, CommandError>(())
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    copy.put(
        &key::blob(&found.release.manifest),
        manifest_bytes.into(),
        Condition::Always,
    )
    .await?;
    let envelope = found.envelope.to_json();
    copy.put(
        &key::release(&remote.channel, found.release.sequence),
        envelope.clone().into(),
        Condition::Always,
    )
    .await?;
    copy_roots(remote, copy).await?;
    copy.put(
        &key::channel_head(&remote.channel),
        envelope.into(),
        Condition::Always,
    )
    .await?;
    context.output.show(&Exported {
        directory: arguments.out,
        channel: remote.channel.to_string(),
        sequence: found.release.sequence,
        blobs: blobs.len() + 1,
        bytes: blobs.iter().map(|(_, size)| size).sum(),
    })
}

/// Copies the trust roots, so that pods of the copy can walk forward too.
async fn copy_roots(remote: &Remote, copy: &dyn ObjectStore) -> Result<(), CommandError> {
    for root in remote.store.list(&key::trust_roots()).await? {
        let object = read(
            &*remote.store,
            &root.key,
            release::limits::ENVELOPE_LIMIT as u64,
        )
        .await?;
        copy.put(&root.key, object.bytes, Condition::Always).await?;
    }
    Ok(())
}
