//! Classes 23, 24 and 26: what a running pod meets.

use super::{Counts, Row};
use crate::{
    pod::{Agent, Namespace, runs},
    process::Program,
    shop::{CHANNEL, Shop},
    tree,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use release::key;
use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// How long a pod may take to the state that it must reach: some polls, on a machine that does
/// other things, too.
pub(super) const CONVERGES: Duration = Duration::from_secs(20);

pub(super) fn shop() -> Shop {
    let shop = Shop::on_disk(1, 20);
    shop.publish();
    shop.init("pod").run().expect(0);
    shop
}

pub(super) fn sequence(published: &serde_json::Value) -> u64 {
    published["sequence"]
        .as_u64()
        .expect("a sequence is a number")
}

/// A directory as the kubelet projects a ConfigMap: `..data` is a link to a directory that has the
/// files, and is exchanged whole.
struct Projected {
    directory: PathBuf,
    versions: u32,
}

impl Projected {
    fn new(directory: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        std::os::unix::fs::symlink("..data/release.json", directory.join("release.json"))?;
        Ok(Self {
            directory,
            versions: 0,
        })
    }

    fn swap(&mut self, object: &[u8]) -> io::Result<()> {
        let old = self.directory.join(format!("..{}", self.versions));
        self.versions += 1;
        let name = format!("..{}", self.versions);
        fs::create_dir(self.directory.join(&name))?;
        fs::write(self.directory.join(&name).join("release.json"), object)?;
        std::os::unix::fs::symlink(&name, self.directory.join("..data_tmp"))?;
        fs::rename(
            self.directory.join("..data_tmp"),
            self.directory.join("..data"),
        )?;
        if old.is_dir() {
            fs::remove_dir_all(old)
        } else {
            Ok(())
        }
    }

    /// Nothing is there for a moment, and nobody tells.
    fn lose(&self) -> io::Result<()> {
        match fs::remove_file(self.directory.join("..data")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

pub(super) fn events(counts: &Counts) -> Row {
    let mut row = Row::new(
        23,
        "release events are lost, duplicated, reordered; `..data` swaps; junk",
    );
    let (shop, mut random) = (shop(), StdRng::seed_from_u64(counts.seed));
    let offered = |number: u64| {
        let path = shop.path("store").join(key::release(
            &CHANNEL.parse().expect("the channel"),
            number.try_into().expect("small"),
        ));
        fs::read(path).expect("it was published")
    };
    let mut projected =
        Projected::new(shop.path("release")).expect("a scratch directory is writable");
    projected
        .swap(&offered(1))
        .expect("a scratch directory is writable");
    let mut agent = Agent::default();
    let program = Program::ours("longshore-agent").envs(shop.pod_environment("pod"));
    agent.start(
        program
            .env("LONGSHORE_RELEASE", shop.path("release"))
            .env("LONGSHORE_POLL", "1s"),
    );
    for round in 0..counts.pods {
        let before = agent.status().map_or(0, |status| {
            status["running"]["sequence"].as_u64().unwrap_or(0)
        });
        let newest = (0..3).map(|_| {
            shop.edit(0, random.random(), 0.2);
            sequence(&shop.publish())
        });
        let newest = newest.last().unwrap_or(before);
        let mut done = Vec::new();
        for _ in 0..8 {
            let number = random.random_range(1..=newest);
            let (what, result) = match random.random_range(0..5_u32) {
                0 => ("junk", projected.swap(b"{\"payload\": ")),
                1 => ("gone", projected.lose()),
                2 => (
                    "twice",
                    projected
                        .swap(&offered(number))
                        .and_then(|()| projected.swap(&offered(number))),
                ),
                _ => ("swap", projected.swap(&offered(number))),
            };
            result.expect("a scratch directory is writable");
            done.push(format!("{what} {number}"));
            thread::sleep(Duration::from_millis(random.random_range(0..120)));
        }
        projected
            .swap(&offered(newest))
            .expect("a scratch directory is writable");
        let state = agent.within(CONVERGES, "the newest release runs", runs(newest));
        let whole = state.and_then(|_| is_whole(&shop, "pod"));
        row.count(|| format!("round {round}, {newest} after {done:?}"), whole);
    }
    row
}

/// The tree that runs has the sources as they were published last.
pub(super) fn is_whole(shop: &Shop, pod: &str) -> Result<(), String> {
    let (sources, tree) = (
        tree::snapshot(&shop.module(0)).map_err(|error| error.to_string())?,
        shop.current(pod),
    );
    let differs = sources
        .iter()
        .find(|(path, entry)| tree.get(*path).is_none_or(|found| found.kind != entry.kind));
    differs.map_or(Ok(()), |(path, _)| {
        Err(format!("{} is not as it was published", path.display()))
    })
}

/// The shop's web server as far as a probe sees one.
pub(super) struct Page {
    port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Page {
    /// It has status 500 while one of these files is there.
    pub(super) fn failing(bad: Vec<PathBuf>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (port, stop) = (listener.local_addr()?.port(), Arc::<AtomicBool>::default());
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            for stream in listener.incoming().take_while(|_| !stopped.load(Relaxed)) {
                let status = if bad.iter().any(|bad| bad.exists()) {
                    "500 Broken"
                } else {
                    "200 OK"
                };
                // Whoever asked and went away is no mistake of ours.
                drop(stream.and_then(|mut stream| {
                    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
                    let asked = stream.read(&mut [0; 4096])?;
                    let answer = if asked > 0 {
                        format!(
                            "HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"
                        )
                    } else {
                        String::new()
                    };
                    stream.write_all(answer.as_bytes())
                }));
            }
        });
        Ok(Self {
            port,
            stop,
            thread: Some(thread),
        })
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        // Wakes it from its wait for the next one.
        drop(std::net::TcpStream::connect(("127.0.0.1", self.port)));
        drop(self.thread.take().map(JoinHandle::join));
    }
}

pub(super) fn bad_releases(counts: &Counts) -> Row {
    let mut row = Row::new(
        24,
        "a release fails its probe, and the agent is killed while it goes back",
    );
    let (shop, mut random) = (shop(), StdRng::seed_from_u64(counts.seed));
    let page = Page::failing(vec![shop.path("pod/current/bad")]).expect("loopback has a free port");
    let program = || {
        let program = Program::ours("longshore-agent")
            .envs(shop.pod_environment("pod"))
            .env("LONGSHORE_POLL", "200ms");
        program
            .env("LONGSHORE_PROBE", page.url())
            .env("LONGSHORE_PROBE_TIMES", "2")
    };
    let (mut agent, mut good, mut on_trial) = (Agent::default(), 1, 0);
    agent.start(program());
    for round in 0..counts.pods {
        fs::write(shop.module(0).join("bad"), format!("{round}"))
            .expect("a scratch directory is writable");
        let bad = sequence(&shop.publish());
        thread::sleep(Duration::from_millis(random.random_range(0..700)));
        on_trial += u32::from(!shop.state("pod")["trial"].is_null());
        drop(agent.kill());
        agent.start(program());
        let rejected = agent.within(CONVERGES, "it is rejected", |status| {
            status["newer"]["sequence"] == bad
                && status["newer"]["why"] == "rejected"
                && runs(good)(status)
        });
        fs::remove_file(shop.module(0).join("bad")).expect("a scratch directory is writable");
        let back = rejected.and_then(|_| is_whole(&shop, "pod"));
        // Not once more by itself, and the next good one is not kept from running.
        shop.edit(0, random.random(), 0.2);
        let next = sequence(&shop.publish());
        let went_on =
            back.and_then(|()| agent.within(CONVERGES, "the next good one runs", runs(next)));
        row.count(
            || format!("round {round}, sequence {bad}"),
            went_on.map(drop),
        );
        good = next;
    }
    row.note = format!("{on_trial} of the kills met a release on trial");
    row
}

pub(super) fn removals(counts: &Counts) -> Row {
    let mut row = Row::new(
        26,
        "the pod's directories are removed as the kubelet would, and worse, with mounts in place",
    );
    let mut random = StdRng::seed_from_u64(counts.seed);
    let (shop, server) = (shop(), "node/server");
    let (point, server) = (shop.path("node/mnt/shop"), shop.path(server));
    fs::create_dir_all(&server).expect("a scratch directory is writable");
    let file = format!(
        "[[mount]]\nname = \"shop\"\nkind = \"bind\"\npath = \"{}\"\nsource = \"{}\"\ndirectories \
         = [{{ path = \"media\", uid = 0, gid = 0 }}]\n",
        point.display(),
        server.display()
    );
    fs::write(shop.path("mounts.toml"), file).expect("a scratch directory is writable");
    for round in 0..counts.pods {
        let pod = format!("pod{round}");
        shop.init(&pod)
            .env("LONGSHORE_STORAGE", &point)
            .run()
            .expect(0);
        let (namespace, mut agent) = (Namespace::new(), Agent::default());
        let program = namespace
            .ours("longshore-agent")
            .envs(shop.pod_environment(&pod))
            .env("LONGSHORE_STORAGE", &point);
        agent.start(program.env("LONGSHORE_MOUNTS", shop.path("mounts.toml")));
        let mounted = agent.within(CONVERGES, "storage is mounted", |status| {
            status["mounts"][0]["state"] == "healthy"
        });
        let shell = |script: &str| {
            namespace
                .program(Path::new("/bin/sh"))
                .args(["-c", script])
                .env("POD", shop.path(&pod))
                .run()
        };
        shell(&format!("echo {round} > $POD/current/media/{round}.jpg"));
        let before = tree::snapshot(&server).expect("the storage can be read");
        let killed = random.random();
        if killed {
            drop(agent.kill());
        }
        // Within the pod, where the mount is; then from the node, if it is not.
        shell("rm -rf $POD/current/ $POD/*");
        fs::remove_dir_all(shop.path(&pod)).expect("a scratch directory is writable");
        drop(agent);
        let after = tree::snapshot(&server).expect("the storage can be read");
        let expected = usize::try_from(round).map_or(usize::MAX, |round| round + 1);
        let files = before
            .keys()
            .filter(|path| path.extension().is_some())
            .count();
        let kept = if files == expected && before == after {
            Ok(())
        } else {
            Err(format!("{files} files, then {after:?}"))
        };
        row.count(
            || format!("round {round}, agent killed: {killed}"),
            mounted.and(kept),
        );
    }
    row
}
