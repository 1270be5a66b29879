//! What is known of the cluster: Shops, classes, Releases, Rollouts and the halt, as the API server
//! last said it.

use api::{Fleet, Release, ResolvedRelease, Rollout, Shop, ShopClass};
use jiff::Timestamp;
use operations::halt::Halt;
use parking_lot::{RwLock, RwLockReadGuard};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};
use tokio::sync::broadcast;

/// Changes that wait for a page that reads slowly. One that misses some is fetched again whole.
const QUEUE: usize = 1024;
/// What is followed: all of it has to be listed once before a page shows anything.
pub(crate) const FOLLOWED: [&str; 4] = ["shops", "shopclasses", "releases", "rollouts"];

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// A Shop.
    Shop(Arc<str>),
    /// A Rollout.
    Rollout(Arc<str>),
    /// Some Release.
    Releases,
    /// The halt.
    Halt,
    /// Perhaps everything.
    All,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shop(name) => write!(f, "shop/{name}"),
            Self::Rollout(name) => write!(f, "rollout/{name}"),
            Self::Releases => f.write_str("releases"),
            Self::Halt => f.write_str("halt"),
            Self::All => f.write_str("all"),
        }
    }
}

/// What is known.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// What can be used.
    pub(crate) fleet: Fleet,
    /// Releases that cannot be read: why, by their name.
    pub(crate) unreadable: BTreeMap<String, String>,
    /// When each Release was stored.
    pub(crate) stored: BTreeMap<String, Timestamp>,
    /// The halt, if there is one.
    pub(crate) halt: Option<Halt>,
    /// Why the halt is not known, if it is not.
    pub(crate) halt_unknown: Option<String>,
    /// Names of rollouts that are taken, and not shown.
    hidden: BTreeSet<String>,
    listed: BTreeSet<&'static str>,
    /// Kinds whose changes do not come at present.
    pub(crate) broken: BTreeSet<&'static str>,
}

impl Known {
    /// Whether everything was read once.
    pub(crate) fn is_listed(&self) -> bool {
        self.listed.len() == FOLLOWED.len()
    }

    /// Whether a rollout has this name.
    pub(crate) fn is_taken(&self, name: &str) -> bool {
        self.fleet.rollouts.contains_key(name) || self.hidden.contains(name)
    }

    /// The Release of this name.
    pub(crate) fn release(&self, name: &str) -> Option<&ResolvedRelease> {
        let mut all = self.fleet.releases.values().flat_map(BTreeMap::values);
        all.find(|release| release.name == name)
    }

    /// The same of a part of the fleet.
    pub(crate) fn with(&self, fleet: Fleet, halt: Option<Halt>) -> Self {
        let releases = fleet.releases.values().flat_map(BTreeMap::values);
        let stored = releases.filter_map(|release| {
            let at = self.stored.get(&release.name)?;
            Some((release.name.clone(), *at))
        });
        Self {
            stored: stored.collect(),
            // Their channel is not known, and so whose they are.
            unreadable: BTreeMap::new(),
            halt,
            halt_unknown: self.halt_unknown.clone(),
            hidden: self.fleet.rollouts.keys().cloned().collect(),
            listed: self.listed.clone(),
            broken: self.broken.clone(),
            fleet,
        }
    }

    fn keep_release(&mut self, release: &Release) {
        let name = release.metadata.name.clone().unwrap_or_default();
        self.forget_release(&name);
        if let Some(at) = &release.metadata.creation_timestamp {
            self.stored.insert(name.clone(), at.0);
        }
        match ResolvedRelease::read(release) {
            Ok(read) => {
                let channel = self.fleet.releases.entry(read.channel.clone()).or_default();
                channel.insert(read.sequence.get(), read);
            }
            Err(error) => {
                let why = runtime::Chain(&error).to_string();
                self.unreadable.insert(name, why);
            }
        }
    }

    fn forget_release(&mut self, name: &str) {
        self.stored.remove(name);
        self.unreadable.remove(name);
        for channel in self.fleet.releases.values_mut() {
            channel.retain(|_, release| release.name != name);
        }
    }
}

/// What is known, and who is told of changes.
#[derive(Debug)]
pub(crate) struct Registry {
    known: RwLock<Known>,
    changes: broadcast::Sender<Key>,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            known: RwLock::default(),
            changes: broadcast::Sender::new(QUEUE),
        }
    }
}

impl Registry {
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read()
    }

    /// What changes from now on.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Key> {
        self.changes.subscribe()
    }

    fn tell(&self, key: Key) {
        // Nobody may have a page open.
        self.changes.send(key).ok();
    }

    /// Notes that changes of a kind do not come, or come again.
    pub(crate) fn broken(&self, what: &'static str, broken: bool) {
        let mut known = self.known.write();
        if broken {
            known.broken.insert(what);
        } else {
            known.broken.remove(what);
        }
        drop(known);
        self.tell(Key::All);
    }

    /// Takes in what the API server says of the halt.
    pub(crate) fn halt(&self, read: Result<Option<Halt>, String>) {
        let mut known = self.known.write();
        let before = (known.halt.clone(), known.halt_unknown.clone());
        match read {
            Ok(halt) => (known.halt, known.halt_unknown) = (halt, None),
            Err(why) => known.halt_unknown = Some(why),
        }
        let changed = before != (known.halt.clone(), known.halt_unknown.clone());
        drop(known);
        if changed {
            self.tell(Key::Halt);
        }
    }
}

/// A kind that is kept.
pub(crate) trait Kept: Sized {
    /// Its name in the log.
    const WHAT: &'static str;

    /// Its name.
    fn name(&self) -> &str;

    /// Forgets all of them.
    fn clear(known: &mut Known);

    /// Takes one in.
    fn keep(self, known: &mut Known);

    /// Forgets one.
    fn forget(known: &mut Known, name: &str);

    /// What a change of one is called.
    fn key(name: &str) -> Key;
}

impl Registry {
    /// Takes in all that there are.
    pub(crate) fn all<K: Kept>(&self, all: Vec<K>) {
        let mut known = self.known.write();
        K::clear(&mut known);
        for one in all {
            one.keep(&mut known);
        }
        known.listed.insert(K::WHAT);
        drop(known);
        self.tell(Key::All);
    }

    /// Takes one in.
    pub(crate) fn applied<K: Kept>(&self, one: K) {
        let key = K::key(one.name());
        one.keep(&mut self.known.write());
        self.tell(key);
    }

    /// Forgets one.
    pub(crate) fn deleted<K: Kept>(&self, one: &K) {
        K::forget(&mut self.known.write(), one.name());
        self.tell(K::key(one.name()));
    }
}

macro_rules! kept {
    ($kind:ty, $what:literal, $field:ident, $key:expr) => {
        impl Kept for $kind {
            const WHAT: &'static str = $what;

            fn name(&self) -> &str {
                self.metadata.name.as_deref().unwrap_or_default()
            }

            fn clear(known: &mut Known) {
                known.fleet.$field.clear();
            }

            fn keep(self, known: &mut Known) {
                known.fleet.$field.insert(self.name().to_owned(), self);
            }

            fn forget(known: &mut Known, name: &str) {
                known.fleet.$field.remove(name);
            }

            fn key(name: &str) -> Key {
                $key(name)
            }
        }
    };
}

kept!(Shop, "shops", shops, |name: &str| Key::Shop(name.into()));
kept!(Rollout, "rollouts", rollouts, |name: &str| Key::Rollout(
    name.into()
));
// A class may change what is said of each of its shops.
kept!(ShopClass, "shopclasses", classes, |_: &str| Key::All);

impl Kept for Release {
    const WHAT: &'static str = "releases";

    fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    fn clear(known: &mut Known) {
        known.fleet.releases.clear();
        known.unreadable.clear();
        known.stored.clear();
    }

    fn keep(self, known: &mut Known) {
        known.keep_release(&self);
    }

    fn forget(known: &mut Known, name: &str) {
        known.forget_release(name);
    }

    fn key(_: &str) -> Key {
        Key::Releases
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::fixtures;
    use serde_json::json;

    #[test]
    fn a_page_hears_of_each_change_and_of_nothing_else() {
        let registry = Registry::default();
        let mut changes = registry.changes();
        registry.applied(fixtures::shop("acme", json!({})));
        registry.halt(Ok(None));
        registry.deleted(&fixtures::shop("acme", json!({})));
        let halt = Halt {
            by: "anna".to_owned(),
            at: "2026-12-01T10:00:00Z".to_owned(),
            why: "checkout fails".to_owned(),
        };
        registry.halt(Ok(Some(halt)));
        let heard: Vec<_> = std::iter::from_fn(|| changes.try_recv().ok())
            .map(|key| key.to_string())
            .collect();
        assert_eq!(heard, ["shop/acme", "shop/acme", "halt"]);
        assert!(registry.read().fleet.shops.is_empty());
    }

    #[test]
    fn what_was_known_of_the_halt_stays_while_nobody_can_say() {
        let registry = Registry::default();
        let halt = Halt {
            by: "anna".to_owned(),
            at: String::new(),
            why: String::new(),
        };
        registry.halt(Ok(Some(halt.clone())));
        registry.halt(Err("forbidden".to_owned()));
        let known = registry.read();
        assert_eq!(known.halt.as_ref(), Some(&halt));
        assert_eq!(known.halt_unknown.as_deref(), Some("forbidden"));
    }

    #[test]
    fn a_release_that_cannot_be_read_is_named_until_it_is_gone() {
        let spec = json!({ "channel": "shops/acme", "sequence": 1, "envelope": "{}" });
        let release = Release::new("shops-acme-1", serde_json::from_value(spec).unwrap());
        let registry = Registry::default();
        registry.applied(release.clone());
        assert!(registry.read().unreadable["shops-acme-1"].contains("spec.envelope"));
        registry.deleted(&release);
        assert!(registry.read().unreadable.is_empty());
    }
}
