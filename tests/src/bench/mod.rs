//! How fast a pod has its shop, beside what one would do without Longshore.
//!
//! [`shops`] makes what is pulled and the server that has it, [`contenders`] are the programs that pull it, [`measure`] runs one
//! and counts what it takes, [`report`] turns the samples into figures, JSON and Markdown. Rounds alternate between the programs,
//! each round beginning with the next one, so that what else the machine does hits all of them.

#![allow(clippy::disallowed_methods, reason = "the harness makes its directories itself, and has no failpoints")]

mod contenders;
pub mod floor;
mod measure;
mod report;
mod shops;

use crate::{
    corpus::CorpusError,
    figures,
    interrupt::{Interrupt, Interrupted},
};
use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
};

/// What to do.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// How often each program runs, after once without being counted
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Where pull.json and pull.md go
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
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

/// Measures cold pulls of the demo's shop, prints the table, and writes it beside the samples.
///
/// # Errors
///
/// A program cannot be run, fails, or does not make the tree that the others make.
pub fn pull(arguments: &Arguments) -> Result<(), BenchError> {
    let interrupt = Interrupt::listen()?;
    let served = shops::serve(&interrupt)?;
    let contenders = contenders::all(&served);
    let mut samples = vec![Vec::new(); contenders.len()];
    for round in 0..=arguments.rounds {
        for turn in 0..contenders.len() {
            interrupt.check()?;
            let at = (round + turn) % contenders.len();
            let contender = &contenders[at];
            let sample = measure::run(contender, &served)?;
            interrupt.check()?;
            say(&format!("round {round} of {}  {:<16} {}", arguments.rounds, contender.name, figures::time(sample.wall)))?;
            // The first round reads programs and libraries from disk.
            if round > 0 {
                samples[at].push(sample);
            }
        }
    }
    let names: Vec<_> = contenders.iter().map(|contender| contender.name).collect();
    let report = report::Report::new(&served, &names, samples);
    fs::create_dir_all(&arguments.out)?;
    fs::write(arguments.out.join("pull.json"), report.json())?;
    fs::write(arguments.out.join("pull.md"), report.markdown())?;
    say(&format!("\n{}\nwritten to {}", report.markdown(), arguments.out.join("pull.{json,md}").display()))?;
    Ok(())
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{text}")?;
    out.flush()
}
