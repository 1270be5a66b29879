//! What a fleet costs the scheduler, on a real API server whose nodes and pods kwok plays: the
//! first apply, a pass over what is as it should be, plans, a rollout of a release with which some
//! shops do not work, and a change of one shop while all is quiet and while another rollout moves
//! the others; then kubectl and Helm with objects of the same kind. Runs inside a cluster: `cluster
//! run --nodes 0 --kwok 4 -- bench-scheduler`.

#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark makes its files itself, and has no failpoints"
)]

mod changes;
mod peers;
mod rollouts;

use clap::Parser;
use e2e::{
    cluster::{Cluster, eventually},
    figures::{bytes, count, table, time},
    fleet::{
        Agents, example,
        large::{self, LONG, of_scheduler},
    },
    process::{Program, Running, binary},
};
use rustix::process::Signal;
use std::{
    io::{self, Write as _},
    thread,
    time::{Duration, Instant},
};

/// Measures `longshore-scheduler` of this profile with many shops. Needs a cluster of its own.
#[derive(Debug, Parser)]
struct Arguments {
    /// Shops of the fleet; of fewer, too few would fail for a rollout to stop
    #[arg(
        long,
        default_value_t = 5000,
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(400..)
    )]
    shops: usize,
    /// Changes of one shop, of which the median and the 99th percentile are told
    #[arg(long, default_value_t = 100)]
    changes: usize,
    /// End once changes were measured beside broken shops (row 29 of the fault table)
    #[arg(long)]
    broken_shops: bool,
}

/// How often what takes minutes is looked at: a list of thousands of shops costs the API server a
/// second.
const PAUSE: Duration = Duration::from_secs(5);
/// One shop in so many does not work with the first release.
const BAD: usize = 50;
/// Shops that can never be applied, beside which changes are measured once more.
const HOPELESS: usize = 100;
/// Their share of the time that a change may take longer beside them, and what one run differs from
/// the next.
const SLOWER: (f64, Duration) = (1.1, Duration::from_millis(15));
/// Sequences of that release, and of the one that is mended.
const BROKEN: u64 = 43;
const MENDED: u64 = 44;

struct Bench {
    cluster: Cluster,
    rows: Vec<Vec<String>>,
}

impl Bench {
    fn program(&self, arguments: &[&str]) -> Program {
        self.cluster
            .program(&binary("longshore").display().to_string())
            .args(arguments)
            .deadline(LONG)
    }

    fn tell(&mut self, what: &str, figure: String) {
        tell(&mut self.rows, what, figure);
    }

    fn stop(running: Running) {
        running
            .signal(Signal::TERM)
            .unwrap_or_else(|error| panic!("{error}"));
        running.wait().expect(0);
    }

    /// Changes so many shops from this one on, and tells the times; gives the median.
    fn changes(&mut self, what: &str, number: usize, begin: usize) -> Duration {
        let times = changes::times(
            (begin..begin + number).map(|index| format!("s{index:04}")),
            what,
        );
        let figure = format!(
            "median {}, 99 of 100 within {}, longest of {number} {}",
            time(times[number / 2]),
            time(times[(number * 99).div_ceil(100) - 1]),
            time(times[number - 1])
        );
        self.tell(what, figure);
        times[number / 2]
    }

    /// Shops whose class does not exist fail for ever, and others wait no longer for them.
    fn beside_broken_shops(&mut self, number: usize, begin: usize, alone: Duration) {
        let broken =
            (0..HOPELESS).map(|index| large::closed_shop(&format!("b{index:04}"), "nobody"));
        let broken = broken.collect::<Vec<_>>().join("\n");
        large::apply(&self.cluster, &broken);
        eventually("every broken shop failing", LONG, || {
            (of_scheduler("failing_shops")? == HOPELESS as u64).then_some(())
        });
        let beside = self.changes("one shop changed beside 100 broken ones", number, begin);
        assert!(
            beside < alone.mul_f64(SLOWER.0) + SLOWER.1,
            "median alone {alone:?}, beside {HOPELESS} broken shops {beside:?}"
        );
        self.cluster
            .kubectl(["delete", "--wait=false", "--filename", "-"])
            .input(broken)
            .deadline(LONG)
            .run()
            .expect(0);
        eventually("no shop failing", LONG, || {
            (of_scheduler("failing_shops")? == 0).then_some(())
        });
        let changes = u32::try_from(number).unwrap_or(u32::MAX);
        e2e::faults::tell(29, changes, changes).unwrap_or_default();
    }

    fn plan(&mut self, what: &str, arguments: &[&str]) {
        let planned = self
            .program(&[&["plan"][..], arguments].concat())
            .run()
            .expect(0);
        let said = planned.stdout.lines().last().unwrap_or_default().to_owned();
        self.tell(what, format!("{} ({said})", time(planned.elapsed)));
    }

    /// Every shop's pod is there and Ready, as far as kwok plays it.
    fn served(&mut self, shops: usize) {
        let begin = Instant::now();
        eventually("every shop with its pod", LONG, || {
            thread::sleep(PAUSE);
            let ready = self.cluster.ask(&[
                "get",
                "shops",
                "--output",
                "jsonpath={.items[*].status.pods}",
            ]);
            (ready.split(' ').filter(|pods| *pods == "1/1").count() == shops).then_some(())
        });
        self.tell("until kwok has played all pods", time(begin.elapsed()));
    }

    fn memory(&mut self, what: &str) {
        self.tell(
            what,
            bytes(of_scheduler("resident_memory_bytes").unwrap_or(0)),
        );
    }
}

fn main() {
    let arguments = Arguments::parse();
    let shops = arguments.shops;
    let mut bench = Bench {
        cluster: Cluster::alone(),
        rows: Vec::new(),
    };
    large::install(&bench.cluster);
    let begin = Instant::now();
    large::register(&bench.cluster, shops);
    bench.tell(
        "the registry written by 8 × kubectl create",
        time(begin.elapsed()),
    );

    let begin = Instant::now();
    let running = large::scheduler(&bench.cluster, &[]);
    large::settled(shops);
    let (span, writes) = (begin.elapsed(), of_scheduler("writes_total").unwrap_or(0));
    #[allow(
        clippy::cast_precision_loss,
        reason = "counts of objects are far below 2^52"
    )]
    let rate = writes as f64 / span.as_secs_f64();
    bench.tell(
        "first apply",
        format!(
            "{} objects in {}, {rate:.0} in a second",
            count(writes),
            time(span)
        ),
    );
    bench.memory("resident after the first apply");
    bench.served(shops);
    Bench::stop(running);

    let begin = Instant::now();
    let running = large::scheduler(&bench.cluster, &[]);
    large::settled(shops);
    let writes = [
        of_scheduler("writes_total"),
        of_scheduler("status_writes_total"),
    ]
    .map(Option::unwrap_or_default);
    bench.tell(
        "start and a pass over what is as it should be",
        format!(
            "{}, {} writes, {} of status",
            time(begin.elapsed()),
            writes[0],
            writes[1]
        ),
    );
    bench.memory("resident after it");

    let alone = bench.changes("one shop changed while all is quiet", arguments.changes, 0);
    bench.beside_broken_shops(arguments.changes, 2 * arguments.changes, alone);
    if arguments.broken_shops {
        return Bench::stop(running);
    }
    bench.plan("plan without a change", &[]);
    let changed = std::env::temp_dir().join("bench-scheduler-class.yaml");
    std::fs::write(
        &changed,
        example("plain/class.yaml").replace("cpu: 10m, memory: 16Mi", "cpu: 20m, memory: 16Mi"),
    )
    .unwrap_or_else(|error| panic!("{error}"));
    bench.plan(
        "plan of a class that changes every shop",
        &[&changed.display().to_string()],
    );

    let agents = Agents::play(&bench.cluster, rollouts::rejects);
    bench.broken(shops);
    let begin = bench.rollout("mended", MENDED);
    bench.changes(
        "one shop changed while a rollout moves all",
        arguments.changes,
        arguments.changes,
    );
    let moving = bench.cluster.get(&["rollout", "mended"])["status"]["phase"] != "Completed";
    assert!(
        moving || shops < 5000,
        "the rollout was over before the last change"
    );
    bench.reaches("mended", "Completed");
    bench.tell(
        "the rollout of the mended one",
        format!("{} shops in {}", count(shops as u64), time(begin.elapsed())),
    );
    bench.memory("resident after it all");
    Bench::stop(running);
    drop(agents);
    let Bench { cluster, mut rows } = bench;
    peers::measure(&cluster, |what, figure| tell(&mut rows, what, figure));
    let head = [&format!("{} shops", count(shops as u64))[..], ""];
    writeln!(io::stdout(), "{}", table(&head, &[], &rows)).unwrap_or_default();
}

fn tell(rows: &mut Vec<Vec<String>>, what: &str, figure: String) {
    writeln!(io::stderr(), "{what}: {figure}").unwrap_or_default();
    rows.push(vec![what.to_owned(), figure]);
}
