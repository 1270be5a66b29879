//! Making the tree of an accepted release.

use super::{
    Figures, PullError, blocking,
    buffer_pool::BufferPool,
    chunk_source::ChunkSource,
    disk_space::Estimate,
    download::ChunkIndex,
    engine::Run,
    manifest::manifest,
    plan::Budget,
    reuse::{Previous, Reused},
    timings::{Stages, Stopwatch, Work},
    unpack_pool::UnpackPool,
};
use crate::{
    cache::Cache,
    configuration::Filled,
    directories::{self, Making, outside},
    places::{PlaceError, Places},
    root::ReleaseRoot,
};
use release::{Manifest, RelativePath, Release, Sha256, Verified};
use std::{collections::BTreeSet, num::NonZeroUsize, path::Path, sync::Arc, thread};
use tarball::{Totals, Unpacker};
use tracing::{info, warn};

// A staged tree with what did not change, and what is still to come.
struct Begun {
    pool: UnpackPool,
    unpacker: Unpacker,
    reused: Reused,
    wanted: BTreeSet<ChunkIndex>,
}

impl Run<'_> {
    pub(super) async fn fresh(
        &self,
        root: ReleaseRoot,
        release: &Verified<Release>,
        cache: Option<&Arc<Cache>>,
    ) -> Result<(ReleaseRoot, Figures, Vec<RelativePath>), PullError> {
        let (mut watch, mut stages) = (Stopwatch::start(), Stages::default());
        let manifest = Arc::new(
            self.unless_halted(manifest(self.store.as_ref(), cache, release))
                .await?,
        );
        stages.manifest = watch.lap();
        // Before anything is downloaded: what the pod lacks it will lack at the end.
        let filled = self.filled(&release.manifest, &manifest.shared).await?;
        self.counters.expect(&manifest);
        let budget = Budget::new(
            self.settings.memory,
            thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        );

        let (halt, counters, digest) = (
            self.halt.child_token(),
            Arc::clone(&self.counters),
            release.manifest,
        );
        let (shared, own) = (Arc::clone(&manifest), cache.map(Arc::clone));
        let damaged = self.damaged.clone();
        let stage = move || {
            let repair = damaged.as_deref();
            begin(
                &root,
                (&digest, &outside(&shared)),
                &budget,
                repair,
                |staging, writer| UnpackPool::new(shared, staging, writer, counters, own, halt),
            )
            .map(|begun| (root, begun))
        };
        let (root, begun) = blocking(stage).await?;
        stages.reuse = watch.lap();

        let (pool, unpacker, work, reused) =
            self.transfer(begun, &budget, &manifest, cache).await?;
        stages.transfer = watch.lap();
        let warm = manifest
            .php
            .as_ref()
            .map(|php| php.warm.clone())
            .unwrap_or_default();
        let (places, again) = (self.settings.places.clone(), self.damaged.is_some());
        blocking(move || {
            let tree = Finished {
                pool,
                unpacker,
                digest,
                places,
                filled,
                again,
            };
            let figures = finish(&root, tree, &mut stages, &mut watch)?;
            let Reused { files, bytes, .. } = reused;
            Ok((
                root,
                Figures {
                    reused_files: files,
                    reused_bytes: bytes,
                    stages,
                    work,
                    ..figures
                },
                warm,
            ))
        })
        .await
    }

    /// Brings the chunks that are still to come, and unpacks them.
    async fn transfer(
        &self,
        begun: Begun,
        budget: &Budget,
        manifest: &Manifest,
        cache: Option<&Arc<Cache>>,
    ) -> Result<(UnpackPool, Unpacker, Work, Reused), PullError> {
        let Begun {
            pool,
            unpacker,
            reused,
            wanted,
        } = begun;
        let workers = budget.workers;
        let memory = BufferPool::new(budget.pieces);
        let (sender, receiver) = crossbeam_channel::bounded(memory.most_pieces());
        let (halt, claims) = (pool.halt.clone(), Arc::clone(&pool.claims));
        let work = blocking(move || {
            let done = pool.work(&unpacker, &receiver, workers);
            (pool, unpacker, done)
        });
        let network = async {
            let (store, parallel) = (self.store.as_ref(), budget.requests);
            let chunk_source = ChunkSource {
                store,
                manifest,
                cache,
                claims: &claims,
                buffers: &memory,
                parallel,
                workers: sender,
            };
            let result = halt
                .run_until_cancelled(chunk_source.run(wanted))
                .await
                .unwrap_or(Err(PullError::Interrupted));
            if result.is_err() {
                halt.cancel();
            }
            result
        };
        match tokio::join!(network, work) {
            (Ok(()), (pool, unpacker, Ok(work))) => Ok((pool, unpacker, work, reused)),
            // Whichever side failed told the other to stop, and that is not what went wrong.
            (Err(error), (pool, _, Err(PullError::Interrupted) | Ok(_)))
            | (_, (pool, _, Err(error))) => Err(discard(pool, error).await),
        }
    }

    async fn filled(
        &self,
        manifest: &Sha256,
        shared: &[RelativePath],
    ) -> Result<Filled, PlaceError> {
        let Some(configuration) = self.settings.places.configuration.clone() else {
            return Ok(Filled::default());
        };
        let (short, shared) = (manifest.short(), shared.to_vec());
        Ok(blocking(move || configuration.fill(&short, &shared)).await?)
    }
}

// Removing what was staged is disk work, too.
async fn discard(pool: UnpackPool, error: PullError) -> PullError {
    blocking(move || drop(pool)).await;
    error
}

fn begin(
    root: &ReleaseRoot,
    (digest, outside): (&Sha256, &[RelativePath]),
    budget: &Budget,
    damaged: Option<&BTreeSet<RelativePath>>,
    pool: impl FnOnce(crate::staging::Staging, crate::index::Writer) -> UnpackPool,
) -> Result<Begun, PullError> {
    for tree in root
        .prune()
        .inspect_err(|error| warn!(%error, "an old tree stays"))
        .unwrap_or_default()
    {
        info!(tree, "removed an old tree");
    }
    let (staging, writer) = root.stage(digest, outside)?;
    let pool = pool(staging, writer);
    if pool.manifest.case_sensitive && pool.staging.folds_case()? {
        return Err(PullError::CaseFolding {
            path: root.path().to_owned(),
        });
    }
    let unpacker = Unpacker::new(pool.staging.tree())?;
    let reused = match Previous::open(root) {
        Some(previous) => previous.link(&pool, &unpacker, damaged, budget.workers)?,
        None => Reused::default(),
    };
    let missing = |module: usize, chunk: usize| !reused.keys.contains(&pool.keys[module][chunk]);
    let wanted = check_space(root.path(), &pool, missing)?;
    Ok(Begun {
        pool,
        unpacker,
        reused,
        wanted,
    })
}

// The chunks that are still to come, once it is known that the disk has room for them.
fn check_space(
    path: &Path,
    pool: &UnpackPool,
    missing: impl Fn(usize, usize) -> bool,
) -> Result<BTreeSet<ChunkIndex>, PullError> {
    let (mut estimate, mut wanted) = (Estimate::default(), BTreeSet::new());
    for (module, contents) in pool.manifest.modules.iter().enumerate() {
        for (index, chunk) in contents.chunks.iter().enumerate() {
            if missing(module, index) {
                estimate.add(chunk);
                wanted.insert((module, index));
            } else {
                pool.counters.done(chunk);
            }
        }
    }
    estimate.check(path)?;
    if let Some(cache) = &pool.cache
        && !estimate.leaves_room_for_compressed(path, cache.path())
    {
        cache.spare_the_disk();
    }
    Ok(wanted)
}

// A staged tree that has all of its files.
struct Finished {
    pool: UnpackPool,
    unpacker: Unpacker,
    digest: Sha256,
    places: Places,
    filled: Filled,
    // It takes the place of the tree that is there.
    again: bool,
}

fn finish(
    root: &ReleaseRoot,
    tree: Finished,
    stages: &mut Stages,
    watch: &mut Stopwatch,
) -> Result<Figures, PullError> {
    let Finished {
        pool,
        unpacker,
        digest,
        places,
        filled,
        again,
    } = tree;
    let manifest = Arc::clone(&pool.manifest);
    let Totals { files, bytes, .. } = unpacker.finish(&manifest.required_directories())?;
    if (files, bytes) != (manifest.files, manifest.bytes) {
        let Manifest {
            files: signed_files,
            bytes: signed_bytes,
            ..
        } = *manifest;
        return Err(PullError::Totals {
            found_files: files,
            found_bytes: bytes,
            files: signed_files,
            bytes: signed_bytes,
        });
    }
    let (short, tree) = (digest.short(), pool.staging.tree());
    let making = Making {
        root: root.path(),
        tree,
        short: &short,
        manifest: &manifest,
        places: &places,
        filled: &filled,
        again,
    };
    making.make().map_err(PlaceError::from)?;
    stages.finish = watch.lap();
    let (cached_chunks, cached_bytes) = pool.counters.cached_so_far();
    let cache_damaged = pool.cache.as_ref().map_or(0, |cache| cache.damaged());
    let (staging, writer) = pool.into_staged();
    if again {
        // What the shop wrote on its own volume is there still.
        let written = if places.writable.is_some() {
            Vec::new()
        } else {
            directories::written(&manifest)
        };
        root.exchange(staging, writer, &digest, &written)?;
    } else {
        root.complete(staging, writer, &digest)?;
    }
    stages.durable = watch.lap();
    Ok(Figures {
        files,
        bytes,
        cached_chunks,
        cached_bytes,
        cache_damaged,
        ..Figures::default()
    })
}
