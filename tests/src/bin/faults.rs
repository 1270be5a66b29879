//! `make faults`: every fault loop at full counts, and a table of how often everything held.

use clap::Parser;
use e2e::{
    faults::{Counts, LOOPS, Row, WITH_KERNEL},
    figures::table,
};
use std::{
    fs::File,
    io::{self, Write as _},
    path::PathBuf,
    process::{Command, ExitCode},
    time::Instant,
};

/// Runs the fault loops and writes a table "survived / tried", with seed and commit.
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
    /// Only these classes (repeat for each)
    #[arg(long = "class", value_name = "NUMBER")]
    classes: Vec<u32>,
}

fn main() -> io::Result<ExitCode> {
    let arguments = Arguments::parse();
    let counts = Counts { seed: arguments.seed, ..if arguments.modest { Counts::MODEST } else { Counts::FULL } };
    let mut rows: Vec<Row> = Vec::new();
    let mut loops: Vec<_> = LOOPS.iter().chain(WITH_KERNEL).collect();
    loops.sort_by_key(|(number, _)| *number);
    for (number, run) in loops.into_iter().filter(|(number, _)| arguments.classes.is_empty() || arguments.classes.contains(number)) {
        let begin = Instant::now();
        let row = run(&counts);
        writeln!(
            io::stderr(),
            "class {number}: {} of {} survived: {} ({:.0?}) {}",
            row.survived,
            row.tried,
            row.fault,
            begin.elapsed(),
            row.note
        )?;
        rows.push(row);
    }
    // A tree with changes of its own says so.
    let commit = Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]).output()?;
    let commit = String::from_utf8_lossy(&commit.stdout).trim().to_owned();
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.number.to_string(),
                row.fault.to_owned(),
                format!("{} / {}", row.survived, row.tried),
                [&row.failures[..], std::slice::from_ref(&row.note)].concat().join("; "),
            ]
        })
        .collect();
    let text = table(&["#", "fault", "survived / tried", "notes, first failures"], &[0, 2], &lines);
    let text = format!("Seed {}, commit {commit}. Zero failures in n runs bound the rate by 3/n.\n\n{text}\n", arguments.seed);
    make(&arguments.out)?;
    File::create(arguments.out.join("faults.md"))?.write_all(text.as_bytes())?;
    let json = serde_json::json!({"seed": arguments.seed, "commit": commit, "rows": rows});
    File::create(arguments.out.join("faults.json"))?.write_all(json.to_string().as_bytes())?;
    io::stdout().write_all(text.as_bytes())?;
    let all = rows.iter().all(|row| row.tried > 0 && row.survived == row.tried);
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[allow(clippy::disallowed_methods, reason = "the harness writes its reports itself, and has no failpoints")]
fn make(directory: &std::path::Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)
}
