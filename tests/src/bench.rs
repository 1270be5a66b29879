//! How fast a pod has its shop, beside what one would do without Longshore.
//!
//! [`recipe`] says what the shops consist of, [`sources`] and [`prepare`] make them, once for each
//! version; [`serve`] is the server that has them and the network before it, [`place`] the file
//! system on which trees are made. [`contenders`] are the programs that fill a tree, with the
//! scripts of [`peers`] and the [`floor`] below which no program can be; [`mod@measure`] runs one
//! through a [`mod@launch`]er and counts what it takes, [`report`] and [`plot`] turn the samples
//! into figures. Rounds alternate between the programs, each round beginning with the next one,
//! so that what else the machine does hits all of them.

#![allow(
    clippy::disallowed_methods,
    reason = "the harness makes its directories itself, and has no failpoints"
)]

mod contenders;
pub mod floor;
mod launch;
mod machine;
mod matrix;
mod measure;
mod peers;
mod place;
mod plot;
mod prepare;
mod recipe;
mod report;
mod serve;
mod sources;

use crate::{
    corpus::CorpusError,
    figures,
    interrupt::{Interrupt, Interrupted},
};
use contenders::{Contender, Scene};
pub use launch::launch;
use matrix::Field;
pub use matrix::Selection;
use place::{Opened, Place};
use report::{Cell, Measured, Report};
use serve::Server;
use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

/// A program that takes longer than this is measured in [`SLOW_ROUNDS`] rounds: more would change
/// no conclusion.
const SLOW: f64 = 8.0;
const SLOW_ROUNDS: usize = 2;
/// Where the page with the figures is; what `make bench` writes stands between two marks.
const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
const MARKS: [&str; 2] = ["<!-- figures -->\n", "<!-- end of figures -->\n"];

/// What to do.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// How often each program runs, after once without being counted; those that take over 8 s run
    /// twice at most
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Where pull.json, pull.md and pull.svg go
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// Put the figures into docs/performance.md and docs/pull.svg too
    #[arg(long)]
    docs: bool,
    /// Only make the shops, which is done once for each version
    #[arg(long)]
    prepare: bool,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// There are no sources.
    #[error("no PHP sources")]
    Corpus(#[from] CorpusError),
    /// A program failed, or made another tree than the others.
    #[error("{name}: {problem}")]
    Contender {
        /// Which.
        name: &'static str,
        /// What it did.
        problem: String,
    },
    /// What `longshore` wrote cannot be read.
    #[error("the shop cannot be prepared: {0}")]
    Shop(String),
    /// The scratch directory, a process or the screen.
    #[error("cannot go on")]
    Io(#[from] io::Error),
    /// Somebody asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// Measures all that is selected, prints the tables, and writes them beside the samples.
///
/// # Errors
///
/// A program cannot be run, fails, or does not make the tree that the others make.
pub fn pull(arguments: &Arguments) -> Result<(), BenchError> {
    let interrupt = Interrupt::listen()?;
    let mut report = Report {
        machine: machine::Machine::look(),
        cells: Vec::new(),
        left_out: Vec::new(),
    };
    for (recipe, fields) in arguments.selection.fields() {
        let shop = prepare::prepare(recipe, arguments.selection.files, &interrupt)?;
        if arguments.prepare {
            continue;
        }
        let server = Server::start(&shop);
        for field in fields {
            let place = match Place::open(field.place)? {
                Opened::Place(place) => place,
                Opened::Unavailable(reason) => {
                    report
                        .left_out
                        .push(format!("{} ({reason})", field.place.name()));
                    continue;
                }
            };
            server.set_network(field.network)?;
            let scene = Scene {
                shop: &shop,
                server: &server,
                place: &place,
                cores: report.machine.cores,
            };
            let measured = measure(&field, &scene, arguments.rounds, &interrupt)?;
            report.cells.push(Cell::new(
                recipe,
                &shop,
                place.kind,
                field.network,
                &measured,
            ));
        }
    }
    fs::create_dir_all(&arguments.out)?;
    fs::write(arguments.out.join("pull.json"), report.json())?;
    fs::write(arguments.out.join("pull.md"), report.markdown())?;
    fs::write(arguments.out.join("pull.svg"), plot::svg(&report))?;
    if arguments.docs {
        document(Path::new(DOCS), &report)?;
    }
    say(&format!(
        "\n{}written to {}",
        report.markdown(),
        arguments.out.join("pull.{json,md,svg}").display()
    ))?;
    Ok(())
}

/// Runs every program of the field in every round.
fn measure(
    field: &Field,
    scene: &Scene<'_>,
    rounds: usize,
    interrupt: &Interrupt,
) -> Result<Measured, BenchError> {
    let mut measured: Measured = field
        .contenders
        .iter()
        .map(|contender| (*contender, Vec::new()))
        .collect();
    let mut limits = vec![rounds; measured.len()];
    for round in 0..=rounds {
        for turn in 0..measured.len() {
            let at = (round + turn) % measured.len();
            let (contender, samples): &mut (Contender, Vec<_>) = &mut measured[at];
            if round > limits[at] {
                continue;
            }
            interrupt.check()?;
            let sample = measure::run(*contender, scene)?;
            interrupt.check()?;
            let time = figures::time(Duration::from_secs_f64(sample.wall_seconds));
            say(&format!(
                "{} of {rounds}  {:<36} {:<30} {time}",
                round,
                field.title(),
                contender.name()
            ))?;
            // The first round reads programs and libraries from disk.
            if round > 0 {
                samples.push(sample);
            } else if sample.wall_seconds > SLOW {
                limits[at] = rounds.min(SLOW_ROUNDS);
            }
        }
    }
    Ok(measured)
}

/// Replaces the figures of the page; all else in it is written by hand.
fn document(docs: &Path, report: &Report) -> Result<(), BenchError> {
    let page = docs.join("performance.md");
    let text = fs::read_to_string(&page)?;
    let parts = text
        .split_once(MARKS[0])
        .and_then(|(before, rest)| Some((before, rest.split_once(MARKS[1])?.1)));
    let (before, after) = parts.ok_or_else(|| {
        io::Error::other(format!("{} has no marks for the figures", page.display()))
    })?;
    fs::write(
        &page,
        [before, MARKS[0], &report.markdown(), MARKS[1], after].concat(),
    )?;
    Ok(fs::write(docs.join("pull.svg"), plot::svg(report))?)
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{text}")?;
    out.flush()
}
