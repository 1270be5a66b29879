//! A shop with three releases, pods that run the second and were to run the third, and the check of
//! what must hold.

use super::Counts;
use crate::{
    process::{Outcome, Program},
    s3::{Faults, Options, Server},
    shop::{CHANNEL, Shop},
    tree::{self, Entry, Kind},
};
use bytes::Bytes;
use release::{Manifest, Reason, Release, SecretKey, Sequence, TrustRoot};
use serde_json::Value;
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
    /// Publishes the releases. `large` bytes go into a file that does not compress, where it is not
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

    /// Checks the invariant now; heals the server, starts the pod once more, and checks that it
    /// converged.
    ///
    /// # Errors
    ///
    /// Says what does not hold.
    pub fn check(&self, pod: &str) -> Result<(), String> {
        self.check_now(pod)?;
        self.heal();
        let again = self.init(pod).run();
        if again.code() != Some(0) {
            return Err(format!(
                "the next start does not converge: {}",
                last_line(&again)
            ));
        }
        self.check_now(pod)?;
        self.is_new(pod)?;
        let root = self.shop.path(pod);
        let left = names(&root.join("staging"));
        if !left.is_empty() {
            return Err(format!("after the next start, staging holds {left:?}"));
        }
        let (indexes, trees): (BTreeSet<_>, BTreeSet<_>) = names(&root.join("releases"))
            .into_iter()
            .partition(|name| name.contains('.'));
        if trees.len() > 2 || indexes != trees.iter().map(|tree| format!("{tree}.index")).collect()
        {
            return Err(format!(
                "after the next start, releases holds {trees:?} and {indexes:?}"
            ));
        }
        fs::remove_dir_all(root).map_err(|error| error.to_string())
    }

    /// Checks that init refused for one of these reasons, with the exit code that goes with it,
    /// that the pod is as it was, and that nothing is left of what was staged.
    pub(super) fn refused(
        &self,
        pod: &str,
        outcome: &Outcome,
        reasons: &[&str],
    ) -> Result<(), String> {
        let found = reason(outcome);
        let code = Reason::ALL
            .iter()
            .find(|reason| reason.code() == found)
            .map(|reason| i32::from(reason.trouble().exit_code()));
        if !reasons.contains(&found.as_str()) || outcome.code() != code {
            return Err(format!(
                "expected {reasons:?}, got {:?}: {}",
                outcome.ended,
                last_line(outcome)
            ));
        }
        self.check_now(pod)?;
        let (root, used) = (self.shop.path(pod), self.used.borrow().contains(pod));
        if used && self.shop.current(pod) != self.old {
            return Err("what ran does not run any more".to_owned());
        }
        let template = self.shop.path("template/releases");
        let (releases, expected) = (
            names(&root.join("releases")),
            if used {
                names(&template)
            } else {
                BTreeSet::new()
            },
        );
        let staged = names(&root.join("staging"));
        if releases == expected && staged.is_empty() {
            Ok(())
        } else {
            Err(format!("{releases:?} and {staged:?} are left"))
        }
    }

    /// Checks that the pod runs the new release, and remembers that it does.
    pub(super) fn is_new(&self, pod: &str) -> Result<(), String> {
        if self.shop.current(pod) != self.new {
            return Err("`current` is not the new release".to_owned());
        }
        let accepted = &self.shop.state(pod)["accepted"]["sequence"];
        if *accepted == NEW {
            Ok(())
        } else {
            Err(format!(
                "the accepted sequence is {accepted}, and {NEW} runs"
            ))
        }
    }

    /// Checks that what the pod runs is this, and says what is not. Where the shop's own
    /// directories were carried over to a tree that was made anew, those that hold them are as
    /// young as that.
    pub(super) fn is(&self, pod: &str, expected: &BTreeMap<PathBuf, Entry>) -> Result<(), String> {
        let found = self.shop.current(pod);
        let of = |tree: &BTreeMap<PathBuf, Entry>, path: &PathBuf| {
            tree.get(path).map(|entry| Entry {
                mtime: if entry.kind == Kind::Directory {
                    0
                } else {
                    entry.mtime
                },
                ..entry.clone()
            })
        };
        let differs = expected
            .keys()
            .chain(found.keys())
            .find(|path| of(&found, path) != of(expected, path));
        differs.map_or(Ok(()), |path| {
            Err(format!(
                "{}: {:?}, expected {:?}",
                path.display(),
                found.get(path),
                expected.get(path)
            ))
        })
    }

    /// Checks what must hold at any moment: old or new, a sequence that never falls, and nothing
    /// lost or written elsewhere.
    ///
    /// # Errors
    ///
    /// Says what does not hold.
    pub fn check_now(&self, pod: &str) -> Result<(), String> {
        let (root, used) = (self.shop.path(pod), self.used.borrow().contains(pod));
        let runs = root.join("current").symlink_metadata().is_ok();
        if runs {
            let tree = tree::snapshot(&root.join("current/"))
                .map_err(|error| format!("`current`: {error}"))?;
            if tree != self.new && (tree != self.old || !used) {
                return Err("`current` is neither the old nor the new release".to_owned());
            }
        } else if used {
            return Err("the pod ran a release, and `current` is gone".to_owned());
        }
        let remembers = root.join("state.json").exists();
        if remembers {
            let accepted = self.shop.state(pod)["accepted"]["sequence"].as_u64();
            if !(Some(OLD)..=Some(NEW)).contains(&accepted) {
                return Err(format!("the accepted sequence is {accepted:?}"));
            }
        } else if runs {
            return Err("a release is active, and there is no state".to_owned());
        }
        if used && fs::read_to_string(root.join(KEPT)).ok().as_deref() != Some("a shop's own") {
            return Err(format!("{KEPT} was lost"));
        }
        let ours = [
            "current",
            "kept",
            "lock",
            "releases",
            "seen.json",
            "staging",
            "state.json",
        ];
        if let Some(stray) = names(&root)
            .iter()
            .find(|name| !ours.contains(&name.as_str()))
        {
            return Err(format!("{stray} appeared in the root"));
        }
        let outside = outside(&self.shop);
        let changed = |path: &&PathBuf| outside.get(*path) != self.outside.get(*path);
        match outside.keys().chain(self.outside.keys()).find(changed) {
            Some(path) => Err(format!(
                "{} outside of the root was changed",
                path.display()
            )),
            None => Ok(()),
        }
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

/// The failpoints in a trace file, which is removed.
pub(super) fn passed(trace: &Path) -> Vec<String> {
    let names = fs::read_to_string(trace)
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect();
    if trace.exists() {
        fs::remove_file(trace).expect("a scratch directory is writable");
    }
    names
}

/// The reason in the last line of a failed init.
#[must_use]
pub(super) fn reason(outcome: &Outcome) -> String {
    let line: Value =
        serde_json::from_str(outcome.stderr.lines().last().unwrap_or_default()).unwrap_or_default();
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
    Err(format!(
        "expected code {code} and reason {expected}, got {:?}: {}",
        outcome.ended,
        last_line(outcome)
    ))
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
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
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
