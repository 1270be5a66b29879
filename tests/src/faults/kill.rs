//! Classes 1 and 2: the process dies.

use super::{
    Counts, Row, Start,
    rig::{Rig, passed},
};
use crate::process::{Ended, Outcome};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::time::{Duration, Instant};

/// The number of SIGKILL.
pub(super) const KILLED: i32 = 9;

/// The names of the failpoints that a pull passes, in the order of the run.
///
/// # Panics
///
/// The pull fails without any fault.
#[must_use]
pub fn points(rig: &Rig, start: Start) -> Vec<String> {
    let (pod, trace) = (rig.pod(start), rig.shop.path("pod.trace"));
    rig.init(&pod)
        .env("FAILPOINT_TRACE", &trace)
        .run()
        .expect(0);
    rig.check(&pod)
        .expect("a pull without any fault is as it must be");
    passed(&trace)
}

pub(super) fn at_every_point(counts: &Counts) -> Row {
    let mut row = Row::new(1, "kill -9 at every failpoint");
    for rig in Rig::small_and_spooled(counts) {
        for start in Start::ALL {
            let points = points(&rig, start).len();
            for at in (1..=points).cycle().take(counts.points as usize * points) {
                let pod = rig.pod(start);
                let (outcome, passed) = rig.steer(&pod, at, "kill");
                let died = died(&outcome, passed.len() < at);
                row.count(
                    || format!("point {at}, {start}"),
                    died.and_then(|()| rig.check(&pod)),
                );
            }
        }
    }
    row
}

/// Workers race, so that a run may pass a few points less than the one before; it then ends well.
pub(super) fn died(outcome: &Outcome, short: bool) -> Result<(), String> {
    match outcome.ended {
        Ended::Signal(KILLED) => Ok(()),
        Ended::Code(0) if short => Ok(()),
        other => Err(format!("it was to be killed, and ended with {other:?}")),
    }
}

pub(super) fn at_random_times(counts: &Counts) -> Row {
    let (rig, mut row) = (Rig::new(0), Row::new(2, "kill -9 at random times"));
    let mut random = StdRng::seed_from_u64(counts.seed);
    let begin = Instant::now();
    let pod = rig.pod(Start::Warm);
    rig.shop.init(&pod).run().expect(0);
    let whole = u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
    let mut killed = 0;
    for _ in 0..counts.kills {
        let start = if random.random() {
            Start::Warm
        } else {
            Start::Cold
        };
        let after = Duration::from_micros(random.random_range(0..whole));
        let pod = rig.pod(start);
        let ended = rig.shop.init(&pod).start().kill_after(after).ended;
        killed += u32::from(ended == Ended::Signal(KILLED));
        row.count(
            || format!("after {after:?}, {start}, {ended:?}"),
            rig.check(&pod),
        );
    }
    row.note = format!("{killed} died in mid-run, the others had ended");
    row
}
