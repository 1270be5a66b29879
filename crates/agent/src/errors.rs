//! The errors of the pod: each is counted, and told in the agent's log as far as the limits of
//! [`observe::Groups`] let it.
//!
//! What an event says besides its own fields is the shop's word, and it is the value of a field:
//! the text of an error cannot pass for an event of the agent.

use crate::board::Board;
use jiff::Timestamp;
use observe::{Event, Groups, LogAction, Severity, Summary, page::Page, text};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};
use tracing::{info, warn};

/// Of every event with words that the shop wrote, and of no other: who reads the log tells by it
/// whose word they are.
const SOURCE: &str = "shop";
/// Bytes of an error's text that an event has, as JSON writes it: container runtimes cut what is
/// longer, too.
const TEXT: usize = 16 << 10;
/// How often it is told that errors were not read.
const MINUTE: Duration = Duration::from_mins(1);
/// Releases whose sequence is kept at the same time.
const RELEASES: usize = 16;

/// What the pod saw.
#[derive(Debug)]
pub struct Errors {
    shop: Option<String>,
    // Names this run of the agent.
    run: String,
    began: Instant,
    board: Board,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    groups: Groups,
    // By the short name of its tree.
    releases: BTreeMap<String, u64>,
    unread: Unread,
}

#[derive(Debug, Default)]
struct Unread {
    events: u64,
    bytes: u64,
    told: Option<Instant>,
}

/// Where an error was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ErrorLocation<'a> {
    /// The short name of the tree that wrote it, if it is one's own.
    pub(crate) tree: Option<&'a str>,
    /// The file, as a path in the tree.
    pub(crate) file: Option<&'a str>,
}

impl Errors {
    /// None yet, of this shop.
    #[must_use]
    pub fn new(shop: Option<String>, board: Board) -> Arc<Self> {
        Arc::new(Self {
            shop,
            run: format!("{:016x}", rand::random::<u64>()),
            began: Instant::now(),
            board,
            state: Mutex::default(),
        })
    }

    /// What changed since a cursor of this run.
    #[must_use]
    pub fn page(&self, since: u64) -> Page {
        self.state.lock().groups.page(&self.run, since)
    }

    /// Learns which release each of these trees is of.
    pub(crate) fn learn(&self, trees: &BTreeSet<String>) {
        let snapshot = self.board.now();
        let running = snapshot.running.iter().map(|it| (it.manifest, it.sequence));
        let newer = snapshot.newer.iter().map(|it| (it.manifest, it.sequence));
        let mut state = self.state.lock();
        for (manifest, sequence) in newer.chain(running) {
            state.releases.insert(manifest.short(), sequence.get());
        }
        state.releases.retain(|tree, _| trees.contains(tree));
        while state.releases.len() > RELEASES {
            state.releases.pop_first();
        }
    }

    /// Counts an error, and tells it where the limits let it.
    pub(crate) fn take(&self, event: &Event, place: ErrorLocation<'_>) {
        let running = self
            .board
            .now()
            .running
            .as_ref()
            .map(|it| it.sequence.get());
        let mut state = self.state.lock();
        let tree = place.tree.or_else(|| tree_in(&event.text));
        let sequence = tree
            .and_then(|tree| state.releases.get(tree).copied())
            .or(running);
        let action = state
            .groups
            .take(event, sequence, Timestamp::now(), self.began.elapsed());
        drop(state);
        self.board.metrics().erred(event.severity);
        if action == LogAction::Tell {
            self.tell(event, sequence, place.file);
        }
    }

    /// Counts what nobody read.
    pub(crate) fn skip(&self, events: u64, bytes: u64) {
        if bytes == 0 {
            return;
        }
        self.board.metrics().unread(events);
        let mut state = self.state.lock();
        state.groups.skipped(events);
        state.unread.events += events;
        state.unread.bytes += bytes;
    }

    /// Tells what was only counted, once its minute is over; when there is more to tell.
    pub(crate) fn turn(&self) -> Option<Instant> {
        let (now, at) = (Instant::now(), self.began.elapsed());
        let mut state = self.state.lock();
        let summaries = state.groups.turn(at);
        let unread = state.unread.due(now);
        let next = state.groups.due().map(|due| self.began + due.max(at));
        let next = next.into_iter().chain(state.unread.next(now)).min();
        drop(state);
        self.summarize(&summaries, unread);
        next
    }

    /// Tells all of it: nothing comes any more.
    pub(crate) fn end(&self) {
        let mut state = self.state.lock();
        let summaries = state.groups.end();
        let unread = state.unread.take();
        drop(state);
        self.summarize(&summaries, unread);
    }

    fn tell(&self, event: &Event, release: Option<u64>, file: Option<&str>) {
        let (line, more) = text::within(&event.text, TEXT);
        macro_rules! tell {
            ($level:ident) => {
                $level!(
                    source = SOURCE,
                    kind = event.source.word(),
                    severity = event.severity.word(),
                    fingerprint = %event.fingerprint,
                    class = event.class,
                    shop = self.shop,
                    release,
                    file,
                    time = event.time.map(tracing::field::display),
                    cut = event.cut || more,
                    text = line,
                    "shop error"
                )
            };
        }
        // A shop's errors are no reason to wake a person: the agent's own are.
        if event.severity >= Severity::Error {
            tell!(warn);
        } else {
            tell!(info);
        }
    }

    fn summarize(&self, summaries: &[Summary], unread: Option<(u64, u64)>) {
        for summary in summaries {
            info!(
                source = SOURCE,
                kind = summary.source.word(),
                severity = summary.severity.word(),
                fingerprint = %summary.fingerprint,
                class = summary.class,
                shop = self.shop,
                release = summary.sequence,
                count = summary.count,
                text = summary.message,
                "shop errors were counted and not told"
            );
        }
        if let Some((events, bytes)) = unread {
            warn!(events, bytes, "the shop wrote more logs than are read");
        }
    }
}

impl Unread {
    fn due(&mut self, now: Instant) -> Option<(u64, u64)> {
        if self
            .told
            .is_some_and(|told| now.duration_since(told) < MINUTE)
        {
            return None;
        }
        let unread = self.take();
        if unread.is_some() {
            self.told = Some(now);
        }
        unread
    }

    fn take(&mut self) -> Option<(u64, u64)> {
        let all = (
            std::mem::take(&mut self.events),
            std::mem::take(&mut self.bytes),
        );
        (all.1 > 0).then_some(all)
    }

    fn next(&self, now: Instant) -> Option<Instant> {
        (self.bytes > 0).then(|| self.told.map_or(now, |told| told + MINUTE))
    }
}

/// The short name of the first tree in a text. After a switch, requests of the release before still
/// end.
fn tree_in(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("/releases/")?;
    rest.split('/').next()
}
