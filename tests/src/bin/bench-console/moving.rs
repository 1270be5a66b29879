//! Pages that are open while a rollout moves all shops: how long after the API server tells of a
//! change a person sees it. Each page does as its script does: it fetches itself again when the
//! stream names something that it shows, four times a second at most.

use crate::page::Browser;
use e2e::cluster::eventually;
use futures_util::{StreamExt as _, pin_mut};
use kube::{
    Client,
    api::{Api, ApiResource, DynamicObject, GroupVersionKind},
    runtime::{WatchStreamExt as _, watcher},
};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    io, panic,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How often the script of a page fetches it again, at most.
const EVERY: Duration = Duration::from_millis(250);

/// When the API server told of each shop with the release.
type Told = Arc<Mutex<BTreeMap<String, Instant>>>;
/// How each page came to show it.
type Shown = Arc<Mutex<BTreeMap<String, Steps>>>;

/// When a page heard of the change, fetched itself again, and had it.
#[derive(Debug, Clone, Copy)]
struct Steps {
    heard: Instant,
    asked: Instant,
    shown: Instant,
}

/// The times of all pages.
#[derive(Debug, Default)]
pub(crate) struct Times {
    /// From when the API server told of the change until the page showed it.
    pub(crate) whole: Vec<Duration>,
    /// Until the page heard of it: nothing, if something else had it fetched.
    pub(crate) heard: Vec<Duration>,
    /// How long the fetch took.
    pub(crate) fetch: Vec<Duration>,
}

/// How long until all pages are open.
const OPEN: Duration = Duration::from_mins(5);

/// Pages that are open, until this is dropped.
#[derive(Debug)]
pub(crate) struct Open {
    over: Arc<AtomicBool>,
    told: Told,
    shown: Shown,
    fetched: Arc<AtomicU64>,
    opened: Arc<AtomicU64>,
    shops: Vec<String>,
    /// Pages that are open.
    threads: Vec<JoinHandle<()>>,
}

impl Open {
    /// Opens the pages of these shops, and waits for this sequence on each.
    pub(crate) fn pages(browser: &Browser, shops: Vec<String>, sequence: u64) -> Self {
        let mut open = Self {
            over: Arc::default(),
            told: Told::default(),
            shown: Shown::default(),
            fetched: Arc::default(),
            opened: Arc::default(),
            shops,
            threads: Vec::new(),
        };
        let (told, over) = (Arc::clone(&open.told), Arc::clone(&open.over));
        thread::spawn(move || watch(sequence, &told, &over));
        for shop in &open.shops {
            let (browser, shop) = (browser.clone(), shop.clone());
            let (shown, fetched) = (Arc::clone(&open.shown), Arc::clone(&open.fetched));
            let (opened, over) = (Arc::clone(&open.opened), Arc::clone(&open.over));
            let thread = thread::spawn(move || {
                let page = Page {
                    browser,
                    shop,
                    sequence,
                };
                page.follow(&opened, &shown, &fetched, &over)
                    .unwrap_or_else(|error| panic!("the stream of a page: {error}"));
            });
            open.threads.push(thread);
        }
        eventually("all pages are open", OPEN, || {
            (open.opened.load(Relaxed) == open.shops.len() as u64).then_some(())
        });
        open
    }

    /// Whether all pages show it.
    pub(crate) fn all_show(&self) -> bool {
        self.shown.lock().len() == self.shops.len()
    }

    /// How often pages were fetched again.
    pub(crate) fn fetched(&self) -> u64 {
        self.fetched.load(Relaxed)
    }

    /// How long it took until the pages showed the change.
    pub(crate) fn times(&self) -> Times {
        let (told, shown) = (self.told.lock(), self.shown.lock());
        let mut times = Times::default();
        for shop in &self.shops {
            let (Some(told), Some(steps)) = (told.get(shop), shown.get(shop)) else {
                continue;
            };
            times
                .whole
                .push(steps.shown.saturating_duration_since(*told));
            times
                .heard
                .push(steps.heard.saturating_duration_since(*told));
            times.fetch.push(steps.shown - steps.asked);
        }
        times
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
        // They would otherwise ask a console that is gone.
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

struct Page {
    browser: Browser,
    shop: String,
    sequence: u64,
}

impl Page {
    fn follow(
        &self,
        opened: &AtomicU64,
        shown: &Shown,
        fetched: &AtomicU64,
        over: &AtomicBool,
    ) -> io::Result<()> {
        let path = format!("/shops/{}", self.shop);
        // The keys that its parts say.
        let page = self.browser.get(&path).body;
        let parts = page.split("data-live=\"").skip(1);
        let keys = parts.filter_map(|rest| rest.split('"').next());
        let keys: Vec<_> = keys.flat_map(str::split_whitespace).collect();
        let mut changes = self.browser.follow(&keys.join("&key="))?;
        opened.fetch_add(1, Relaxed);
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            let listener = scope.spawn(move || {
                while !over.load(Relaxed) {
                    match changes() {
                        Ok(_) => drop(tell.send(Instant::now())),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(_) if over.load(Relaxed) => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            });
            let mut last = Instant::now();
            while let Ok(heard) = told.recv() {
                thread::sleep(EVERY.saturating_sub(last.elapsed()));
                // However much has changed meanwhile, it is fetched once.
                told.try_iter().for_each(drop);
                last = Instant::now();
                let page = self.browser.part(&path, "shop").body;
                fetched.fetch_add(1, Relaxed);
                if page.contains(&format!("<strong>{}</strong> (", self.sequence)) {
                    let mut shown = shown.lock();
                    let steps = Steps {
                        heard,
                        asked: last,
                        shown: Instant::now(),
                    };
                    shown.entry(self.shop.clone()).or_insert(steps);
                }
            }
            listener
                .join()
                .unwrap_or_else(|panic| panic::resume_unwind(panic))
        })
    }
}

/// Notes when the API server tells of each shop with this sequence.
fn watch(sequence: u64, told: &Told, over: &AtomicBool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap_or_else(|error| panic!("{error}"));
    runtime.block_on(async {
        let client = Client::try_default()
            .await
            .unwrap_or_else(|error| panic!("the cluster's kubeconfig: {error}"));
        let kind = GroupVersionKind::gvk("longshore.dev", "v1alpha1", "Shop");
        let api = Api::<DynamicObject>::all_with(client, &ApiResource::from_gvk(&kind));
        let events = watcher(api, watcher::Config::default())
            .default_backoff()
            .applied_objects();
        pin_mut!(events);
        while let Some(event) = events.next().await
            && !over.load(Relaxed)
        {
            let Ok(shop) = event else { continue };
            if shop.data["status"]["release"]["sequence"] == sequence {
                let name = shop.metadata.name.unwrap_or_default();
                told.lock().entry(name).or_insert_with(Instant::now);
            }
        }
    });
}
