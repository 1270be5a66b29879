//! From samples to figures.

use super::{measure::Sample, shops::Served};
use crate::{figures, process::Program};
use serde::Serialize;
use std::{iter, thread, time::Duration};

/// The figures of one comparison.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    commit: String,
    cores: usize,
    modules: usize,
    files: u64,
    bytes: u64,
    packed_bytes: u64,
    contenders: Vec<Figures>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    name: &'static str,
    wall_seconds: Spread,
    cpu_seconds: Spread,
    peak_bytes: Spread,
    /// How many times as long as the first contender of the same round it took.
    ratio: Spread,
    samples: Vec<Sample>,
}

/// The smallest, the middle and the largest of some values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

impl Spread {
    /// Of no values: zeros.
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
        let last = sorted.len().saturating_sub(1);
        Self { min: at(0), median: f64::midpoint(at(last / 2), at(last.div_ceil(2))), max: at(last) }
    }
}

impl Report {
    /// Of samples in the order of `names`, each with one for every round.
    pub(super) fn new(served: &Served, names: &[&'static str], samples: Vec<Vec<Sample>>) -> Self {
        let first: Vec<f64> =
            samples.first().map(|samples| samples.iter().map(|sample| sample.wall.as_secs_f64()).collect()).unwrap_or_default();
        let contenders = iter::zip(names, samples).map(|(name, samples)| figures_of(name, samples, &first)).collect();
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let Served { files, bytes, packed, tarballs, .. } = served;
        Self { commit: commit(), cores, modules: tarballs.len(), files: *files, bytes: *bytes, packed_bytes: *packed, contenders }
    }

    pub(super) fn json(&self) -> String {
        // Strings and finite numbers: nothing that JSON could not hold.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    pub(super) fn markdown(&self) -> String {
        let rounds = self.contenders.first().map_or(0, |figures| figures.samples.len());
        let (files, bytes, packed) = (figures::count(self.files), figures::bytes(self.bytes), figures::bytes(self.packed_bytes));
        let head = ["cold pull", "min", "median", "max", "ratio (min–max)", "CPU", "peak memory"];
        let rows: Vec<_> = self.contenders.iter().map(Figures::row).collect();
        format!(
            "{} modules, {files} files, {bytes} ({packed} packed); {rounds} alternated rounds on {} cores and tmpfs, our S3 server on loopback as\n\
             a process of its own. Ratio: time against longshore-init in the same round. CPU: median of user and system time. Peak memory: median of\n\
             the largest process. Commit {}.\n\n{}\n",
            self.modules,
            self.cores,
            self.commit,
            figures::table(&head, &[1, 2, 3, 4, 5, 6], &rows)
        )
    }
}

impl Figures {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes that were whole and positive before")]
    fn row(&self) -> Vec<String> {
        let time = |seconds: f64| figures::time(Duration::from_secs_f64(seconds));
        let Spread { min, median, max } = self.wall_seconds;
        let ratio = format!("{:.2} ({:.2}–{:.2})", self.ratio.median, self.ratio.min, self.ratio.max);
        let (cpu, peak) = (time(self.cpu_seconds.median), figures::bytes(self.peak_bytes.median as u64));
        vec![self.name.into(), time(min), time(median), time(max), ratio, cpu, peak]
    }
}

#[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
fn figures_of(name: &'static str, samples: Vec<Sample>, first: &[f64]) -> Figures {
    let wall = || samples.iter().map(|sample| sample.wall.as_secs_f64());
    Figures {
        name,
        wall_seconds: Spread::of(wall()),
        cpu_seconds: Spread::of(samples.iter().map(|sample| sample.cpu.as_secs_f64())),
        peak_bytes: Spread::of(samples.iter().map(|sample| sample.peak as f64)),
        ratio: Spread::of(iter::zip(wall(), first).map(|(own, first)| own / first)),
        samples,
    }
}

/// The commit that was measured, with a mark where the tree has more than it.
fn commit() -> String {
    let git = |arguments: &[&str]| Program::new("git").directory(env!("CARGO_MANIFEST_DIR")).args(arguments).run().stdout.trim().to_owned();
    let dirty = if git(&["status", "--porcelain", "--untracked-files=no"]).is_empty() { "" } else { " with changes" };
    format!("{}{dirty}", git(&["rev-parse", "--short", "HEAD"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(wall: u64) -> Sample {
        Sample { wall: Duration::from_secs(wall), cpu: Duration::from_secs(1), peak: 1 << 20 }
    }

    #[test]
    fn the_median_of_an_even_count_is_between_the_two_in_the_middle() {
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0].into_iter()), Spread { min: 1.0, median: 2.5, max: 4.0 });
        assert_eq!(Spread::of([7.0].into_iter()), Spread { min: 7.0, median: 7.0, max: 7.0 });
    }

    #[test]
    fn ratios_compare_runs_of_the_same_round() {
        let figures = figures_of("other", vec![sample(2), sample(30)], &[1.0, 10.0]);
        assert_eq!(figures.ratio, Spread { min: 2.0, median: 2.5, max: 3.0 });
        assert_eq!(figures.row()[3..5], ["30.0 s".to_owned(), "2.50 (2.00–3.00)".to_owned()]);
    }
}
