//! `longshore store fsck`: finds what releases need and the store lacks or holds damaged, and mends
//! it from where it is whole.

use crate::{
    CommandError, Context,
    gc::kept_releases,
    remote::{self, StoreArguments, read},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use release::{Envelope, Manifest, Release, Sha256, key, limits};
use serde::Serialize;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};
use store::{Condition, Location, ObjectStore, StoreError};

/// Blobs that are looked at at once.
const AT_ONCE: usize = 8;

/// What is done with a whole store.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum StoreCommand {
    /// Find, and with --from mend, what releases need and the store lacks or holds damaged
    Fsck(Fsck),
}

/// Arguments of `store fsck`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  longshore store fsck --store s3://releases/prod                                 look at every size
  longshore store fsck --deep --store s3://releases/prod                          read everything
  longshore store fsck --store s3://releases/prod --from s3://replica/prod --from file:///srv/packed
Looked at are the release in force of every channel and its `--keep` newest releases, their
manifests and tarballs. A release object that is in force and not in its channel's history is put
there. What no `--from` has, publishing it again brings back: `longshore publish` uploads what is
missing or damaged. Exit code 0: all is there, or was mended; 69: something is still missing or
damaged.")]
pub(crate) struct Fsck {
    #[command(flatten)]
    store: StoreArguments,
    /// A store that may have what is missing, such as a replica or what `longshore pack` wrote
    /// (repeat for each)
    #[arg(long, value_name = "URL")]
    from: Vec<Location>,
    /// How many of the newest releases of each channel to check
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    keep: u32,
    /// Read every blob and check its digest, not only that it is there with the right size
    #[arg(long)]
    deep: bool,
}

/// What is wrong with one object.
#[derive(Debug, Clone, Serialize)]
struct Finding {
    key: String,
    /// `missing`, `size`, `digest` or `malformed`.
    problem: &'static str,
    /// Release objects that need it.
    releases: BTreeSet<String>,
    mended: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    releases: usize,
    blobs: usize,
    bytes: u64,
    /// `sizes` or `digests`: how deep the look went.
    checked: &'static str,
    findings: Vec<Finding>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding {
            key,
            problem,
            releases,
            mended,
        } in &self.findings
        {
            let needed: Vec<&str> = releases.iter().map(String::as_str).collect();
            writeln!(
                f,
                "{key}  {problem}{}  needed by {}",
                if *mended { ", mended" } else { "" },
                needed.join(", ")
            )?;
        }
        writeln!(
            f,
            "{} releases, {} blobs, {} bytes: {}",
            self.releases, self.blobs, self.bytes, self.checked
        )?;
        let mended = self
            .findings
            .iter()
            .filter(|finding| finding.mended)
            .count();
        writeln!(
            f,
            "{} objects were missing or damaged, {mended} of them are mended",
            self.findings.len()
        )
    }
}

struct Checker<'a> {
    store: &'a dyn ObjectStore,
    from: Vec<Arc<dyn ObjectStore>>,
    context: &'a Context,
    deep: bool,
    findings: Vec<Finding>,
}

/// A blob's signed size, and the release objects that need it.
type Needed = BTreeMap<Sha256, (u64, BTreeSet<String>)>;

/// Runs `longshore store fsck`.
///
/// # Errors
///
/// If a store fails, or something is still missing or damaged at the end.
pub(crate) async fn run(command: StoreCommand, context: &Context) -> Result<(), CommandError> {
    let StoreCommand::Fsck(arguments) = command;
    let store = arguments.store.open().await?;
    let mut from = Vec::new();
    for location in &arguments.from {
        from.push(arguments.store.deadline().open(location).await?);
    }
    let mut checker = Checker {
        store: &*store,
        from,
        context,
        deep: arguments.deep,
        findings: Vec::new(),
    };
    let kept: BTreeSet<String> = kept_releases(checker.store, arguments.keep as usize)
        .await?
        .into_values()
        .flatten()
        .collect();
    let tarballs = checker.manifests(&kept).await?;
    let (blobs, bytes) = (
        tarballs.len(),
        tarballs.values().map(|(size, _)| size).sum(),
    );
    checker.blobs(&tarballs).await?;
    let compared = if arguments.deep { "digests" } else { "sizes" };
    let report = Report {
        releases: kept.len(),
        blobs,
        bytes,
        checked: compared,
        findings: checker.findings,
    };
    context.output.show(&report)?;
    let left: Vec<_> = report
        .findings
        .into_iter()
        .filter(|finding| !finding.mended)
        .map(|finding| finding.key)
        .collect();
    if left.is_empty() {
        Ok(())
    } else {
        Err(CommandError::Damaged { objects: left })
    }
}

/// What is wrong with what the channels' heads and their newest releases need, read to the last
/// byte.
#[cfg(test)]
pub(crate) async fn damage(
    store: &dyn ObjectStore,
    context: &Context,
    keep: usize,
) -> Result<Vec<String>, CommandError> {
    let mut checker = Checker {
        store,
        from: Vec::new(),
        context,
        deep: true,
        findings: Vec::new(),
    };
    let kept = kept_releases(store, keep)
        .await?
        .into_values()
        .flatten()
        .filter(|key| key.ends_with("/release.json"))
        .collect();
    let tarballs = checker.manifests(&kept).await?;
    checker.blobs(&tarballs).await?;
    Ok(checker
        .findings
        .into_iter()
        .map(|finding| format!("{} {}", finding.key, finding.problem))
        .collect())
}

impl Checker<'_> {
    /// Looks at release objects and their manifests, and says which tarballs these need.
    async fn manifests(&mut self, kept: &BTreeSet<String>) -> Result<Needed, CommandError> {
        let mut manifests = Needed::new();
        for key in kept {
            let bytes = read(self.store, key, limits::ENVELOPE_LIMIT as u64)
                .await?
                .bytes;
            let release = Envelope::parse(&bytes)
                .ok()
                .and_then(|envelope| Release::unverified(&envelope).ok());
            let Some(release) = release else {
                self.found(Finding {
                    key: key.clone(),
                    problem: "malformed",
                    releases: BTreeSet::new(),
                    mended: false,
                });
                continue;
            };
            let own = key::release(&release.channel, release.sequence);
            if *key == key::channel_head(&release.channel) && self.store.head(&own).await?.is_none()
            {
                // Only if there is none: whoever wrote one meanwhile wrote the same, or knows
                // better.
                let put = self.store.put(&own, bytes, Condition::Absent).await;
                let mended = match put {
                    Ok(_) | Err(StoreError::Condition { .. }) => true,
                    Err(error) => return Err(error.into()),
                };
                self.found(Finding {
                    key: own,
                    problem: "missing",
                    releases: [key.clone()].into(),
                    mended,
                });
            }
            manifests
                .entry(release.manifest)
                .or_insert((release.manifest_size, BTreeSet::new()))
                .1
                .insert(key.clone());
        }
        let mut tarballs = Needed::new();
        for (digest, (size, releases)) in manifests {
            let Some(manifest) = self.manifest(&digest, size, &releases).await? else {
                continue;
            };
            for module in manifest.modules {
                tarballs
                    .entry(module.sha256)
                    .or_insert((module.size, BTreeSet::new()))
                    .1
                    .extend(releases.iter().cloned());
            }
        }
        Ok(tarballs)
    }

    async fn manifest(
        &mut self,
        digest: &Sha256,
        size: u64,
        releases: &BTreeSet<String>,
    ) -> Result<Option<Manifest>, CommandError> {
        let key = key::blob(digest);
        for again in [false, true] {
            let problem = match read(self.store, &key, limits::MANIFEST_LIMIT as u64).await {
                Ok(object) if Sha256::digest(&object.bytes) != *digest => "digest",
                Ok(object) => {
                    let manifest = Manifest::parse(&object.bytes).ok();
                    if manifest.is_none() {
                        self.found(Finding {
                            key,
                            problem: "malformed",
                            releases: releases.clone(),
                            mended: false,
                        });
                    }
                    return Ok(manifest);
                }
                Err(StoreError::TooLarge { .. }) => "size",
                Err(error) if error.is_missing() => "missing",
                Err(error) => return Err(error.into()),
            };
            if again {
                break;
            }
            let mended = mend(self.store, &self.from, digest, size).await?;
            self.found(Finding {
                key: key.clone(),
                problem,
                releases: releases.clone(),
                mended,
            });
            if !mended {
                break;
            }
        }
        Ok(None)
    }

    async fn blobs(&mut self, needed: &Needed) -> Result<(), CommandError> {
        let bar = &self
            .context
            .progress
            .bar("checking", needed.values().map(|(size, _)| size).sum());
        let (store, from, deep) = (self.store, &self.from, self.deep);
        let found: Vec<_> = stream::iter(needed)
            .map(|(digest, (size, releases))| async move {
                let Some(problem) = problem(store, digest, *size, deep, bar).await? else {
                    return Ok(None);
                };
                let mended = mend(store, from, digest, *size).await?;
                Ok::<_, CommandError>(Some(Finding {
                    key: key::blob(digest),
                    problem,
                    releases: releases.clone(),
                    mended,
                }))
            })
            .buffer_unordered(AT_ONCE)
            .try_filter_map(|found| async move { Ok(found) })
            .try_collect()
            .await?;
        for finding in found {
            self.found(finding);
        }
        Ok(())
    }

    fn found(&mut self, finding: Finding) {
        let Finding { key, problem, .. } = &finding;
        let words = if finding.mended { "mended" } else { "found" };
        self.context.progress.step(
            words,
            &format!("{words} {key}: {problem}"),
            &[("key", json!(key)), ("problem", json!(problem))],
        );
        self.findings.push(finding);
    }
}

/// What is wrong with the blob of this digest and size.
async fn problem(
    store: &dyn ObjectStore,
    digest: &Sha256,
    size: u64,
    deep: bool,
    bar: &crate::Bar,
) -> Result<Option<&'static str>, CommandError> {
    let found = match store.head(&key::blob(digest)).await? {
        None => Some("missing"),
        Some(info) if info.size != size => Some("size"),
        Some(_) if deep => {
            match remote::download(store, digest, size, &|bytes| bar.add(bytes)).await {
                Ok(_) => None,
                Err(
                    CommandError::Digest { .. }
                    | CommandError::Store(StoreError::Short { .. } | StoreError::Replaced { .. }),
                ) => Some("digest"),
                Err(error) => return Err(error),
            }
        }
        Some(_) => None,
    };
    Ok(found)
}

/// Copies the blob from the first store that has it whole, over what is there.
async fn mend(
    store: &dyn ObjectStore,
    from: &[Arc<dyn ObjectStore>],
    digest: &Sha256,
    size: u64,
) -> Result<bool, CommandError> {
    let key = key::blob(digest);
    for other in from {
        if other.head(&key).await?.is_none_or(|info| info.size != size) {
            continue;
        }
        match remote::download(&**other, digest, size, &|_| ()).await {
            Ok(file) => {
                store.put_file(&key, file.path(), &|_| ()).await?;
                return Ok(true);
            }
            // Damaged there, too.
            Err(CommandError::Digest { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}
