//! What processes use, and what many times of one thing are.

use std::{fs, time::Duration};

/// What a process has used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    /// Megabytes of memory that it has at the moment, of 10^6 bytes.
    pub megabytes: f64,
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
        megabytes: kib.parse::<f64>().unwrap() * 1024.0 / 1e6,
        processor: Duration::from_millis(ticks.sum::<u64>() * 10),
    }
}

/// The median, 99 % and the longest.
pub(crate) fn percentiles(mut times: Vec<Duration>) -> [Duration; 3] {
    times.sort();
    let last = times.len() - 1;
    [times[last / 2], times[last * 99 / 100], times[last]]
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) / 2]
}

/// The middle one, the least and the most, as `1.01 (0.98 to 1.05)`.
pub(crate) fn spread(values: Vec<f64>) -> String {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{:.2} ({low:.2} to {high:.2})", median(values))
}

/// Milliseconds with a tenth.
pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
