//! Class 25: the file server stops, freezes and comes back, while tunnels are killed and the agent is asked to end. It takes a kernel with
//! NFS, client and server, so it runs the tests in `tests/nfs`, each of which boots one of its own.

use super::{Counts, Row};
use crate::process::{Program, binary};
use std::{fs, path::PathBuf, time::Duration};

/// The tests of these files.
const ABOUT: [&str; 4] = ["outages::", "tls::", "ending::", "whole::"];
/// Some of them wait for minutes, three at a time.
const LIFE: Duration = Duration::from_mins(30);

/// The program with the tests, as cargo built it last.
fn tests() -> Option<PathBuf> {
    let directory = binary("longshore-agent").parent()?.join("deps");
    let files = fs::read_dir(directory).ok()?.filter_map(Result::ok);
    let built = files.filter(|file| file.file_name().to_str().is_some_and(|name| name.starts_with("nfs-") && !name.contains('.')));
    built.max_by_key(|file| file.metadata().and_then(|metadata| metadata.modified()).ok()).map(|file| file.path())
}

pub(super) fn outages(_: &Counts) -> Row {
    let mut row = Row::new(25, "the NFS server is stopped, frozen, restarted; the tunnel is killed; SIGTERM meanwhile");
    let Some(tests) = tests() else {
        row.count(|| "tests/nfs".to_owned(), Err("they are not built: `cargo build --tests` comes first".to_owned()));
        return row;
    };
    let outcome = Program::new(tests).args(ABOUT).args(["--ignored", "--test-threads=3"]).deadline(LIFE).run();
    // Below that word is what failed tests wrote, a guest's own verdict among it.
    let lines = outcome.stdout.lines().take_while(|line| *line != "failures:");
    for (name, verdict) in lines.filter_map(|line| line.strip_prefix("test ")?.split_once(" ... ")) {
        let result = if verdict.starts_with("ok") { Ok(()) } else { Err(verdict.to_owned()) };
        row.count(|| name.to_owned(), result);
    }
    if row.tried == 0 {
        row.count(|| "tests/nfs".to_owned(), Err(format!("no test ran: {}", outcome.stderr)));
    }
    row
}
