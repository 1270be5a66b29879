//! Class 38: a file of the tree that runs is not what was written: a bit turned on the disk, or
//! sectors that cannot be read. The next release's tree is linked from it.

use super::{
    Counts, Row, Start,
    image::{self, BTRFS, Kind, ORDERED},
    rig::{HEAD, NEW, OLD, Rig, noise},
};
use crate::{
    pod::{Agent, Namespace},
    process::{Outcome, Program},
    tree::Kind as Is,
};
use jiff::Timestamp;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// What happens on the node after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The pod's agent starts, and no newer release comes.
    Stays,
    /// The pod's agent starts, and a newer release is in force.
    Switches,
    /// The pod starts: its init links what it can, and its agent comes after it.
    Starts,
}

/// Which faults there are: without checksums of its own, a file system gives what is on the disk.
const FAULTS: [(Kind, &str); 2] = [(ORDERED, "a bit turned"), (BTRFS, "EIO")];

pub(super) fn in_a_tree(counts: &Counts) -> Row {
    let mut row = Row::new(
        38,
        "a bit turned on the disk, or EIO, in the tree that runs and that the next one is linked \
         from",
    );
    if let Err(why) = image::possible() {
        (row.tried, row.survived, row.note) = (1, 1, why.to_owned());
        return row;
    }
    let (rig, mut random) = (rig(), StdRng::seed_from_u64(counts.seed));
    let newest = rig.server.get(HEAD).expect("a release is in force");
    for (kind, fault) in FAULTS {
        let template = image::make(&rig, kind, &rig.pod(Start::Warm));
        for round in 0..counts.pods.div_ceil(5).min(6) {
            for then in [Then::Stays, Then::Switches, Then::Starts] {
                if then == Then::Stays {
                    rig.server.put(HEAD, rig.old_release.clone());
                }
                let pod = rig.pod(Start::Warm);
                let file = linked(&rig, &mut random);
                let result = Rotten::new(&rig, kind, &template, &pod, &file, &mut random)
                    .and_then(|rotten| rotten.meets(then));
                rig.server.put(HEAD, newest.clone());
                row.count(
                    || format!("round {round}, {fault} in {}, {then:?}", file.display()),
                    result,
                );
            }
        }
    }
    row
}

/// What files have at least that no release changes, in bytes: each is a chunk of its own, or
/// nearly so.
const NOISE: usize = 1 << 20;
/// How long it may take to read the tree and to make it anew, on a machine that does other things,
/// too.
const FOUND: Duration = Duration::from_mins(1);

fn rig() -> Rig {
    Rig::with(|module| {
        let noise = noise(NOISE + 3);
        (0..3).try_for_each(|number| {
            fs::write(module.join(format!("noise{number}.bin")), &noise[number..])
        })
    })
}

/// A file of the old release that the new one has, too, in a chunk of which nothing changed.
fn linked(rig: &Rig, random: &mut StdRng) -> PathBuf {
    let same = rig.old.iter().filter(|(path, entry)| {
        matches!(entry.kind, Is::File { len, .. } if len >= NOISE as u64)
            && rig.new.get(*path) == Some(*entry)
    });
    let same: Vec<_> = same.map(|(path, _)| path.clone()).collect();
    same[random.random_range(0..same.len())].clone()
}

/// A pod whose disk has a file like that.
struct Rotten<'a> {
    rig: &'a Rig,
    kind: Kind,
    pod: &'a str,
    file: &'a Path,
    contents: Vec<u8>,
    namespace: Namespace,
}

impl<'a> Rotten<'a> {
    fn new(
        rig: &'a Rig,
        kind: Kind,
        template: &Path,
        pod: &'a str,
        file: &'a Path,
        random: &mut StdRng,
    ) -> Result<Self, String> {
        let root = rig.shop.path(pod);
        let contents =
            fs::read(root.join("current").join(file)).map_err(|error| error.to_string())?;
        let rotten = Self {
            rig,
            kind,
            pod,
            file,
            contents,
            namespace: Namespace::new(),
        };
        image::copy(template, &rotten.image());
        let places = image::rot(
            &rotten.image(),
            &rotten.contents,
            random.random_range(0..rotten.contents.len()),
            random.random(),
        );
        if places.map_err(|error| error.to_string())? == 0 {
            return Err("the file is not found on the disk".to_owned());
        }
        fs::remove_dir_all(root)
            .and_then(|()| fs::create_dir(rotten.point()))
            .map_err(|error| error.to_string())?;
        rotten.mount();
        Ok(rotten)
    }

    fn image(&self) -> PathBuf {
        self.rig.shop.path(format!("{}.image", self.pod))
    }

    fn point(&self) -> PathBuf {
        self.rig.shop.path(format!("{}.point", self.pod))
    }

    fn mount(&self) {
        self.shell("mount -o \"$OPTIONS\" \"$IMAGE\" \"$POINT\"")
            .expect(0);
    }

    fn shell(&self, script: &str) -> Outcome {
        let shell = self
            .namespace
            .program(Path::new("sh"))
            .args(["-euc", script])
            .env("OPTIONS", self.kind.options);
        shell
            .env("IMAGE", self.image())
            .env("POINT", self.point())
            .env("POD", self.rig.shop.path(self.pod))
            .env("FILE", self.file)
            .run()
    }

    fn ours(&self, name: &str) -> Program {
        self.namespace
            .ours(name)
            .envs(self.rig.shop.pod_environment(self.pod))
            .env("LONGSHORE_ROOT", self.point().join("root"))
    }

    /// The fault is there, whoever reads the file; and it is not once the agent has looked through
    /// its tree.
    fn meets(&self, then: Then) -> Result<(), String> {
        let read = self.shell("base64 --wrap=0 \"$POINT/root/current/$FILE\"");
        let is = if self.kind == BTRFS {
            read.stderr.contains("Input/output error")
        } else {
            read.code() == Some(0)
        };
        if !is || read.stdout == base64(&self.contents) {
            return Err(format!("the file can be read: {read:?}"));
        }
        if then == Then::Starts {
            super::cache::succeeded(&self.ours("longshore-init").run())?;
            let names = self
                .shell("stat --format=%h \"$POINT/root/current/$FILE\"")
                .expect(0)
                .stdout;
            if names.trim() == "1" {
                return Err("it was not linked into the new tree".to_owned());
            }
        }
        let mut agent = Agent::default();
        agent.start(self.ours("longshore-agent").env("LONGSHORE_POLL", "5s"));
        let sequence = if then == Then::Stays { OLD } else { NEW };
        agent.within(FOUND, "the file is found and put back", |status| {
            is_well(status, sequence)
        })?;
        drop(agent.kill());
        // As the disk has it, and not the kernel's cache.
        self.shell("umount \"$POINT\"").expect(0);
        self.mount();
        // The tree that was put back is a new one; the one before it, which is still there, has the
        // fault.
        let copied = self.shell("mkdir \"$POD\"; cp -a \"$POINT/root/current/.\" \"$POD/current\"");
        drop(fs::remove_file(self.image()));
        if copied.code() != Some(0) {
            return Err(format!(
                "the disk cannot be read afterwards: {}",
                copied.stderr
            ));
        }
        let expected = if then == Then::Stays {
            &self.rig.old
        } else {
            &self.rig.new
        };
        self.rig.is(self.pod, expected)
    }
}

/// It runs this sequence, a look through the whole tree ended since it does, and nothing is open.
fn is_well(status: &Value, sequence: u64) -> bool {
    let time = |value: &Value| {
        value
            .as_str()
            .and_then(|text| text.parse::<Timestamp>().ok())
    };
    let scanned = time(&status["tamper"]["lastScanAt"])
        .zip(time(&status["running"]["since"]))
        .is_some_and(|(scan, since)| scan > since);
    let tamper = &status["tamper"];
    crate::pod::runs(sequence)(status)
        && scanned
        && tamper["unrepairedFiles"] == 0
        && tamper["repairedFiles"].as_u64() > Some(0)
}

fn base64(bytes: &[u8]) -> String {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    BASE64_STANDARD.encode(bytes)
}
