//! What changed, for pages that are open: a stream of names (server-sent events). A page fetches
//! again what it shows of them. After a connection that broke it fetches everything again, since
//! nobody knows what it missed.

use crate::{
    desk::Desk,
    registry::{Key, Registry},
};
use axum::{
    extract::{RawQuery, State},
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::stream::{self, Stream};
use std::{
    collections::{BTreeSet, VecDeque},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::sleep,
};

/// How long changes are gathered: a rollout changes a Shop several times a second.
const GATHER: Duration = Duration::from_millis(300);
/// Keys that a page may have.
const KEYS: usize = 200;

/// What a page wants to hear of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Wanted(BTreeSet<String>);

impl Wanted {
    /// `key=shop/acme&key=rollouts`.
    fn read(query: &str) -> Self {
        let keys = query
            .split('&')
            .filter_map(|pair| pair.strip_prefix("key="));
        Self(keys.take(KEYS).map(|key| key.replace("%2F", "/")).collect())
    }

    fn has(&self, key: &Key) -> bool {
        match key {
            Key::All | Key::Halt => true,
            Key::Shop(_) => self.0.contains("shops") || self.0.contains(&key.to_string()),
            Key::Rollout(_) => self.0.contains("rollouts") || self.0.contains(&key.to_string()),
            Key::Releases => self.0.contains("releases"),
        }
    }
}

/// The stream of one page.
pub(crate) async fn live(
    State(desk): State<Arc<Desk>>,
    RawQuery(query): RawQuery,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let wanted = Wanted::read(query.as_deref().unwrap_or_default());
    let names = names(&desk.registry, wanted, desk.stop.clone());
    let open = desk.figures.page_opens();
    let events = futures_util::StreamExt::map(names, move |name| {
        let _counted = &open;
        Ok(Event::default().event("changed").data(name))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

fn names(
    registry: &Registry,
    wanted: Wanted,
    stop: tokio_util::sync::CancellationToken,
) -> impl Stream<Item = String> + use<> {
    let begin = (registry.changes(), VecDeque::new());
    stream::unfold(begin, move |(mut changes, mut waiting)| {
        let (wanted, stop) = (wanted.clone(), stop.clone());
        async move {
            while waiting.is_empty() {
                waiting = stop
                    .run_until_cancelled(gather(&mut changes, &wanted))
                    .await??;
            }
            let next = waiting.pop_front()?;
            Some((next, (changes, waiting)))
        }
    })
}

/// What changes until [`GATHER`] after the first change that is wanted; nothing if no more will.
async fn gather(changes: &mut Receiver<Key>, wanted: &Wanted) -> Option<VecDeque<String>> {
    let mut found = BTreeSet::new();
    loop {
        let more = async {
            if found.is_empty() {
                std::future::pending::<()>().await;
            }
            sleep(GATHER).await;
        };
        tokio::select! {
            change = changes.recv() => match change {
                Ok(key) if wanted.has(&key) => { found.insert(key); }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => { found.insert(Key::All); }
                Err(RecvError::Closed) => return None,
            },
            () = more => {
                return Some(found.iter().map(ToString::to_string).collect());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::fixtures;
    use futures_util::StreamExt as _;
    use serde_json::json;
    use tokio_util::sync::CancellationToken;

    #[test]
    fn a_page_hears_of_what_it_shows() {
        let wanted = Wanted::read("key=shop%2Facme&key=rollouts&other=1");
        let hears = |key: &Key| wanted.has(key);
        assert!(hears(&Key::Shop("acme".into())) && hears(&Key::Rollout("r".into())));
        assert!(hears(&Key::All) && hears(&Key::Halt));
        assert!(!hears(&Key::Shop("acme-2".into())) && !hears(&Key::Releases));
    }

    #[tokio::test(start_paused = true)]
    async fn many_changes_of_one_shop_are_told_once() {
        let registry = Registry::default();
        let stop = CancellationToken::new();
        let names = names(&registry, Wanted::read("key=shop/acme"), stop.clone());
        tokio::pin!(names);
        for _ in 0..10 {
            registry.applied(fixtures::shop("acme", json!({})));
            registry.applied(fixtures::shop("other", json!({})));
        }
        assert_eq!(names.next().await.as_deref(), Some("shop/acme"));
        registry.applied(fixtures::shop("acme", json!({})));
        assert_eq!(names.next().await.as_deref(), Some("shop/acme"));
        stop.cancel();
        assert_eq!(names.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_too_slowly_is_told_that_all_may_have_changed() {
        let registry = Registry::default();
        let names = names(&registry, Wanted::default(), CancellationToken::new());
        tokio::pin!(names);
        for number in 0..5000 {
            registry.applied(fixtures::shop(&format!("s{number}"), json!({})));
        }
        assert_eq!(names.next().await.as_deref(), Some("all"));
    }
}
