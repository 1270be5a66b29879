//! A shop with three releases, pods that run the second and were to run the third, and the check of
//! what must hold.

mod holds;
mod outcome;

pub(super) use outcome::{channel, ended, last_line, names, noise, passed, reason, sequence};

use super::{Counts, Start};
use crate::{
    process::{Outcome, Program},
    s3::{Faults, Options, Server},
    shop::Shop,
    tree::{self, Entry},
};
use bytes::Bytes;
use release::{Manifest, Release, SecretKey, TrustRoot};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// The channel's release in force, in the server's bucket.
pub(super) const HEAD: &str = "prod/channels/shops/acme/release.json";

/// The sequence that a used pod runs; its previous release is the one before.
pub(super) const OLD: u64 = 2;
/// The sequence in force.
pub(super) const NEW: u64 = 3;
/// What a customer left in a directory that is kept.
const KEPT: &str = "kept/var/session/cart";

/// A shop on our S3 server; `template` is a root that runs [`OLD`].
#[derive(Debug)]
pub struct Rig {
    /// The server.
    pub server: Server,
    /// The shop.
    pub shop: Shop,
    /// What a pod shows that runs the old release.
    pub old: BTreeMap<PathBuf, Entry>,
    /// What a pod shows that runs the new one.
    pub new: BTreeMap<PathBuf, Entry>,
    /// The release object of the old one.
    pub old_release: Bytes,
    outside: BTreeMap<PathBuf, Entry>,
    pods: Cell<u32>,
    used: RefCell<BTreeSet<String>>,
    variables: RefCell<Vec<(&'static str, OsString)>>,
}

impl Rig {
    /// Publishes the releases. `large` bytes go into a file that does not compress, if it is not
    /// 0.
    ///
    /// # Panics
    ///
    /// Something fails without any fault.
    #[must_use]
    pub fn new(large: usize) -> Self {
        Self::with(|module| {
            if large > 0 {
                fs::write(module.join("large.bin"), noise(large))
            } else {
                Ok(())
            }
        })
    }

    /// Publishes the releases; `fill` adds to a module's sources.
    #[must_use]
    pub(super) fn with(fill: impl FnOnce(&Path) -> io::Result<()>) -> Self {
        let server = Server::start(Options::default()).expect("a server starts");
        let shop = Shop::on(&server, 2, 4);
        let toml = fs::read_to_string(shop.path("longshore.toml")).expect("the shop is described");
        let kept = toml.replace(
            "\"var/cache\"]",
            "\"var/cache\", { path = \"var/session\", keep = true }]",
        );
        assert_ne!(toml, kept, "the shop has a kept directory");
        fs::write(shop.path("longshore.toml"), kept)
            .and_then(|()| fill(&shop.module(1)))
            .expect("a scratch directory is writable");
        let publish = |release: u64, pod: &str| {
            shop.edit(0, release, 0.5);
            for module in [0, 1] {
                let marked = fs::write(shop.module(module).join("marker.php"), release.to_string());
                marked.expect("a scratch directory is writable");
            }
            shop.publish();
            shop.init(pod).run().expect(0);
        };
        publish(OLD - 1, "template");
        publish(OLD, "template");
        // What a running shop writes.
        let written = [KEPT, "current/var/cache/compiled.php"]
            .map(|path| fs::write(shop.path("template").join(path), "a shop's own"));
        assert!(written.iter().all(Result::is_ok), "{written:?}");
        let (old, old_release) = (
            shop.current("template"),
            server.get(HEAD).expect("a release is in force"),
        );
        publish(NEW, "reference");
        let new = shop.current("reference");
        let outside = outside(&shop);
        Self {
            server,
            shop,
            old,
            new,
            old_release,
            outside,
            pods: Cell::default(),
            used: RefCell::default(),
            variables: RefCell::default(),
        }
    }

    /// A small shop; at full counts also one with a file that is spooled.
    pub(super) fn small_and_spooled(counts: &Counts) -> Vec<Self> {
        let spooled = (counts.points > 1).then(|| Self::new(9 << 20));
        [Self::new(0)].into_iter().chain(spooled).collect()
    }

    /// A pod's name that was not used yet; its root is a copy of the template if it starts warm, or
    /// is not there.
    ///
    /// # Panics
    ///
    /// The template cannot be copied.
    #[must_use]
    pub fn pod(&self, start: Start) -> String {
        self.pods.set(self.pods.get() + 1);
        let name = format!("pod{}", self.pods.get());
        if start == Start::Warm {
            // With hard links and times, as the pod's disk has them.
            Program::new("cp")
                .arg("-a")
                .arg(self.shop.path("template"))
                .arg(self.shop.path(&name))
                .run()
                .expect(0);
            self.used.borrow_mut().insert(name.clone());
        }
        name
    }

    /// Whether the pod ran the old release before it was broken.
    pub(super) fn is_warm(&self, pod: &str) -> bool {
        self.used.borrow().contains(pod)
    }

    /// Sets variables of every pod that is started from now on, in place of those that were set
    /// before.
    pub(super) fn set(&self, variables: impl IntoIterator<Item = (&'static str, OsString)>) {
        *self.variables.borrow_mut() = variables.into_iter().collect();
    }

    /// A pod's init, not started yet.
    pub(super) fn init(&self, pod: &str) -> Program {
        self.shop.init(pod).envs(
            self.variables
                .borrow()
                .iter()
                .map(|(name, value)| (*name, value)),
        )
    }

    /// Runs a pod's init with `action` at its failpoint number `at`, from 1; gives the names of
    /// those that it passed, too.
    pub(super) fn steer(&self, pod: &str, at: usize, action: &str) -> (Outcome, Vec<String>) {
        let trace = self.shop.path(format!("{pod}.trace"));
        let steered = self
            .init(pod)
            .env("FAILPOINT", format!("{at}:{action}"))
            .env("FAILPOINT_TRACE", &trace);
        let outcome = steered.run();
        (outcome, passed(&trace))
    }

    /// The server answers as a healthy one again.
    pub fn heal(&self) {
        self.server.set_faults(Faults::default());
    }

    /// Puts a release object of our own making in force, signed with the shop's key.
    ///
    /// # Panics
    ///
    /// The library does not sign.
    pub fn force(&self, change: impl FnOnce(&mut Release)) {
        let mut release = self.in_force();
        change(&mut release);
        let mut envelope = release.to_envelope().expect("a release can be stated");
        envelope.sign(&self.key("ci")).expect("a key signs");
        self.server.put(HEAD, envelope.to_json());
    }

    fn in_force(&self) -> Release {
        let found =
            release::Envelope::parse(&self.server.get(HEAD).expect("a release is in force"))
                .expect("it is an envelope");
        Release::unverified(&found).expect("it states a release")
    }

    /// The manifest in force.
    pub(super) fn manifest(&self) -> Manifest {
        let key = format!("prod/{}", release::key::blob(&self.in_force().manifest));
        Manifest::parse(&self.server.get(&key).expect("it is published")).expect("it is a manifest")
    }

    /// The keys of all that a pod without an older release downloads: the manifest first, then the
    /// tarballs.
    pub(super) fn blobs(&self) -> Vec<String> {
        let tarballs: Vec<_> = self
            .manifest()
            .modules
            .iter()
            .map(|module| module.sha256)
            .collect();
        let digests = [self.in_force().manifest].into_iter().chain(tarballs);
        digests
            .map(|digest| format!("prod/{}", release::key::blob(&digest)))
            .collect()
    }

    /// A private key of the shop.
    ///
    /// # Panics
    ///
    /// There is none of that name.
    #[must_use]
    pub fn key(&self, name: &str) -> SecretKey {
        let pem =
            fs::read_to_string(self.shop.path(format!("{name}.key"))).expect("the key is there");
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

/// Everything in the shop's scratch directory but pods and what steers them.
fn outside(shop: &Shop) -> BTreeMap<PathBuf, Entry> {
    let mut found = BTreeMap::new();
    for name in names(&shop.path(""))
        .into_iter()
        .filter(|name| !name.starts_with("pod"))
    {
        let path = shop.path(&name);
        let below = if path.is_dir() {
            tree::snapshot(&path).expect("a scratch directory is readable")
        } else {
            BTreeMap::new()
        };
        found.extend(
            below
                .into_iter()
                .map(|(below, entry)| (Path::new(&name).join(below), entry)),
        );
        found.insert(
            PathBuf::from(&name),
            tree::entry(&path).expect("a scratch directory is readable"),
        );
    }
    found
}
