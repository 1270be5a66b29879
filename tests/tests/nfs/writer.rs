//! A shop that writes, and is told nothing but the truth about what it wrote.

use crate::guest::{note, until};
use e2e::process::binary;
use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

/// A program that writes numbered lines to a file which it opened once.
pub(crate) struct Writer {
    child: Child,
    written: Arc<AtomicU64>,
}

impl Writer {
    /// Starts one, and waits for its first lines.
    #[track_caller]
    pub(crate) fn start(path: &str) -> Self {
        let mut writer = Self::start_blocked(path);
        writer.goes_on(Duration::from_secs(20));
        writer
    }

    /// Starts one that cannot write yet.
    pub(crate) fn start_blocked(path: &str) -> Self {
        let mut program = Command::new(binary("steady-writer"));
        let mut child = program
            .arg(path)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (lines, written) = (
            BufReader::new(child.stdout.take().unwrap()).lines(),
            Arc::new(AtomicU64::new(0)),
        );
        let count = Arc::clone(&written);
        thread::spawn(move || {
            for line in lines {
                count.store(line.unwrap().parse().unwrap(), Relaxed);
            }
        });
        Self { child, written }
    }

    /// How many lines are on the server, as far as the writer was told.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Waits for more lines.
    #[track_caller]
    pub(crate) fn goes_on(&mut self, within: Duration) {
        let (begin, before) = (Instant::now(), self.written());
        until("the writer writes", within, || {
            assert_eq!(
                self.child.try_wait().unwrap(),
                None,
                "the writer ended after line {before}"
            );
            (self.written() > before + 1).then_some(())
        });
        note(format!(
            "writer goes on after line {before}, within {:.1?}",
            begin.elapsed()
        ));
    }

    /// Waits for its end, which comes by itself where a write fails.
    #[track_caller]
    pub(crate) fn ends(&mut self, within: Duration) -> ExitStatus {
        until("the writer ends", within, || self.child.try_wait().unwrap())
    }

    /// Ends it, and compares what the server has with what the writer was told.
    #[track_caller]
    pub(crate) fn finish(mut self, on_server: &Path) {
        self.goes_on(Duration::from_mins(1));
        let told = self.written();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let lines: Vec<u64> = fs::read_to_string(on_server)
            .unwrap()
            .lines()
            .map(|line| line.parse().unwrap())
            .collect();
        assert!(
            lines.len() as u64 >= told,
            "{} lines of {told} are on the server",
            lines.len()
        );
        assert!(
            lines.iter().copied().eq(1..=lines.len() as u64),
            "{} is not what was written",
            on_server.display()
        );
    }
}
