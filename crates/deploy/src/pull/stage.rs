//! Making the tree of an accepted release.

use super::{
    Figures, PullError, Run, blocking,
    crew::{Crew, Times},
    download,
    offer::whole,
    plan::{self, Budget, Part},
    reuse::{Previous, Reused},
    room::Room,
    space::Need,
};
use crate::{directories, layout::KEPT, root::ReleaseRoot};
use release::{Manifest, Release, Sha256, Verified, key, limits};
use std::{num::NonZeroUsize, path::Path, sync::Arc, thread};
use tarball::{Totals, Unpacker};
use tracing::{info, warn};

// A staged tree with what did not change, and what is still to come.
struct Begun {
    crew: Crew,
    unpacker: Unpacker,
    reused: Reused,
    parts: Vec<Part>,
}

impl Run<'_> {
    pub(super) async fn fresh(&self, root: ReleaseRoot, release: &Verified<Release>) -> Result<(ReleaseRoot, Figures), PullError> {
        let bytes = self.unless_halted(async {
            let size = usize::try_from(release.manifest_size).unwrap_or(usize::MAX).min(limits::MANIFEST_LIMIT);
            Ok(whole(self.store.as_ref(), &key::blob(&release.manifest), size).await?)
        });
        let manifest = Arc::new(release.read_manifest(&bytes.await?)?);
        self.counters.expect(&manifest);
        let budget = Budget::of(self.settings.memory, thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));

        let (halt, counters, digest) = (self.halt.child_token(), Arc::clone(&self.counters), release.manifest);
        let shared = Arc::clone(&manifest);
        let begin = move || {
            begin(&root, &digest, &budget, |staging, writer| Crew::new(shared, staging, writer, counters, halt)).map(|begun| (root, begun))
        };
        let (root, Begun { crew, unpacker, reused, parts }) = blocking(begin).await?;

        let memory = Room::new(budget.parts, budget.part);
        let (sender, receiver) = crossbeam_channel::bounded(memory.most_parts());
        let halt = crew.halt.clone();
        let work = blocking(move || {
            let times = crew.work(&unpacker, &receiver, budget.workers);
            (crew, unpacker, times)
        });
        let network = async {
            let download = download::download(self.store.as_ref(), &manifest, parts, &memory, sender);
            let result = halt.run_until_cancelled(download).await.unwrap_or(Err(PullError::Interrupted));
            if result.is_err() {
                halt.cancel();
            }
            result
        };
        let (crew, unpacker, times) = match tokio::join!(network, work) {
            (Ok(()), (crew, unpacker, Ok(times))) => (crew, unpacker, times),
            // Whichever side failed told the other to stop, and that is not what went wrong.
            (Err(error), (crew, _, Err(PullError::Interrupted) | Ok(_))) | (_, (crew, _, Err(error))) => {
                return Err(discard(crew, error).await);
            }
        };
        blocking(move || finish(&root, crew, unpacker, &reused, &digest, times).map(|figures| (root, figures))).await
    }
}

// Removing what was staged is disk work, too.
async fn discard(crew: Crew, error: PullError) -> PullError {
    blocking(move || drop(crew)).await;
    error
}

fn begin(
    root: &ReleaseRoot,
    digest: &Sha256,
    budget: &Budget,
    crew: impl FnOnce(crate::staging::Staging, crate::index::Writer) -> Crew,
) -> Result<Begun, PullError> {
    for tree in root.prune().inspect_err(|error| warn!(%error, "an old tree stays")).unwrap_or_default() {
        info!(tree, "removed an old tree");
    }
    let (staging, writer) = root.stage(digest)?;
    let crew = crew(staging, writer);
    let unpacker = Unpacker::new(crew.staging.tree())?;
    let reused = match Previous::of(root) {
        Some(previous) => previous.link(&crew, &unpacker, budget.workers)?,
        None => Reused::default(),
    };
    let missing = |module: usize, chunk: usize| !reused.keys.contains(&crew.keys[module][chunk]);
    let parts = plan::parts(&crew.manifest, budget.part, missing);
    check_space(root.path(), &crew.manifest, &crew, missing)?;
    Ok(Begun { crew, unpacker, reused, parts })
}

fn check_space(path: &Path, manifest: &Manifest, crew: &Crew, missing: impl Fn(usize, usize) -> bool) -> Result<(), PullError> {
    let mut need = Need::default();
    for (module, contents) in manifest.modules.iter().enumerate() {
        for (index, chunk) in contents.chunks.iter().enumerate() {
            if missing(module, index) {
                need.add(chunk);
            } else {
                crew.counters.done(chunk);
            }
        }
    }
    need.check(path)
}

fn finish(
    root: &ReleaseRoot,
    crew: Crew,
    unpacker: Unpacker,
    reused: &Reused,
    digest: &Sha256,
    times: Times,
) -> Result<Figures, PullError> {
    let Totals { files, bytes, .. } = unpacker.finish()?;
    let manifest = Arc::clone(&crew.manifest);
    if (files, bytes) != (manifest.files, manifest.bytes) {
        let Manifest { files: signed_files, bytes: signed_bytes, .. } = *manifest;
        return Err(PullError::Totals { found_files: files, found_bytes: bytes, files: signed_files, bytes: signed_bytes });
    }
    directories::make(root.path(), &root.path().join(KEPT), crew.staging.tree(), &manifest)?;
    let (staging, writer) = crew.into_staged();
    root.complete(staging, writer, digest)?;
    let (verify, write) = (times.verify, times.write);
    Ok(Figures { files, bytes, reused_files: reused.files, reused_bytes: reused.bytes, verify, write, ..Figures::default() })
}
