//! From samples to figures.

use super::{
    contenders::{Contender, Role},
    machine::Machine,
    measure::Sample,
    place,
    prepare::Prepared,
    recipe::Recipe,
    serve::{GIGABIT, Network},
};
use crate::figures;
use serde::Serialize;
use std::{fmt::Write as _, iter, time::Duration};

/// All figures of one call of the benchmark.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) machine: Machine,
    pub(super) cells: Vec<Cell>,
    /// What was asked for and could not be measured, with the reason.
    pub(super) left_out: Vec<String>,
}

/// One shop on one file system behind one network.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cell {
    shop: Recipe,
    place: place::Kind,
    network: Network,
    modules: usize,
    files: u64,
    bytes: u64,
    packed_bytes: u64,
    pub(super) rows: Vec<Row>,
}

/// One program.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) wall_seconds: Spread,
    cpu_seconds: Spread,
    peak_bytes: Spread,
    received_bytes: Spread,
    requests: Spread,
    /// How many times as long as the best peer of the same round it took.
    to_best_peer: Option<Spread>,
    /// How many times as long as the floor of the same round it took.
    to_floor: Option<Spread>,
    /// How many times as long as its bytes alone take at 1 Gbit/s it took.
    to_wire: Option<Spread>,
    #[serde(skip)]
    pub(super) ours: bool,
    samples: Vec<Sample>,
}

/// The smallest, the middle and the largest of some values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) min: f64,
    pub(super) median: f64,
    pub(super) max: f64,
}

impl Spread {
    /// Of no values: nothing.
    fn new(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        Some(Self {
            min: sorted[0],
            median: f64::midpoint(sorted[last / 2], sorted[last.div_ceil(2)]),
            max: sorted[last],
        })
    }
}

/// What was measured of each program, by round.
pub(super) type Measured = Vec<(Contender, Vec<Sample>)>;

impl Cell {
    pub(super) fn new(
        recipe: Recipe,
        shop: &Prepared,
        place: place::Kind,
        network: Network,
        measured: &Measured,
    ) -> Self {
        let walls = |wanted: Contender| {
            measured
                .iter()
                .find(|(contender, _)| *contender == wanted)
                .map(|(_, samples)| &samples[..])
        };
        let median = |samples: &[Sample]| {
            Spread::new(samples.iter().map(|sample| sample.wall_seconds))
                .map(|spread| spread.median)
        };
        let peers = measured
            .iter()
            .filter(|(contender, _)| contender.role() == Role::Peer);
        let best = peers
            .filter_map(|(_, samples)| Some((median(samples)?, samples)))
            .min_by(|one, other| one.0.total_cmp(&other.0));
        let best = best.map(|(_, samples)| &samples[..]);
        let rows = measured.iter().filter_map(|(contender, samples)| {
            let floor = walls(contender.floor()).filter(|_| contender.role() != Role::Floor);
            let best = best.filter(|_| !contender.is_on_one_core());
            Row::new(*contender, samples, best, floor, network)
        });
        let rows = rows.collect();
        let Prepared {
            modules,
            files,
            bytes,
            packed,
            ..
        } = shop;
        Self {
            shop: recipe,
            place,
            network,
            modules: modules.len(),
            files: *files,
            bytes: *bytes,
            packed_bytes: *packed,
            rows,
        }
    }

    pub(super) fn title(&self) -> String {
        format!(
            "{} shop, {}, {}",
            self.shop.name(),
            self.place.name(),
            self.network.name()
        )
    }

    fn markdown(&self) -> String {
        let (files, bytes, packed) = (
            figures::count(self.files),
            figures::bytes(self.bytes),
            figures::bytes(self.packed_bytes),
        );
        let head = [
            "",
            "min",
            "median",
            "max",
            "× best peer",
            "× floor",
            "× wire",
            "CPU",
            "peak memory",
            "received",
            "requests",
        ];
        let rows: Vec<_> = self.rows.iter().map(Row::cells).collect();
        let table = figures::table(&head, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], &rows);
        format!(
            "### {}\n{} modules, {files} files, {bytes} ({packed} packed).\n\n{table}\n",
            capital(&self.title()),
            self.modules
        )
    }
}

impl Row {
    #[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
    fn new(
        contender: Contender,
        samples: &[Sample],
        best: Option<&[Sample]>,
        floor: Option<&[Sample]>,
        network: Network,
    ) -> Option<Self> {
        let of = |value: fn(&Sample) -> f64| Spread::new(samples.iter().map(value));
        let ratio = |to: &[Sample]| {
            Spread::new(iter::zip(samples, to).map(|(own, to)| own.wall_seconds / to.wall_seconds))
        };
        let wire =
            |sample: &Sample| sample.wall_seconds / (sample.received_bytes as f64 / GIGABIT as f64);
        Some(Self {
            name: contender.name(),
            wall_seconds: of(|sample| sample.wall_seconds)?,
            cpu_seconds: of(|sample| sample.cpu_seconds)?,
            peak_bytes: of(|sample| sample.peak_bytes as f64)?,
            received_bytes: of(|sample| sample.received_bytes as f64)?,
            requests: of(|sample| sample.requests as f64)?,
            to_best_peer: best.and_then(ratio),
            to_floor: floor.and_then(ratio),
            to_wire: (network == Network::Gigabit && contender.downloads_all())
                .then(|| Spread::new(samples.iter().map(wire)))
                .flatten(),
            ours: contender.role() == Role::Ours,
            samples: samples.to_vec(),
        })
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bytes that were whole and positive before"
    )]
    fn cells(&self) -> Vec<String> {
        let time = |seconds: f64| figures::time(Duration::from_secs_f64(seconds));
        let bytes = |spread: Spread| figures::bytes(spread.median as u64);
        let ratio = |ratio: Option<Spread>| {
            ratio
                .map(|ratio| format!("{:.2}", ratio.median))
                .unwrap_or_default()
        };
        let Spread { min, median, max } = self.wall_seconds;
        let requests = figures::count(self.requests.median as u64);
        [
            self.name.into(),
            time(min),
            time(median),
            time(max),
            ratio(self.to_best_peer),
            ratio(self.to_floor),
            ratio(self.to_wire),
            time(self.cpu_seconds.median),
            bytes(self.peak_bytes),
            bytes(self.received_bytes),
            requests,
        ]
        .into()
    }
}

impl Report {
    pub(super) fn json(&self) -> String {
        // Strings and finite numbers: nothing that JSON could not hold.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    pub(super) fn markdown(&self) -> String {
        let mut text = format!("{}\n\n", self.machine.sentence());
        for cell in &self.cells {
            text += &cell.markdown();
            text.push('\n');
        }
        for reason in &self.left_out {
            // Writing to a string cannot fail.
            writeln!(text, "Left out: {reason}\n").unwrap_or_default();
        }
        text
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(walls: &[f64]) -> Vec<Sample> {
        walls
            .iter()
            .map(|wall| Sample {
                wall_seconds: *wall,
                received_bytes: GIGABIT,
                ..Sample::default()
            })
            .collect()
    }

    #[test]
    fn the_median_of_an_even_count_is_between_the_two_in_the_middle() {
        assert_eq!(
            Spread::new([4.0, 1.0, 2.0, 3.0].into_iter()),
            Some(Spread {
                min: 1.0,
                median: 2.5,
                max: 4.0
            })
        );
        assert_eq!(
            Spread::new([7.0].into_iter()),
            Some(Spread {
                min: 7.0,
                median: 7.0,
                max: 7.0
            })
        );
        assert_eq!(Spread::new([].into_iter()), None);
    }

    #[test]
    fn ratios_compare_runs_of_the_same_round() {
        let row = Row::new(
            Contender::Cold,
            &samples(&[2.0, 30.0]),
            Some(&samples(&[1.0, 10.0])),
            None,
            Network::Gigabit,
        )
        .unwrap();
        assert_eq!(
            row.to_best_peer,
            Some(Spread {
                min: 2.0,
                median: 2.5,
                max: 3.0
            })
        );
        assert_eq!(
            row.to_wire,
            Some(Spread {
                min: 2.0,
                median: 16.0,
                max: 30.0
            }),
            "one second of bytes"
        );
        assert_eq!(row.to_floor, None);
    }
}
