//! `make faults`: every fault loop at full counts, and a table of how often everything held.

use clap::Parser;
use e2e::{
    faults::{BY_TESTS, Counts, LOOPS, Loop, ON_CLUSTER, Row},
    figures::table,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    thread,
    time::Instant,
};

/// Runs the fault loops and writes a table "survived / tried", with seed and commit. Rows of an
/// earlier run that are not tried now stay in it.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where faults.md and faults.json go
    #[arg(long, value_name = "DIRECTORY")]
    out: PathBuf,
    /// Where random numbers start
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The counts of `make test` instead of full ones
    #[arg(long)]
    modest: bool,
    /// Between the two: each loop thirty times or more
    #[arg(long, conflicts_with = "modest")]
    thirty: bool,
    /// The classes that need a cluster, inside of one, and no others
    #[arg(long)]
    cluster: bool,
    /// Only these classes (repeat for each)
    #[arg(long = "class", value_name = "NUMBER")]
    classes: Vec<u32>,
}

/// Classes that wait most of the time: of each list one after another, beside the others.
const WAITING: [&[u32]; 2] = [&[9, 10, 14, 23, 25, 36, 43], &[24, 26, 37, 38, 42, 45]];

/// Characters of a note: a failure may have the whole log of a program.
const LONGEST: usize = 600;

/// A class that was tried.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Tried {
    #[serde(flatten)]
    row: Row,
    /// How long that took.
    seconds: u64,
    seed: u64,
    commit: String,
}

struct Run {
    arguments: Arguments,
    commit: String,
    rows: Mutex<Vec<Tried>>,
}

fn main() -> io::Result<ExitCode> {
    let arguments = Arguments::parse();
    let counts = match (arguments.modest, arguments.thirty) {
        (true, _) => Counts::MODEST,
        (_, true) => Counts::THIRTY,
        _ => Counts::FULL,
    };
    let counts = Counts {
        seed: arguments.seed,
        ..counts
    };
    let all: Vec<&Loop> = if arguments.cluster {
        ON_CLUSTER.iter().collect()
    } else {
        LOOPS.iter().chain(BY_TESTS).collect()
    };
    let asked = |number: &u32| arguments.classes.is_empty() || arguments.classes.contains(number);
    let mut loops: Vec<_> = all
        .into_iter()
        .filter(|(number, _)| asked(number))
        .copied()
        .collect();
    loops.sort_by_key(|(number, _)| *number);
    // On a cluster, each test has all of it.
    let waiting = WAITING.map(|numbers| {
        loops
            .extract_if(.., |(number, _)| {
                !arguments.cluster && numbers.contains(number)
            })
            .collect::<Vec<_>>()
    });
    make(&arguments.out)?;
    let before = fs::read(arguments.out.join("faults.json"))
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok());
    let run = Run {
        commit: commit()?,
        rows: Mutex::new(before.unwrap_or_default()),
        arguments,
    };
    let all = thread::scope(|scope| {
        let beside = waiting
            .each_ref()
            .map(|waiting| scope.spawn(|| run.all(waiting, &counts)));
        let mut all = run.all(&loops, &counts)?;
        for beside in beside {
            all &= beside
                .join()
                .map_err(|_| io::Error::other("a class panicked"))??;
        }
        Ok::<_, io::Error>(all)
    })?;
    let table = fs::read(run.arguments.out.join("faults.md"))?;
    io::stdout().write_all(&table)?;
    Ok(if all {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Run {
    /// Runs these classes one after another; whether all of them held.
    fn all(&self, loops: &[Loop], counts: &Counts) -> io::Result<bool> {
        let mut all = true;
        for (number, run) in loops {
            let begin = Instant::now();
            let row = run(counts);
            all &= row.tried > 0 && row.survived == row.tried;
            let tried = Tried {
                row,
                seconds: begin.elapsed().as_secs(),
                seed: self.arguments.seed,
                commit: self.commit.clone(),
            };
            let Row {
                tried: times,
                survived,
                fault,
                note,
                ..
            } = &tried.row;
            writeln!(
                io::stderr(),
                "class {number}: {survived} of {times} survived: {fault} ({} s) {note}",
                tried.seconds
            )?;
            self.add(tried)?;
        }
        Ok(all)
    }

    // At once: who ends the run keeps what it tried.
    fn add(&self, tried: Tried) -> io::Result<()> {
        let mut rows = self.rows.lock();
        let is_same = |other: &Tried| {
            (other.row.number, &other.row.fault) == (tried.row.number, &tried.row.fault)
        };
        rows.retain(|other| !is_same(other));
        rows.push(tried);
        rows.sort_by(|one, other| {
            (one.row.number, &one.row.fault).cmp(&(other.row.number, &other.row.fault))
        });
        write(
            &self.arguments.out,
            "faults.json",
            serde_json::to_string(&*rows)?.as_bytes(),
        )?;
        write(&self.arguments.out, "faults.md", text(&rows).as_bytes())
    }
}

fn text(rows: &[Tried]) -> String {
    let mut of: Vec<_> = rows
        .iter()
        .map(|tried| format!("seed {}, commit {}", tried.seed, tried.commit))
        .collect();
    of.sort();
    of.dedup();
    let several = of.len() > 1;
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(
            |Tried {
                 row,
                 seconds,
                 commit,
                 ..
             }| {
                let from = several.then(|| format!("commit {}", &commit[..commit.len().min(8)]));
                let notes = row
                    .failures
                    .iter()
                    .chain(Some(&row.note))
                    .chain(&from)
                    .filter(|note| !note.is_empty());
                let notes: Vec<_> = notes
                    .map(|note| {
                        note.split_whitespace()
                            .collect::<Vec<_>>()
                            .join(" ")
                            .chars()
                            .take(LONGEST)
                            .collect::<String>()
                    })
                    .collect();
                vec![
                    row.number.to_string(),
                    row.fault.clone(),
                    format!("{} / {}", row.survived, row.tried),
                    seconds.to_string(),
                    notes.join("; "),
                ]
            },
        )
        .collect();
    let table = table(
        &[
            "#",
            "fault",
            "survived / tried",
            "seconds",
            "notes, first failures",
        ],
        &[0, 2, 3],
        &lines,
    );
    format!(
        "Of {}. Zero failures in n runs bound the rate by 3/n.\n\n{table}\n",
        of.join("; ")
    )
}

/// A tree with changes of its own says so.
fn commit() -> io::Result<String> {
    let commit = Command::new("git")
        .args([
            "describe",
            "--always",
            "--dirty",
            "--abbrev=40",
            "--exclude=*",
        ])
        .output()?;
    Ok(String::from_utf8_lossy(&commit.stdout).trim().to_owned())
}

fn write(directory: &Path, name: &str, text: &[u8]) -> io::Result<()> {
    File::create(directory.join(name))?.write_all(text)
}

#[allow(
    clippy::disallowed_methods,
    reason = "the harness writes its reports itself, and has no failpoints"
)]
fn make(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)
}
