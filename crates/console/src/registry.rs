//! What is known of the cluster: Shops, classes, Releases, Rollouts and the halt, as the API server
//! last said it.

mod kept;

pub(crate) use kept::Kept;

use api::{Fleet, Release, ResolvedRelease, Rollout, claims::Claims};
use jiff::Timestamp;
use operations::halt::Halt;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use release::ChannelName;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    sync::Arc,
    time::Duration,
};
use tokio::{sync::broadcast, time::Instant};

/// Changes that wait for a page that reads slowly. One that misses some is fetched again whole.
const QUEUE: usize = 1024;
/// How long a page may take from when it is made until its browser listens.
const OPENS: Duration = Duration::from_secs(10);
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
    /// What pages of this channel's shops show besides the shop: its Releases, and which rollouts
    /// move shops; how far those are is only on their own pages.
    Channel(Arc<str>),
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
            Self::Channel(name) => write!(f, "channel/{name}"),
            Self::Halt => f.write_str("halt"),
            Self::All => f.write_str("all"),
        }
    }
}

/// Where a Release is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    channel: ChannelName,
    sequence: u64,
    /// When it was stored.
    at: Option<Timestamp>,
}

impl Stored {
    pub(crate) fn new(release: &ResolvedRelease, at: Option<Timestamp>) -> Self {
        Self {
            channel: release.channel.clone(),
            sequence: release.sequence.get(),
            at,
        }
    }
}

/// What is known.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// What can be used. Releases are without their envelopes, which only plans need: those read
    /// the few that they render.
    pub(crate) fleet: Fleet,
    /// What its shops claim.
    pub(crate) claims: Arc<Claims>,
    /// Releases that cannot be read: why, by their name.
    pub(crate) unreadable: BTreeMap<String, String>,
    /// Releases by their name.
    pub(crate) stored: BTreeMap<String, Stored>,
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
        let place = self.stored.get(name)?;
        let release = self
            .fleet
            .releases
            .get(&place.channel)?
            .get(&place.sequence)?;
        Some(release).filter(|release| release.name == name)
    }

    /// When the Release of this name was stored.
    pub(crate) fn stored_at(&self, name: &str) -> Option<Timestamp> {
        self.stored.get(name)?.at
    }

    /// What changes for pages of shops by a change of this rollout.
    fn channel_of(&self, rollout: &Rollout) -> Option<Key> {
        let release = self.release(&rollout.spec.release)?;
        Some(Key::Channel(release.channel.as_str().into()))
    }

    /// The same of a part of the fleet.
    pub(crate) fn with(&self, fleet: Fleet, halt: Option<Halt>) -> Self {
        let releases = fleet.releases.values().flat_map(BTreeMap::values);
        let stored = releases.filter_map(|release| {
            let place = self.stored.get(&release.name)?;
            Some((release.name.clone(), place.clone()))
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
            claims: Arc::new(Claims::new(&fleet)),
            fleet,
        }
    }

    fn keep_release(&mut self, release: &Release) {
        let name = release.metadata.name.clone().unwrap_or_default();
        self.forget_release(&name);
        match ResolvedRelease::read(release) {
            Ok(mut read) => {
                read.envelope = String::new();
                let at = release.metadata.creation_timestamp.as_ref();
                let place = Stored::new(&read, at.map(|at| at.0));
                self.stored.insert(name, place);
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
        self.unreadable.remove(name);
        let Some(place) = self.stored.remove(name) else {
            return;
        };
        if let Some(channel) = self.fleet.releases.get_mut(&place.channel) {
            channel.retain(|_, release| release.name != name);
        }
    }
}

/// What is known, and who is told of changes.
#[derive(Debug)]
pub(crate) struct Registry {
    known: RwLock<Known>,
    changes: broadcast::Sender<Key>,
    /// What changed lately, for pages that begin to listen.
    lately: Mutex<VecDeque<(Instant, Key)>>,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            known: RwLock::default(),
            changes: broadcast::Sender::new(QUEUE),
            lately: Mutex::default(),
        }
    }
}

impl Registry {
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read()
    }

    /// What changes from now on, and what changed since a page was made whose browser begins to
    /// listen now.
    pub(crate) fn changes(&self) -> (broadcast::Receiver<Key>, BTreeSet<Key>) {
        let changes = self.changes.subscribe();
        let lately = self.lately.lock();
        let fresh = lately.iter().filter(|(at, _)| at.elapsed() < OPENS);
        let mut keys: BTreeSet<_> = fresh.map(|(_, key)| key.clone()).collect();
        // More of them may have been forgotten.
        if lately.len() >= QUEUE {
            keys.insert(Key::All);
        }
        (changes, keys)
    }

    fn tell(&self, key: Key) {
        let mut lately = self.lately.lock();
        let old = lately.iter().take_while(|(at, _)| at.elapsed() >= OPENS);
        let old = old.count().max((lately.len() + 1).saturating_sub(QUEUE));
        lately.drain(..old);
        lately.push_back((Instant::now(), key.clone()));
        drop(lately);
        // Nobody may have a page open.
        self.changes.send(key).ok();
    }

    /// Notes that changes of a kind do not come.
    pub(crate) fn broken(&self, what: &'static str) {
        self.known.write().broken.insert(what);
        self.tell(Key::All);
    }

    /// Notes that changes of a kind come again.
    pub(crate) fn mended(&self, what: &'static str) {
        self.known.write().broken.remove(what);
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
        let more = one.keep(&mut self.known.write());
        self.tell(key);
        if let Some(key) = more {
            self.tell(key);
        }
    }

    /// Forgets one.
    pub(crate) fn deleted<K: Kept>(&self, one: &K) {
        let more = K::forget(&mut self.known.write(), one.name());
        self.tell(K::key(one.name()));
        if let Some(key) = more {
            self.tell(key);
        }
    }
}

#[cfg(test)]
mod tests;
