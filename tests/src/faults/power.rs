//! Class 39: the power goes in the middle of a pull and its switch. What the next start finds is
//! what was on the disk, and nothing of what the kernel still held: the image of the file system is
//! copied at that instant, the copy is mounted, and its journal is replayed.

use super::{
    Counts, Row, Start,
    image::{self, BTRFS, Kind, ORDERED, WRITEBACK},
    kill::points,
    rig::Rig,
};
use crate::process::{Program, binary};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// When it goes.
#[derive(Debug, Clone, Copy)]
enum Cut {
    /// At this failpoint, from 1.
    Point(usize),
    /// So long after the start; what was written by then is on the disk so long after it, as the
    /// kernel writes when it likes.
    Time { after: Duration, written: Duration },
}

/// The machine runs a pod's init from the image, and goes dark. What the disk has then is in the
/// pod's root.
const SCRIPT: &str = r#"
    mount -o "$OPTIONS" "$IMAGE" "$POINT"
    if [ "$WRITTEN" ]; then (sleep "$WRITTEN"; sync --file-system "$POINT") & fi
    timeout --signal=KILL "$AFTER" "$INIT" || true
    wait
    # At one instant: again, where a commit that had begun went on meanwhile.
    device=$(findmnt --noheadings --output SOURCE "$POINT")
    while :; do
      before=$(cat "/sys/block/${device#/dev/}/stat")
      sleep 0.02
      cp --sparse=always "$IMAGE" "$IMAGE.cut"
      if [ "$before" = "$(cat "/sys/block/${device#/dev/}/stat")" ]; then break; fi
    done
    # What was killed a moment ago may still hold a file.
    for _ in $(seq 50); do if umount "$POINT"; then break; fi; sleep 0.1; done
    if mountpoint --quiet "$POINT"; then exit 1; fi
    mount -o "$OPTIONS" "$IMAGE.cut" "$POINT"
    mkdir -p "$POD"
    cp -a "$POINT/root/." "$POD"
"#;

pub(super) fn lost(counts: &Counts) -> Row {
    let mut row = Row::new(
        39,
        "power lost in the middle of a pull and its switch: the file system's image as it was",
    );
    if let Err(why) = image::possible() {
        (row.tried, row.survived, row.note) = (1, 1, why.to_owned());
        return row;
    }
    let (rig, mut random) = (Rig::new(0), StdRng::seed_from_u64(counts.seed));
    let mut begun = 0;
    for (kind, start) in [ORDERED, WRITEBACK, BTRFS]
        .into_iter()
        .flat_map(|kind| Start::ALL.map(|start| (kind, start)))
    {
        let points = points(&rig, start).len();
        let template = image::make(&rig, kind, &rig.pod(start));
        let whole = whole(&rig, kind, &template, start);
        let every = if counts.points > 1 { 1 } else { 40 };
        let at_points = (1..=points).step_by(every).map(Cut::Point);
        let at_times: Vec<_> = (0..counts.pods.div_ceil(3))
            .map(|_| at_some_time(&mut random, whole))
            .collect();
        for cut in at_points.chain(at_times) {
            let pod = rig.pod(start);
            let result = go_dark(&rig, kind, &template, &pod, cut);
            begun += u32::from(rig.shop.path(&pod).join("lock").exists());
            row.count(
                || format!("{}, {start}, {cut:?}", kind.name),
                result.and_then(|()| rig.check(&pod)),
            );
        }
    }
    row.note =
        format!("on ext4 in two modes and on btrfs; {begun} had something of the pull on the disk");
    if begun == 0 {
        row.count(String::new, Err("nothing was ever on the disk".to_owned()));
    }
    row
}

fn at_some_time(random: &mut StdRng, whole: Duration) -> Cut {
    let after = whole.mul_f64(random.random_range(0.05..1.0));
    Cut::Time {
        after,
        written: after.mul_f64(random.random_range(0.0..1.0)),
    }
}

/// How long a pull takes on it.
fn whole(rig: &Rig, kind: Kind, template: &Path, start: Start) -> Duration {
    let pod = rig.pod(start);
    let begin = Instant::now();
    go_dark(
        rig,
        kind,
        template,
        &pod,
        Cut::Time {
            after: Duration::from_mins(1),
            written: Duration::ZERO,
        },
    )
    .expect("nothing goes dark");
    rig.check(&pod)
        .expect("a pull without any fault is as it must be");
    begin.elapsed()
}

fn go_dark(rig: &Rig, kind: Kind, template: &Path, pod: &str, cut: Cut) -> Result<(), String> {
    let (root, point) = (rig.shop.path(pod), rig.shop.path(format!("{pod}.point")));
    let image = rig.shop.path(format!("{pod}.image"));
    image::copy(template, &image);
    drop(fs::remove_dir_all(&root));
    fs::create_dir(&point).map_err(|error| error.to_string())?;
    let seconds = |time: Duration| format!("{:.4}", time.as_secs_f64());
    let (after, written, steered) = match cut {
        Cut::Point(at) => ("60".to_owned(), String::new(), Some(format!("{at}:kill"))),
        Cut::Time { after, written } => (seconds(after), seconds(written), None),
    };
    let program = Program::new("unshare")
        .args(["--mount", "sh", "-euc", SCRIPT])
        .envs(rig.shop.pod_environment(pod));
    let program = program
        .env("LONGSHORE_ROOT", point.join("root"))
        .env("INIT", binary("longshore-init"))
        .env("OPTIONS", kind.options);
    let program = program
        .env("IMAGE", &image)
        .env("POINT", &point)
        .env("POD", &root)
        .env("AFTER", after)
        .env("WRITTEN", written);
    let outcome = program.envs(steered.map(|at| ("FAILPOINT", at))).run();
    for rest in [image.clone(), image.with_extension("image.cut")] {
        drop(fs::remove_file(rest));
    }
    drop(fs::remove_dir(point));
    if outcome.code() == Some(0) {
        Ok(())
    } else {
        Err(format!(
            "the disk cannot be read afterwards: {:?}: {}",
            outcome.ended, outcome.stderr
        ))
    }
}
