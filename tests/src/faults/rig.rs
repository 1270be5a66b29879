//! A shop with two releases, pods that run the first, and the check of what must hold.

use crate::{
    process::{Outcome, Program},
    s3::{Faults, Options, Server},
    shop::{CHANNEL, Shop},
    tree::Entry,
};
use bytes::Bytes;
use release::{Release, SecretKey, Sequence, TrustRoot};
use serde_json::Value;
use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// The channel's release in force, in the server's bucket.
pub(super) const HEAD: &str = "prod/channels/shops/acme/release.json";

/// A shop on our S3 server with release 1 and 2; `template` is a root that runs 1.
#[derive(Debug)]
pub struct Rig {
    /// The server.
    pub server: Server,
    /// The shop.
    pub shop: Shop,
    /// What a pod with release 1 shows.
    pub old: BTreeMap<PathBuf, Entry>,
    /// What a pod with release 2 shows.
    pub new: BTreeMap<PathBuf, Entry>,
    /// The release object of release 1.
    pub first: Bytes,
    pods: Cell<u32>,
}

impl Rig {
    /// Publishes both releases. `large` bytes go into a file that does not compress, where it is not 0.
    ///
    /// # Panics
    ///
    /// Something fails without any fault.
    #[must_use]
    pub fn new(large: usize) -> Self {
        let server = Server::start(Options::default()).expect("a server starts");
        let shop = Shop::on(&server, 2, 8);
        for (module, name) in [(0, "marker.php"), (1, "marker.php")] {
            fs::write(shop.module(module).join(name), "1").expect("a scratch directory is writable");
        }
        if large > 0 {
            fs::write(shop.module(1).join("large.bin"), noise(large)).expect("a scratch directory is writable");
        }
        shop.publish();
        shop.init("template").run().expect(0);
        let old = shop.current("template");
        let first = server.get(HEAD).expect("release 1 is published");
        for (module, name) in [(0, "marker.php"), (1, "marker.php")] {
            fs::write(shop.module(module).join(name), "2").expect("a scratch directory is writable");
        }
        shop.edit(0, 5, 0.5);
        shop.publish();
        shop.init("reference").run().expect(0);
        let new = shop.current("reference");
        Self { server, shop, old, new, first, pods: Cell::new(0) }
    }

    /// A pod's name that was not used yet; its root is a copy of the template, or is not there.
    ///
    /// # Panics
    ///
    /// The template cannot be copied.
    #[must_use]
    pub fn pod(&self, warm: bool) -> String {
        self.pods.set(self.pods.get() + 1);
        let name = format!("pod{}", self.pods.get());
        if warm {
            // With hard links and times, as the pod's disk has them.
            Program::new("cp").arg("-a").arg(self.shop.path("template")).arg(self.shop.path(&name)).run().expect(0);
        }
        name
    }

    /// The server answers as a healthy one again.
    pub fn heal(&self) {
        self.server.set_faults(Faults::default());
    }

    /// Checks the invariant now; heals the server, starts the pod once more, and checks that it converged.
    ///
    /// # Errors
    ///
    /// Says what does not hold.
    pub fn check(&self, pod: &str) -> Result<(), String> {
        self.check_now(pod)?;
        self.heal();
        let again = self.shop.init(pod).run();
        if again.code() != Some(0) {
            return Err(format!("the next start does not converge: {}", last_line(&again)));
        }
        if self.shop.current(pod) != self.new {
            return Err("after the next start, `current` is not the new release".to_owned());
        }
        let left = names(&self.shop.path(pod).join("staging"));
        if !left.is_empty() {
            return Err(format!("after the next start, staging holds {left:?}"));
        }
        fs::remove_dir_all(self.shop.path(pod)).map_err(|error| error.to_string())
    }

    /// Checks what must hold at any moment: old or new, and a sequence that never falls.
    ///
    /// # Errors
    ///
    /// Says what does not hold.
    pub fn check_now(&self, pod: &str) -> Result<(), String> {
        let root = self.shop.path(pod);
        let ran = root.join("current").symlink_metadata().is_ok();
        if ran {
            let tree = self.shop.current(pod);
            if tree != self.old && tree != self.new {
                return Err("`current` is neither the old nor the new release".to_owned());
            }
        }
        if root.join("state.json").exists() {
            let accepted = self.shop.state(pod)["accepted"]["sequence"].as_u64();
            if !(Some(1)..=Some(2)).contains(&accepted) {
                return Err(format!("the accepted sequence is {accepted:?}"));
            }
        } else if ran {
            return Err("a release is active, and there is no state".to_owned());
        }
        let outside: BTreeSet<_> = names(&self.shop.path("")).into_iter().filter(|name| !name.starts_with("pod")).collect();
        let expected = ["1.root.json", "ci.key", "ci.pub", "longshore.toml", "reference", "src", "store", "template", "trace"];
        match outside.iter().find(|name| !expected.contains(&name.as_str())) {
            Some(stray) => Err(format!("{stray} appeared outside the root")),
            None => Ok(()),
        }
    }

    /// Puts a release object of our own making in force, signed with the shop's key.
    ///
    /// # Panics
    ///
    /// The library does not sign.
    pub fn force(&self, change: impl FnOnce(&mut Release)) {
        let found = release::Envelope::parse(&self.server.get(HEAD).expect("a release is in force")).expect("it is an envelope");
        let mut release = Release::unverified(&found).expect("it states a release");
        change(&mut release);
        let mut envelope = release.to_envelope().expect("a release can be stated");
        envelope.sign(&self.key("ci")).expect("a key signs");
        self.server.put(HEAD, envelope.to_json());
    }

    /// A private key of the shop.
    ///
    /// # Panics
    ///
    /// There is none of that name.
    #[must_use]
    pub fn key(&self, name: &str) -> SecretKey {
        let pem = fs::read_to_string(self.shop.path(format!("{name}.key"))).expect("the key is there");
        SecretKey::from_pem(&pem).expect("it is a key")
    }

    /// A trust root that these keys sign.
    ///
    /// # Panics
    ///
    /// The library does not sign.
    #[must_use]
    pub fn root(version: u64, lasts: Duration, keys: &[&SecretKey], threshold: u32) -> Vec<u8> {
        let expires = jiff::Timestamp::now() + lasts;
        let public = keys.iter().map(|key| key.public().clone()).collect();
        let root = TrustRoot::new(version, expires, public, threshold).expect("a trust root");
        let mut envelope = root.to_envelope();
        for key in keys {
            envelope.sign(key).expect("a key signs");
        }
        envelope.to_json()
    }
}

/// The reason in the last line of a failed init.
#[must_use]
pub(super) fn reason(outcome: &Outcome) -> String {
    let line: Value = serde_json::from_str(outcome.stderr.lines().last().unwrap_or_default()).unwrap_or_default();
    line["reason"].as_str().unwrap_or_default().to_owned()
}

/// The outcome has this code and this reason.
///
/// # Errors
///
/// Says what it has instead.
pub(super) fn ended(outcome: &Outcome, code: i32, expected: &str) -> Result<(), String> {
    if outcome.code() == Some(code) && reason(outcome) == expected {
        return Ok(());
    }
    Err(format!("expected code {code} and reason {expected}, got {:?}: {}", outcome.ended, last_line(outcome)))
}

/// The last line on standard error.
#[must_use]
pub(super) fn last_line(outcome: &Outcome) -> String {
    outcome.stderr.lines().last().unwrap_or_default().to_owned()
}

/// The names in a directory; none where it is not there.
#[must_use]
pub(super) fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Bytes that do not compress, always the same.
#[must_use]
pub(super) fn noise(length: usize) -> Vec<u8> {
    use rand::{RngExt as _, SeedableRng as _};
    let mut random = rand::rngs::StdRng::seed_from_u64(7);
    (0..length).map(|_| random.random()).collect()
}

/// The channel of the shop.
#[must_use]
pub(super) fn channel() -> release::ChannelName {
    CHANNEL.parse().expect("it is a channel")
}

/// A sequence.
#[must_use]
pub(super) fn sequence(number: u64) -> Sequence {
    number.try_into().expect("it is a sequence")
}
