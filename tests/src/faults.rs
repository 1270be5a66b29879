//! The fault loops: each breaks a pull in one way, many times, and checks what must hold after
//! every one.
//!
//! The invariant: `current` names a complete tree, the old one or the new one; the accepted
//! sequence never falls; nothing outside of the release root changes, and nothing that a shop wrote
//! into kept directories; and the next start, without any fault, ends at the new release with
//! nothing left over. [`Rig::check`] is all of it. What tests elsewhere try, such as those that
//! boot a kernel with NFS or run on a cluster, is counted by running them: [`BY_TESTS`],
//! [`ON_CLUSTER`].
//!
//! `make test` runs each loop a few times, `make faults` at full counts. Zero failures in n
//! independent runs bound the rate by 3/n, and no more.

#![allow(
    clippy::disallowed_methods,
    reason = "the harness damages its trees itself, and has no failpoints"
)]

mod agent;
mod agent_killed;
mod answers;
mod cache;
mod clock;
mod collected;
mod damage;
mod disk;
mod hostile;
mod image;
mod kill;
mod network;
mod places;
mod policy;
mod power;
mod races;
mod rig;
mod rot;
mod sharing;
mod start;
mod surroundings;
mod tests;
mod versions;

pub use cache::points as points_with_cache;
pub use kill::points;
pub use rig::Rig;
pub use start::Start;

use serde::{Deserialize, Serialize};

/// How often the loops run.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    /// Kills at random times.
    pub kills: u32,
    /// How often each failpoint is hit.
    pub points: u32,
    /// Switches while readers read.
    pub switches: u32,
    /// Places at which a blob is damaged.
    pub damages: u32,
    /// Pods that start while the store throttles.
    pub clients: u32,
    /// For how long it throttles, in seconds.
    pub throttle_seconds: u64,
    /// Pods or rounds of which each takes seconds.
    pub pods: u32,
    /// Tries, at least, of a class of which each takes a second or two.
    pub cheap_tries: u32,
    /// Bytes of the file that is read through resets.
    pub large_bytes: usize,
    /// Where random numbers start.
    pub seed: u64,
}

impl Counts {
    /// For every test run.
    pub const MODEST: Self = Self {
        kills: 30,
        points: 1,
        switches: 300,
        damages: 4,
        clients: 20,
        throttle_seconds: 3,
        pods: 3,
        cheap_tries: 1,
        large_bytes: 1 << 20,
        seed: 1,
    };
    /// Each loop thirty times or more, on a machine that does other things, too.
    pub const THIRTY: Self = Self {
        kills: 100,
        points: 1,
        switches: 2000,
        damages: 16,
        clients: 60,
        throttle_seconds: 10,
        pods: 30,
        cheap_tries: 30,
        large_bytes: 20 << 20,
        seed: 1,
    };
    /// As FAULTS asks for.
    pub const FULL: Self = Self {
        kills: 1000,
        points: 3,
        switches: 10_000,
        damages: 200,
        clients: 500,
        throttle_seconds: 60,
        pods: 100,
        cheap_tries: 100,
        large_bytes: 20 << 20,
        seed: 1,
    };

    /// How many rounds of so many cheap tries make enough of them: one in every test run.
    const fn rounds(&self, tries: u32) -> u32 {
        self.cheap_tries.div_ceil(tries)
    }
}

/// What came of one class of faults.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// Its number.
    pub number: u32,
    /// What goes wrong.
    pub fault: String,
    /// How often it was made to.
    pub tried: u32,
    /// How often everything held that must.
    pub survived: u32,
    /// What was counted on the way, for people.
    pub note: String,
    /// The first failures, for people.
    pub failures: Vec<String>,
}

impl Row {
    /// A class that was not tried yet.
    #[must_use]
    pub fn new(number: u32, fault: &str) -> Self {
        Self {
            number,
            fault: fault.to_owned(),
            tried: 0,
            survived: 0,
            note: String::new(),
            failures: Vec::new(),
        }
    }

    /// Counts one try.
    pub fn count(&mut self, what: impl FnOnce() -> String, result: Result<(), String>) {
        self.tried += 1;
        match result {
            Ok(()) => self.survived += 1,
            Err(problem) if self.failures.len() < 5 => {
                self.failures.push(format!("{}: {problem}", what()));
            }
            Err(_) => {}
        }
    }
}

/// A loop, and the number of its class.
pub type Loop = (u32, fn(&Counts) -> Row);

/// Every loop.
pub const LOOPS: &[Loop] = &[
    (1, kill::at_every_point),
    (2, kill::at_random_times),
    (3, disk::every_call_fails_with_eio),
    (4, disk::disk_full),
    (5, disk::leftovers),
    (6, races::two_at_once),
    (7, races::readers_during_switches),
    (8, network::resets),
    (9, network::trickles_and_stalls),
    (10, network::throttling),
    (11, damage::replaced_while_read),
    (12, damage::damaged_blobs),
    (13, network::credentials_expire),
    (14, clock::wrong),
    (15, policy::replay),
    (16, policy::expired),
    (17, policy::thresholds),
    (18, policy::root_chains),
    (20, policy::other_channels),
    (21, hostile::tarballs),
    (23, agent::events),
    (24, agent::bad_releases),
    (26, agent::removals),
    (31, cache::every_point),
    (32, cache::damaged),
    (33, cache::disk_full),
    (34, sharing::pods_at_once),
    (35, sharing::downloader_killed),
    (36, sharing::store_down),
    (37, agent_killed::at_its_failpoints),
    (38, rot::in_a_tree),
    (39, power::lost),
    (41, collected::beside_publishers),
    (42, surroundings::away),
    (43, answers::hostile),
    (45, versions::of_a_root),
    (47, places::at_every_point),
];

/// Those that tests elsewhere try. They fail where these are not built, or what they need is not
/// installed.
pub const BY_TESTS: &[Loop] = &[
    (19, tests::envelopes),
    (25, tests::storage),
    (30, tests::publishers),
];

/// Those that tests on a cluster try:
/// `cluster run --nodes 2 --kwok 3 --audit --policies -- faults --cluster`.
pub const ON_CLUSTER: &[Loop] = &[
    (27, tests::api_server),
    (28, tests::registry),
    (29, tests::broken_shops),
    (40, tests::eviction),
    (44, tests::network_policies),
    (45, tests::definitions),
    (46, tests::compaction),
    (48, tests::console),
];

/// What a test writes, a line to standard error, so that its class counts its tries and not one
/// test.
///
/// # Errors
///
/// Standard error is closed.
pub fn tell(number: u32, survived: u32, tried: u32) -> std::io::Result<()> {
    use std::io::Write as _;
    writeln!(
        std::io::stderr(),
        "{}{survived} of {tried}",
        tests::prefix(number)
    )
}
