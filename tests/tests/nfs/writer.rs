//! A shop that writes: numbered lines, each on the server before the next.

use crate::guest::note;
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

const PAUSE: Duration = Duration::from_millis(20);

/// A thread that writes to a file which it opened once.
pub(crate) struct Writer {
    written: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<()>>,
}

impl Writer {
    /// Starts one, and waits for its first line.
    pub(crate) fn start(path: &Path) -> Self {
        let mut file = File::create(path).unwrap();
        let (written, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stop) = (Arc::clone(&written), Arc::clone(&over));
        let thread = thread::spawn(move || {
            for number in 1.. {
                writeln!(file, "{number}")?;
                file.sync_data()?;
                count.store(number, Relaxed);
                if stop.load(Relaxed) {
                    break;
                }
                thread::sleep(PAUSE);
            }
            Ok(())
        });
        let writer = Self { written, over, thread };
        writer.goes_on(Duration::from_secs(20));
        writer
    }

    /// How many lines are on the server, as far as the writer was told.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Waits for more lines.
    #[track_caller]
    pub(crate) fn goes_on(&self, within: Duration) {
        let (begin, before) = (Instant::now(), self.written());
        while self.written() < before + 2 {
            let elapsed = begin.elapsed();
            assert!(elapsed < within && !self.thread.is_finished(), "the writer does not go on after line {before} ({elapsed:.0?})");
            thread::sleep(PAUSE);
        }
        note(format!("writer goes on after line {before}, within {:.1?}", begin.elapsed()));
    }

    /// Ends it, and compares what the server has with what the writer was told.
    #[track_caller]
    pub(crate) fn finish(self, on_server: &Path) {
        self.goes_on(Duration::from_secs(60));
        self.over.store(true, Relaxed);
        self.thread.join().unwrap().expect("no write fails");
        let expected: String = (1..=self.written.load(Relaxed)).map(|number| format!("{number}\n")).collect();
        assert!(fs::read_to_string(on_server).unwrap() == expected, "{} is not what was written", on_server.display());
    }
}
