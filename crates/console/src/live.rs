//! What changed, for pages that are open: a stream of names (server-sent events). A page fetches
//! again what it shows of them. After a connection that broke it fetches everything again, since
//! nobody knows what it missed. A stream names nothing that its person does not see, and ends with
//! the session.

use crate::{
    desk::Desk,
    page::Asked,
    person::Person,
    registry::{Key, Registry},
    session::Session,
    view::View,
};
use axum::{
    extract::{RawQuery, State},
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::stream::{self, Stream};
use jiff::Timestamp;
use std::{
    collections::{BTreeSet, VecDeque},
    convert::Infallible,
    mem,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// How long changes are gathered: the scheduler writes a Shop's status, and then the next part of
/// it.
const GATHER: Duration = Duration::from_millis(100);
/// Keys that a page may have.
const KEYS: usize = 200;

/// What a page wants to hear of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Wanted {
    keys: BTreeSet<Key>,
    all_shops: bool,
    all_rollouts: bool,
}

impl Wanted {
    /// `key=shop/acme&key=rollouts`.
    fn read(query: &str) -> Self {
        let keys = query
            .split('&')
            .filter_map(|pair| pair.strip_prefix("key="));
        let mut wanted = Self::default();
        for key in keys.take(KEYS).map(|key| key.replace("%2F", "/")) {
            match key.split_once('/').unwrap_or((&key, "")) {
                ("shops", _) => wanted.all_shops = true,
                ("rollouts", _) => wanted.all_rollouts = true,
                ("releases", _) => drop(wanted.keys.insert(Key::Releases)),
                ("shop", name) => drop(wanted.keys.insert(Key::Shop(name.into()))),
                ("rollout", name) => drop(wanted.keys.insert(Key::Rollout(name.into()))),
                ("channel", name) => drop(wanted.keys.insert(Key::Channel(name.into()))),
                _ => {}
            }
        }
        wanted
    }

    fn has(&self, key: &Key) -> bool {
        match key {
            Key::All | Key::Halt => true,
            Key::Shop(_) if self.all_shops => true,
            Key::Rollout(_) if self.all_rollouts => true,
            _ => self.keys.contains(key),
        }
    }
}

/// The stream of one page.
pub(crate) async fn live(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    RawQuery(query): RawQuery,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let wanted = Wanted::read(query.as_deref().unwrap_or_default());
    let until = asked.session.as_ref().map(left);
    let names = names(
        Arc::clone(&desk.registry),
        wanted,
        asked.person,
        desk.stop.clone(),
    );
    let ends = async move {
        match until {
            Some(left) => sleep(left).await,
            None => std::future::pending().await,
        }
    };
    let open = desk.figures.page_opens();
    let events = futures_util::StreamExt::map(names, move |name| {
        let _counted = &open;
        Ok(Event::default().event("changed").data(name))
    });
    let events = futures_util::StreamExt::take_until(events, ends);
    Sse::new(events).keep_alive(KeepAlive::default())
}

/// How long a session still lasts.
fn left(session: &Session) -> Duration {
    let left = session.until.duration_since(Timestamp::now());
    left.unsigned_abs()
}

fn names(
    registry: Arc<Registry>,
    wanted: Wanted,
    person: Person,
    stop: CancellationToken,
) -> impl Stream<Item = String> {
    let (changes, mut lately) = registry.changes();
    lately.retain(|key| wanted.has(key));
    let begin = (changes, lately, VecDeque::new());
    stream::unfold(begin, move |(mut changes, mut lately, mut waiting)| {
        let (wanted, stop, person) = (wanted.clone(), stop.clone(), person.clone());
        let registry = Arc::clone(&registry);
        async move {
            while waiting.is_empty() {
                let found = if lately.is_empty() {
                    let found = stop.run_until_cancelled(gather(&mut changes, &wanted));
                    found.await??
                } else {
                    mem::take(&mut lately)
                };
                // Nothing is told while nobody can say what the person sees: the page comes back.
                let view = person.view().await.ok()?;
                let seen = found.into_iter().filter(|key| sees(&view, &registry, key));
                waiting = seen.map(|key| key.to_string()).collect();
            }
            let next = waiting.pop_front()?;
            Some((next, (changes, lately, waiting)))
        }
    })
}

fn sees(view: &View, registry: &Registry, key: &Key) -> bool {
    match key {
        Key::Shop(name) => view.sees_shop(name),
        Key::Rollout(name) => {
            let known = registry.read();
            let rollout = known.fleet.rollouts.get(&**name);
            view.is_all() || rollout.is_some_and(|rollout| view.sees_rollout(name, rollout))
        }
        Key::Channel(channel) => {
            let known = registry.read();
            let mut shops = known.fleet.shops.iter();
            let own = |(name, shop): (&String, &api::Shop)| {
                shop.spec.channel == **channel && view.sees_shop(name)
            };
            view.is_all() || shops.any(own)
        }
        Key::Releases | Key::Halt | Key::All => true,
    }
}

/// What changes until [`GATHER`] after the first change that is wanted; nothing if no more will.
async fn gather(changes: &mut Receiver<Key>, wanted: &Wanted) -> Option<BTreeSet<Key>> {
    let mut found = BTreeSet::new();
    let mut until = None;
    loop {
        let over = async {
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let key = tokio::select! {
            change = changes.recv() => match change {
                Ok(key) if wanted.has(&key) => key,
                Ok(_) => continue,
                Err(RecvError::Lagged(_)) => Key::All,
                Err(RecvError::Closed) => return None,
            },
            () = over => return Some(found),
        };
        found.insert(key);
        until.get_or_insert_with(|| Instant::now() + GATHER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::fixtures;
    use futures_util::StreamExt as _;
    use serde_json::json;

    #[test]
    fn a_page_hears_of_what_it_shows() {
        let wanted = Wanted::read("key=shop%2Facme&key=rollouts&other=1");
        let hears = |key: &Key| wanted.has(key);
        assert!(hears(&Key::Shop("acme".into())) && hears(&Key::Rollout("r".into())));
        assert!(hears(&Key::All) && hears(&Key::Halt));
        assert!(!hears(&Key::Shop("acme-2".into())) && !hears(&Key::Releases));
        let wanted = Wanted::read("key=channel%2Fshops%2Facme");
        assert!(wanted.has(&Key::Channel("shops/acme".into())));
        assert!(!wanted.has(&Key::Rollout("r".into())));
    }

    fn heard(
        registry: &Arc<Registry>,
        query: &str,
        view: View,
        stop: &CancellationToken,
    ) -> impl Stream<Item = String> + Unpin {
        let (registry, person) = (Arc::clone(registry), Person::seeing(view));
        Box::pin(names(registry, Wanted::read(query), person, stop.clone()))
    }

    #[tokio::test(start_paused = true)]
    async fn many_changes_of_one_shop_are_told_once() {
        let (registry, stop) = (Arc::default(), CancellationToken::new());
        let mut names = heard(&registry, "key=shop/acme", View::ALL, &stop);
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
    async fn a_change_is_told_soon_while_all_others_change_too() {
        let (registry, stop) = (Arc::<Registry>::default(), CancellationToken::new());
        let mut names = heard(&registry, "key=shop/acme", View::ALL, &stop);
        let others = async {
            loop {
                registry.applied(fixtures::shop("other", json!({})));
                registry.applied(fixtures::shop("acme", json!({})));
                sleep(GATHER / 4).await;
            }
        };
        let told = async {
            let begin = Instant::now();
            assert_eq!(names.next().await.as_deref(), Some("shop/acme"));
            begin.elapsed()
        };
        let took = tokio::select! {
            took = told => took,
            () = others => unreachable!(),
        };
        assert!(took < 2 * GATHER, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_while_a_page_opens_is_told_and_an_older_one_is_not() {
        let (registry, stop) = (Arc::<Registry>::default(), CancellationToken::new());
        registry.applied(fixtures::shop("old", json!({})));
        sleep(Duration::from_secs(30)).await;
        registry.applied(fixtures::shop("acme", json!({})));
        let query = "key=shop/acme&key=shop/old";
        let mut names = heard(&registry, query, View::ALL, &stop);
        assert_eq!(names.next().await.as_deref(), Some("shop/acme"));
        registry.applied(fixtures::shop("old", json!({})));
        assert_eq!(names.next().await.as_deref(), Some("shop/old"));
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_too_slowly_is_told_that_all_may_have_changed() {
        let (registry, stop) = (Arc::default(), CancellationToken::new());
        let mut names = heard(&registry, "", View::ALL, &stop);
        for number in 0..5000 {
            registry.applied(fixtures::shop(&format!("s{number}"), json!({})));
        }
        assert_eq!(names.next().await.as_deref(), Some("all"));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_hears_of_a_shop_or_a_rollout_of_others() {
        let (registry, stop) = (Arc::default(), CancellationToken::new());
        let mut names = heard(
            &registry,
            "key=shops&key=rollouts",
            View::of_shop("acme"),
            &stop,
        );
        for shop in ["other", "acme"] {
            let mut spec = operations::rollout::defaults("shops-acme-3");
            spec.shops = vec![shop.to_owned()];
            registry.applied(api::Rollout::new(&format!("of-{shop}"), spec));
            registry.applied(fixtures::shop(shop, json!({})));
        }
        let all = operations::rollout::defaults("shops-acme-3");
        registry.applied(api::Rollout::new("of-all", all));
        let heard = [names.next().await, names.next().await].map(Option::unwrap);
        assert_eq!(heard, ["shop/acme", "rollout/of-acme"]);
        stop.cancel();
        assert_eq!(names.next().await, None);
    }
}
