//! One kind of object, followed from its first list on.

use futures_util::{StreamExt as _, pin_mut};
use kube::{
    Api, Resource,
    runtime::{WatchStreamExt as _, watcher, watcher::Event},
};
use serde::de::DeserializeOwned;
use std::{fmt::Debug, mem, time::Duration};
use tokio::{sync::Semaphore, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long the list of one kind waits for that of another. One that takes longer waits for an
/// answer, and holds no memory.
const TURN: Duration = Duration::from_secs(20);
/// A watch that has failed and then says nothing for so long works again: another failure would
/// have come after 60 s (kube's longest pause, with jitter) and the 5 s that a connection may take.
const QUIET: Duration = Duration::from_secs(90);

/// What is followed.
#[derive(Debug)]
pub struct Watch<'a, K> {
    /// Its name in the log.
    pub what: &'static str,
    /// Where the API server has it.
    pub api: Api<K>,
    /// Which of it, and how much in one page of a list.
    pub config: watcher::Config,
    /// Shared by kinds that are listed one after the other. Lists are held until they are whole:
    /// all at once would be most of a process's memory, for ever.
    pub lists: Option<&'a Semaphore>,
}

/// What happened to the objects that are followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchEvent<T> {
    /// These exist, and no others. It comes first, and again if the API server no longer knows
    /// what has changed since (410 Gone).
    All(Vec<T>),
    /// One was created or changed.
    Applied(T),
    /// One was deleted; this was its last state.
    Deleted(T),
    /// Changes do not come at present. It is said once, and the watch is tried again.
    Broken,
    /// They come again.
    Mended,
}

/// Follows objects until `stop`, and gives each change to `take`. `keep` makes what is held of an
/// object as soon as it comes; without a result, the object is ignored.
///
/// The API server's failures do not end it: it logs them, waits, and continues.
pub async fn follow<K, T>(
    watch: Watch<'_, K>,
    stop: &CancellationToken,
    keep: impl Fn(K) -> Option<T>,
    mut take: impl FnMut(WatchEvent<T>),
) where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let what = watch.what;
    let stream = watcher(watch.api, watch.config).default_backoff();
    pin_mut!(stream);
    let mut listed = Vec::new();
    let mut listing = true;
    let mut turn = None;
    let mut broken = false;
    loop {
        let wait = if broken && !listing {
            QUIET
        } else {
            Duration::MAX
        };
        let event = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            event = timeout(wait, stream.next()) => event,
        };
        let event = match event {
            Ok(Some(event)) => event,
            Ok(None) => return,
            Err(_) => {
                broken = false;
                take(WatchEvent::Mended);
                continue;
            }
        };
        if !matches!(event, Ok(Event::InitApply(_))) {
            drop(turn.take());
        }
        if broken
            && matches!(
                event,
                Ok(Event::InitDone | Event::Apply(_) | Event::Delete(_))
            )
        {
            broken = false;
            take(WatchEvent::Mended);
        }
        let change = match event {
            Err(error) => {
                warn!(what, error = %runtime::Chain(&error), "watch broken");
                (!mem::replace(&mut broken, true)).then_some(WatchEvent::Broken)
            }
            Ok(Event::Init) => {
                listing = true;
                listed.clear();
                if let Some(lists) = watch.lists {
                    turn = timeout(TURN, lists.acquire()).await.ok();
                }
                None
            }
            Ok(Event::InitApply(object)) => {
                listed.extend(keep(object));
                None
            }
            Ok(Event::InitDone) => {
                info!(what, objects = listed.len(), "listed");
                listing = false;
                Some(WatchEvent::All(mem::take(&mut listed)))
            }
            Ok(Event::Apply(object)) => keep(object).map(WatchEvent::Applied),
            Ok(Event::Delete(object)) => keep(object).map(WatchEvent::Deleted),
        };
        change.into_iter().for_each(&mut take);
    }
}

#[cfg(test)]
mod tests;
