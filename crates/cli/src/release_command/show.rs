//! Release objects, shown as they are.

use crate::{CommandError, Context, files, remote::ChannelArguments};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use release::{Envelope, Manifest, Migration, Release, Sequence, Sha256, key};
use serde::Serialize;
use std::{fmt, path::Path};

/// Release objects that are read at once.
const AT_ONCE: usize = 16;

/// Arguments of `release show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// Which sequence; otherwise the one in force
    sequence: Option<Sequence>,
    #[command(flatten)]
    from: ChannelArguments,
}

/// Arguments of `release list`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    from: ChannelArguments,
    /// How many of the newest to list
    #[arg(long, default_value_t = 20)]
    most: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    channel: String,
    sequence: Sequence,
    created: String,
    expires: Option<String>,
    root_version: u64,
    migration: Migration,
    manifest: Sha256,
    signatures: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content>,
}

#[derive(Debug, Serialize)]
struct Content {
    files: u64,
    bytes: u64,
    modules: Vec<ModuleLine>,
}

#[derive(Debug, Serialize)]
struct ModuleLine {
    name: String,
    version: String,
    target: String,
    size: u64,
    chunks: usize,
}

impl Shown {
    fn new(envelope: &Envelope, release: &Release, manifest: Option<&Manifest>) -> Self {
        Self {
            channel: release.channel.to_string(),
            sequence: release.sequence,
            created: release.created.to_string(),
            expires: release.expires.map(|time| time.to_string()),
            root_version: release.root_version,
            migration: release.migration,
            manifest: release.manifest,
            signatures: envelope.signatures().len(),
            content: manifest.map(Content::new),
        }
    }
}

impl Content {
    fn new(manifest: &Manifest) -> Self {
        let modules = manifest.modules.iter().map(|module| ModuleLine {
            name: module.name.to_string(),
            version: module.version.to_string(),
            target: module
                .target
                .as_ref()
                .map_or_else(String::new, ToString::to_string),
            size: module.size,
            chunks: module.chunks.len(),
        });
        Self {
            files: manifest.files,
            bytes: manifest.bytes,
            modules: modules.collect(),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} sequence {}", self.channel, self.sequence)?;
        writeln!(f, "  created    {}", self.created)?;
        writeln!(
            f,
            "  expires    {}",
            self.expires.as_deref().unwrap_or("never")
        )?;
        writeln!(f, "  manifest   sha256:{}", self.manifest)?;
        writeln!(
            f,
            "  signed     {} signatures, for trust root {}",
            self.signatures, self.root_version
        )?;
        let Some(content) = &self.content else {
            return Ok(());
        };
        writeln!(
            f,
            "  content    {} files, {} bytes",
            content.files, content.bytes
        )?;
        for module in &content.modules {
            let ModuleLine {
                name,
                version,
                target,
                size,
                chunks,
            } = module;
            writeln!(
                f,
                "    {name:<32} {version:<16} {size:>12} bytes in {chunks:>4} chunks  {target}"
            )?;
        }
        Ok(())
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    releases: Vec<Shown>,
    in_force: Option<Sequence>,
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for release in &self.releases {
            let mark = if Some(release.sequence) == self.in_force {
                '*'
            } else {
                ' '
            };
            writeln!(
                f,
                "{mark} {:>8}  {}  sha256:{}",
                release.sequence, release.created, release.manifest
            )?;
        }
        match self.in_force {
            Some(sequence) => writeln!(f, "* in force: {sequence}"),
            None => writeln!(f, "no release is in force"),
        }
    }
}

pub(super) async fn show(arguments: Show, context: &Context) -> Result<(), CommandError> {
    let remote = arguments.from.open().await?;
    let found = remote.release_or_head(arguments.sequence).await?;
    let (manifest, _) = remote.manifest(&found.release).await?;
    context.output.show(&Shown::new(
        &found.envelope,
        &found.release,
        Some(&manifest),
    ))
}

pub(super) fn inspect(path: &Path, context: &Context) -> Result<(), CommandError> {
    let (envelope, release) = files::envelope(path)?;
    context.output.show(&Shown::new(&envelope, &release, None))
}

pub(super) async fn list(arguments: List, context: &Context) -> Result<(), CommandError> {
    let remote = arguments.from.open().await?;
    let head = remote.head().await?;
    let prefix = key::releases(&remote.channel);
    let objects = remote.store.list(&prefix).await?;
    let number = |key: &str| {
        key.strip_prefix(&prefix)?
            .strip_suffix(".json")?
            .parse::<Sequence>()
            .ok()
    };
    let mut sequences: Vec<Sequence> = objects
        .iter()
        .filter_map(|object| number(&object.key))
        .collect();
    sequences.sort_unstable_by(|one, other| other.cmp(one));
    sequences.truncate(arguments.most);
    let remote = &remote;
    let releases = stream::iter(sequences)
        .map(|sequence| async move {
            let found = remote.release_or_head(Some(sequence)).await?;
            Ok::<_, CommandError>(Shown::new(&found.envelope, &found.release, None))
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    context.output.show(&Listed {
        releases,
        in_force: head.map(|head| head.release.sequence),
    })
}
