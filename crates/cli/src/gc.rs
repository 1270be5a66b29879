//! `longshore gc`: blobs that no kept release needs.

use crate::{
    CommandError, Context,
    mark::{self, Mark},
    remote::{StoreArguments, read},
    spec::parse_span,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use release::{Envelope, Manifest, Release, Sha256, key, limits};
use serde::Serialize;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};
use store::{Listed, ObjectStore};
use tokio::time::timeout;

/// Objects that are read or deleted at once.
const AT_ONCE: usize = 16;

/// Arguments of `gc`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  longshore gc --store s3://releases/prod                      print what would go
  longshore gc --store s3://releases/prod --keep 20 --delete
Kept are the release in force of every channel, its `--keep` newest releases, everything that they
name, and every blob younger than `--younger-than`. A release that is not in force yet is kept, too:
publications under way lose nothing, and wait for the end of a gc that deletes. Release objects and
trust roots are never deleted. One unreadable release object or manifest ends the run before
anything is deleted.")]
pub(crate) struct Gc {
    #[command(flatten)]
    store: StoreArguments,
    /// How many of the newest releases of each channel stay usable
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    keep: u32,
    /// Blobs younger than this stay in any case
    #[arg(long, default_value = "7d", value_parser = parse_span)]
    younger_than: SignedDuration,
    /// Delete, rather than only print
    #[arg(long)]
    delete: bool,
}

/// What stays.
#[derive(Debug)]
pub(crate) struct Rules {
    /// How many of the newest releases of each channel.
    pub keep: usize,
    /// Blobs from this time on.
    pub until: Timestamp,
    /// Whether to delete, rather than only to say.
    pub delete: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    deleted: bool,
    channels: usize,
    kept_releases: usize,
    kept_blobs: usize,
    unneeded: Vec<Unneeded>,
    unneeded_bytes: u64,
}

#[derive(Debug, Serialize)]
struct Unneeded {
    key: String,
    bytes: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Unneeded { key, bytes } in &self.unneeded {
            writeln!(f, "{key}  {bytes} bytes")?;
        }
        writeln!(
            f,
            "{} channels, {} releases and {} blobs are kept",
            self.channels, self.kept_releases, self.kept_blobs
        )?;
        let verb = if self.deleted {
            "deleted"
        } else {
            "to delete, with --delete"
        };
        writeln!(
            f,
            "{} blobs, {} bytes {verb}",
            self.unneeded.len(),
            self.unneeded_bytes
        )
    }
}

/// Runs `longshore gc`.
///
/// # Errors
///
/// If the store fails, or holds a release object or manifest that cannot be read: then nothing
/// is deleted.
pub(crate) async fn run(arguments: Gc, context: &Context) -> Result<(), CommandError> {
    let store = &*arguments.store.open().await?;
    let until = context.before(arguments.younger_than)?;
    let rules = Rules {
        keep: arguments.keep as usize,
        until,
        delete: arguments.delete,
    };
    context.output.show(&collect(store, &rules, context).await?)
}

/// Finds what no kept release needs, and deletes it where the rules say so.
///
/// # Errors
///
/// As [`run`]; if another gc is at work.
pub(crate) async fn collect(
    store: &dyn ObjectStore,
    rules: &Rules,
    context: &Context,
) -> Result<Report, CommandError> {
    if !rules.delete {
        return look(store, rules).await;
    }
    // Before anything is read: a publisher that this gc does not know of sees the mark.
    let mark = Mark::set(store, context.now).await?;
    let work = async {
        let report = look(store, rules).await?;
        delete(store, &report.unneeded, context)
            .await
            .map(|()| report)
    };
    let done = timeout(mark.left(), work)
        .await
        .unwrap_or(Err(CommandError::Late { limit: mark::LIMIT }));
    let removed = mark.remove(store).await;
    done.and_then(|report| {
        removed.map(|()| Report {
            deleted: true,
            ..report
        })
    })
}

async fn look(store: &dyn ObjectStore, rules: &Rules) -> Result<Report, CommandError> {
    // Blobs first: one that is uploaded while we look at releases is then not on the list at all.
    let blobs = store.list(&key::blobs()).await?;
    let kept = kept_releases(store, rules.keep).await?;
    let needed = needed(store, kept.values().flatten()).await?;
    let unneeded = unneeded(blobs, &needed, rules.until);
    Ok(Report {
        deleted: false,
        channels: kept.len(),
        kept_releases: kept.values().map(Vec::len).sum(),
        kept_blobs: needed.len(),
        unneeded_bytes: unneeded.iter().map(|blob| blob.bytes).sum(),
        unneeded,
    })
}

async fn delete(
    store: &dyn ObjectStore,
    unneeded: &[Unneeded],
    context: &Context,
) -> Result<(), CommandError> {
    stream::iter(unneeded)
        .map(|blob| async move {
            store.delete(&blob.key).await?;
            let figures = [("key", json!(blob.key)), ("bytes", json!(blob.bytes))];
            context
                .progress
                .step("deleted", &format!("deleted {}", blob.key), &figures);
            Ok::<_, CommandError>(())
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
}

/// The blobs of the list that nothing needs and that are older than `until`. A key that is no
/// digest is not ours to judge.
fn unneeded(blobs: Vec<Listed>, needed: &BTreeSet<Sha256>, until: Timestamp) -> Vec<Unneeded> {
    let judged = blobs.into_iter().filter(|blob| {
        let digest = blob
            .key
            .strip_prefix(&key::blobs())
            .and_then(|name| name.parse::<Sha256>().ok());
        digest.is_some_and(|digest| !needed.contains(&digest)) && blob.modified < until
    });
    judged
        .map(|blob| Unneeded {
            key: blob.key,
            bytes: blob.size,
        })
        .collect()
}

/// The newest release objects of each channel, the one in force, and those beyond it, whose
/// publishers may be about to move the channel.
pub(crate) async fn kept_releases(
    store: &dyn ObjectStore,
    keep: usize,
) -> Result<BTreeMap<String, Vec<String>>, CommandError> {
    let mut histories: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
    let mut heads = Vec::new();
    for Listed { key, .. } in store.list(&key::channels()).await? {
        if let Some(channel) = key.strip_suffix("/release.json") {
            heads.push((channel.to_owned(), key.clone()));
        } else if let Some((channel, name)) = key.rsplit_once("/releases/") {
            let sequence = name
                .strip_suffix(".json")
                .and_then(|number| number.parse().ok());
            let sequence = sequence.ok_or_else(|| {
                CommandError::Usage(format!(
                    "{key} is not a release object's key: remove it first"
                ))
            })?;
            histories
                .entry(channel.to_owned())
                .or_default()
                .push((sequence, key));
        }
    }
    let mut kept: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut in_force = BTreeMap::new();
    for (channel, head) in heads {
        in_force.insert(channel.clone(), release(store, &head).await?.sequence.get());
        kept.entry(channel).or_default().push(head);
    }
    for (channel, mut history) in histories {
        history.sort_unstable_by(|one, other| other.cmp(one));
        let head = in_force.get(&channel).copied().unwrap_or(0);
        let stay = history
            .into_iter()
            .enumerate()
            .filter(|(at, (sequence, _))| *at < keep || *sequence > head);
        kept.entry(channel)
            .or_default()
            .extend(stay.map(|(_, (_, key))| key));
    }
    Ok(kept)
}

/// Everything that these releases need: manifests, and the tarballs that they name.
async fn needed(
    store: &dyn ObjectStore,
    keys: impl Iterator<Item = &String>,
) -> Result<BTreeSet<Sha256>, CommandError> {
    let releases: Vec<Release> = stream::iter(keys)
        .map(|key| release(store, key))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let manifests: BTreeSet<Sha256> = releases
        .into_iter()
        .map(|release| release.manifest)
        .collect();
    let tarballs: Vec<Vec<Sha256>> = stream::iter(&manifests)
        .map(|digest| tarballs(store, digest))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(tarballs
        .into_iter()
        .flatten()
        .chain(manifests.iter().copied())
        .collect())
}

async fn release(store: &dyn ObjectStore, key: &str) -> Result<Release, CommandError> {
    let bytes = read(store, key, limits::ENVELOPE_LIMIT as u64).await?.bytes;
    let envelope = Envelope::parse(&bytes).map_err(|source| CommandError::Envelope {
        what: key.to_owned(),
        source,
    })?;
    Release::unverified(&envelope).map_err(|source| CommandError::Statement {
        what: key.to_owned(),
        source,
    })
}

async fn tarballs(store: &dyn ObjectStore, digest: &Sha256) -> Result<Vec<Sha256>, CommandError> {
    let key = key::blob(digest);
    let bytes = match read(store, &key, limits::MANIFEST_LIMIT as u64).await {
        Ok(object) => object.bytes,
        // Its blobs were collected by an earlier run that kept less.
        Err(error) if error.is_missing() => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let manifest =
        Manifest::parse(&bytes).map_err(|source| CommandError::Manifest { what: key, source })?;
    Ok(manifest
        .modules
        .iter()
        .map(|module| module.sha256)
        .collect())
}
