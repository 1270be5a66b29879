//! What processes use, and what many times of one thing are.

use std::{fs, time::Duration};

/// What a process has used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    /// Bytes of memory that it has at the moment.
    pub resident: u64,
    /// Of it, and of the kernel for it.
    pub processor: Duration,
}

/// What a process has used until now.
pub(crate) fn used(process: u32) -> Used {
    let text = |name: &str| fs::read_to_string(format!("/proc/{process}/{name}")).unwrap();
    let status = text("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    let stat = text("stat");
    // proc(5): utime and stime are the 14th and 15th fields, in hundredths of a second.
    let fields = stat.rsplit(')').next().unwrap().split_whitespace();
    let ticks = fields.skip(11).take(2).map(|it| it.parse::<u64>().unwrap());
    Used {
        resident: kib.parse::<u64>().unwrap() << 10,
        processor: Duration::from_millis(ticks.sum::<u64>() * 10),
    }
}

/// The median, 99 % and the longest.
pub(crate) fn percentiles(mut times: Vec<Duration>) -> [Duration; 3] {
    times.sort();
    let last = times.len() - 1;
    [times[last / 2], times[last * 99 / 100], times[last]]
}

/// The middle one, the least and the most, as `1.01 (0.98 to 1.05)`.
pub(crate) fn spread(mut ratios: Vec<f64>) -> String {
    ratios.sort_by(f64::total_cmp);
    let last = ratios.len() - 1;
    let (middle, low, high) = (ratios[last / 2], ratios[0], ratios[last]);
    format!("{middle:.2} ({low:.2} to {high:.2})")
}

/// Milliseconds with a tenth.
pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// Megabytes of 10^6.
pub(crate) fn megabytes(count: u64) -> String {
    format!("{} MB", count / 1_000_000)
}
