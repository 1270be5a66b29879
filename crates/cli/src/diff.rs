//! `longshore diff`: what changes between two releases of a channel, and what a pod would download.

use crate::{
    CommandError, Context,
    remote::{ChannelArguments, Remote},
};
use release::{Manifest, Module, ModuleName, Sequence, Sha256, key};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::{self, File},
    io::Write as _,
    ops::Range,
    os::unix::fs::MetadataExt as _,
    path::Path,
};
use tarball::{ChunkTarget, Kind, Unpacker};

/// Arguments of `diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  longshore diff 41 42 --store s3://releases/prod --channel shops/acme
Compares manifests, then downloads only the chunks that differ to name the files in them. `download`
is what a pod that runs FROM fetches to run TO.")]
pub(crate) struct Diff {
    /// The older release
    from_sequence: Sequence,
    /// The newer release
    to_sequence: Sequence,
    #[command(flatten)]
    from: ChannelArguments,
    /// Compare manifests only, and download nothing else
    #[arg(long)]
    modules_only: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    from: Sequence,
    to: Sequence,
    modules: Vec<ModuleChange>,
    files: Vec<FileChange>,
    /// Bytes that a pod with the older release downloads for the newer one.
    download: u64,
    /// Bytes that a pod without any release downloads.
    download_fresh: u64,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct ModuleChange {
    module: ModuleName,
    change: Change,
    from: Option<String>,
    to: Option<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct FileChange {
    path: String,
    change: Change,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Change {
    Added,
    Removed,
    Changed,
}

impl Change {
    fn between<T: PartialEq>(old: Option<&T>, new: Option<&T>) -> Option<Self> {
        match (old, new) {
            (None, Some(_)) => Some(Self::Added),
            (Some(_), None) => Some(Self::Removed),
            (Some(old), Some(new)) if old != new => Some(Self::Changed),
            _ => None,
        }
    }

    const fn mark(self) -> char {
        match self {
            Self::Added => '+',
            Self::Removed => '-',
            Self::Changed => '~',
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ModuleChange {
            module,
            change,
            from,
            to,
        } in &self.modules
        {
            let versions = match (from, to) {
                (Some(from), Some(to)) if from == to => format!("{from}, other content"),
                (Some(from), Some(to)) => format!("{from} → {to}"),
                (from, to) => from.as_ref().or(to.as_ref()).cloned().unwrap_or_default(),
            };
            writeln!(f, "{} module {module} {versions}", change.mark())?;
        }
        self.files
            .iter()
            .try_for_each(|file| writeln!(f, "{}   {}", file.change.mark(), file.path))?;
        writeln!(
            f,
            "{} modules and {} files differ between {} and {}",
            self.modules.len(),
            self.files.len(),
            self.from,
            self.to
        )?;
        writeln!(
            f,
            "download: {} bytes for a pod that runs {}, {} bytes for a fresh one",
            self.download, self.from, self.download_fresh
        )
    }
}

/// Runs `longshore diff`.
///
/// # Errors
///
/// If the store does not give what is compared, or the disk has no room for the chunks that
/// differ.
pub(crate) async fn run(arguments: Diff, context: &Context) -> Result<(), CommandError> {
    let remote = arguments.from.open().await?;
    let old = manifest(&remote, arguments.from_sequence).await?;
    let new = manifest(&remote, arguments.to_sequence).await?;
    let files = if arguments.modules_only {
        Vec::new()
    } else {
        changed_files(&remote, &old, &new).await?
    };
    context.output.show(&Report {
        from: arguments.from_sequence,
        to: arguments.to_sequence,
        modules: changed_modules(&old, &new),
        files,
        download: download(&new, Some(&old)),
        download_fresh: download(&new, None),
    })
}

async fn manifest(remote: &Remote, sequence: Sequence) -> Result<Manifest, CommandError> {
    let found = remote.release_or_head(Some(sequence)).await?;
    Ok(remote.manifest(&found.release).await?.0)
}

fn changed_modules(old: &Manifest, new: &Manifest) -> Vec<ModuleChange> {
    let by_name = |manifest: &Manifest| {
        manifest
            .modules
            .iter()
            .map(|module| (module.name.clone(), module.clone()))
            .collect()
    };
    let (old, new): (BTreeMap<_, Module>, BTreeMap<_, Module>) = (by_name(old), by_name(new));
    let names: BTreeSet<_> = old.keys().chain(new.keys()).cloned().collect();
    let changes = names.into_iter().filter_map(|module| {
        let (from, to) = (old.get(&module), new.get(&module));
        let change = Change::between(from, to)?;
        let version = |module: Option<&Module>| module.map(|module| module.version.to_string());
        Some(ModuleChange {
            change,
            from: version(from),
            to: version(to),
            module,
        })
    });
    changes.collect()
}

/// Bytes that a pod downloads for `new`, if it has `old` on its disk.
pub(crate) fn download(new: &Manifest, old: Option<&Manifest>) -> u64 {
    bytes_beyond(new, &old.map(places).unwrap_or_default())
}

/// Where each chunk lands: a pod links what it has at the same place, and downloads the rest.
fn places(manifest: &Manifest) -> BTreeSet<(Sha256, String)> {
    let of = |module: &Module| {
        module
            .target
            .as_ref()
            .map_or_else(String::new, ToString::to_string)
    };
    manifest
        .modules
        .iter()
        .flat_map(|module| {
            module
                .chunks
                .iter()
                .map(move |chunk| (chunk.sha256, of(module)))
        })
        .collect()
}

fn bytes_beyond(manifest: &Manifest, held: &BTreeSet<(Sha256, String)>) -> u64 {
    let mut wanted = places(manifest);
    wanted.retain(|place| !held.contains(place));
    let chunks = manifest.modules.iter().flat_map(|module| {
        let target = module
            .target
            .as_ref()
            .map_or_else(String::new, ToString::to_string);
        module
            .chunks
            .iter()
            .map(move |chunk| ((chunk.sha256, target.clone()), chunk.size))
    });
    chunks
        .collect::<BTreeMap<_, _>>()
        .into_iter()
        .filter(|(place, _)| wanted.contains(place))
        .map(|(_, size)| size)
        .sum()
}

/// Unpacks the chunks that only one of the two has, and compares what they hold.
async fn changed_files(
    remote: &Remote,
    old: &Manifest,
    new: &Manifest,
) -> Result<Vec<FileChange>, CommandError> {
    let (old_places, new_places) = (places(old), places(new));
    let old = contents(remote, old, &new_places).await?;
    let new = contents(remote, new, &old_places).await?;
    let paths: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let changes = paths.into_iter().filter_map(|path| {
        let change = Change::between(old.get(path), new.get(path))?;
        Some(FileChange {
            path: path.clone(),
            change,
        })
    });
    Ok(changes.collect())
}

/// Each file in the chunks that `others` lack, with what identifies its content.
async fn contents(
    remote: &Remote,
    manifest: &Manifest,
    others: &BTreeSet<(Sha256, String)>,
) -> Result<BTreeMap<String, Content>, CommandError> {
    let scratch = tempfile::tempdir().map_err(|source| CommandError::Write {
        path: std::env::temp_dir(),
        source,
    })?;
    let unpack = |source| CommandError::Unpack { source };
    let unpacker = Unpacker::new(scratch.path()).map_err(unpack)?;
    let mut worker = unpacker.worker();
    let mut contents = BTreeMap::new();
    for module in &manifest.modules {
        let target = module
            .target
            .as_ref()
            .map_or_else(String::new, ToString::to_string);
        let replaced = module.replaced.iter().cloned().collect();
        let mut start = 0;
        for (at, chunk) in module.chunks.iter().enumerate() {
            let range = start..start + chunk.size;
            start = range.end;
            if others.contains(&(chunk.sha256, target.clone())) {
                continue;
            }
            let file = fetch(remote, module, range).await?;
            let place = ChunkTarget {
                target: module.target.as_ref(),
                replaced: &replaced,
                last: at + 1 == module.chunks.len(),
            };
            for entry in worker.spooled(&file, chunk, &place).map_err(unpack)? {
                let path = entry.path.to_string();
                if let Some(content) = content(scratch.path(), entry)? {
                    contents.insert(path, content);
                }
            }
        }
    }
    Ok(contents)
}

/// What tells one content of a path from another. A file's mtime is a function of its bytes
/// (docs/formats/tarball.md), so two contents of one length are taken for the same once in 2^29.
#[derive(Debug, PartialEq, Eq)]
struct Content {
    kind: Kind,
    mtime: i64,
}

fn content(root: &Path, entry: tarball::Unpacked) -> Result<Option<Content>, CommandError> {
    let mtime = match entry.kind {
        Kind::Directory => return Ok(None),
        Kind::Link { .. } => 0,
        Kind::File { .. } => {
            let path = root.join(entry.path.as_str());
            fs::symlink_metadata(&path)
                .map_err(|source| CommandError::Read { path, source })?
                .mtime()
        }
    };
    Ok(Some(Content {
        kind: entry.kind,
        mtime,
    }))
}

async fn fetch(remote: &Remote, module: &Module, range: Range<u64>) -> Result<File, CommandError> {
    let write = |source| CommandError::Write {
        path: std::env::temp_dir(),
        source,
    };
    let mut file = tempfile::tempfile().map_err(write)?;
    let mut body = remote
        .store
        .get_range(&key::blob(&module.sha256), range, None)
        .await?;
    while let Some(bytes) = body.next().await {
        file.write_all(&bytes?).map_err(write)?;
    }
    Ok(file)
}
