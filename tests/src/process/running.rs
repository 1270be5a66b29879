//! A program that runs, and what it has written so far.

use super::{Ended, Outcome};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    io::{self, Read},
    os::unix::process::ExitStatusExt as _,
    process::{Child, ExitStatus},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How often a program is asked whether it has ended.
const POLL: Duration = Duration::from_millis(2);

/// A program that runs; it and its children are killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    begin: Instant,
    deadline: Duration,
    stdout: Output,
    stderr: Output,
    over: bool,
}

impl Running {
    pub(super) fn new(mut child: Child, begin: Instant, deadline: Duration) -> Self {
        let (stdout, stderr) = (
            Output::new(child.stdout.take()),
            Output::new(child.stderr.take()),
        );
        Self {
            child,
            begin,
            deadline,
            stdout,
            stderr,
            over: false,
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to it and its children.
    ///
    /// # Errors
    ///
    /// It has ended already.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let group = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .ok_or(io::ErrorKind::InvalidInput)?;
        Ok(kill_process_group(group, signal)?)
    }

    /// Waits for its end, and kills it at its deadline.
    #[must_use]
    pub fn wait(mut self) -> Outcome {
        let left = self.deadline.saturating_sub(self.begin.elapsed());
        match self.ended_within(left) {
            Some(status) => self.outcome(ended(status)),
            None => self.kill(Ended::Deadline),
        }
    }

    /// Kills it with SIGKILL `after` its start, unless it ends before.
    #[must_use]
    pub fn kill_after(mut self, after: Duration) -> Outcome {
        let left = after.saturating_sub(self.begin.elapsed());
        match self.ended_within(left) {
            Some(status) => self.outcome(ended(status)),
            None => self.kill(Ended::Signal(Signal::KILL.as_raw())),
        }
    }

    /// The first line that it writes to standard output, once it is there; a server says so where
    /// it listens.
    ///
    /// # Panics
    ///
    /// It closed its output, or its deadline passed, before it wrote a line.
    #[must_use]
    #[track_caller]
    pub fn first_line(&mut self) -> String {
        loop {
            // Not whether it runs: what it wrote last may not have been read yet.
            let writes = !self.stdout.is_finished() && self.begin.elapsed() < self.deadline;
            if let Some((line, _)) = self.stdout.text().split_once('\n') {
                return line.to_owned();
            }
            assert!(
                writes,
                "no line on standard output; standard error has {:?}",
                self.stderr.text()
            );
            thread::sleep(POLL);
        }
    }

    /// What it has written to standard output so far.
    #[must_use]
    pub fn written(&self) -> String {
        self.stdout.text()
    }

    /// What it has written to standard error so far.
    #[must_use]
    pub fn complained(&self) -> String {
        self.stderr.text()
    }

    /// What it has written to standard output after its first `bytes`.
    #[must_use]
    pub fn written_after(&self, bytes: usize) -> String {
        let written = self.stdout.bytes.lock();
        String::from_utf8_lossy(written.get(bytes..).unwrap_or_default()).into_owned()
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none())
    }

    fn ended_within(&mut self, span: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + span;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            thread::sleep(POLL.min(left));
        }
    }

    fn kill(mut self, ended: Ended) -> Outcome {
        self.end();
        self.outcome(ended)
    }

    /// Kills the whole group, so that no grandchild holds our pipes, and reaps the child.
    fn end(&mut self) {
        drop(self.signal(Signal::KILL));
        drop(self.child.wait());
        self.over = true;
    }

    fn outcome(mut self, ended: Ended) -> Outcome {
        let elapsed = self.begin.elapsed();
        if !self.over {
            self.end();
        }
        Outcome {
            ended,
            stdout: self.stdout.finish(),
            stderr: self.stderr.finish(),
            elapsed,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.over {
            self.end();
        }
    }
}

fn ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Code(code),
        (None, Some(signal)) => Ended::Signal(signal),
        (None, None) => Ended::Deadline,
    }
}

/// What a stream gives, collected by a thread so that the program never waits for us.
#[derive(Debug)]
struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Output {
    fn new(stream: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&bytes);
        let reader = stream.map(|mut stream| {
            thread::spawn(move || {
                let mut buffer = vec![0; 64 << 10];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    shared.lock().extend_from_slice(&buffer[..count]);
                }
            })
        });
        Self { bytes, reader }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock()).into_owned()
    }

    /// Whether the stream is closed, and all of it is there.
    fn is_finished(&self) -> bool {
        self.reader.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// All of it, once the stream is closed.
    fn finish(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
        self.text()
    }
}

#[cfg(test)]
mod tests {
    use crate::process::Program;

    #[test]
    fn a_line_is_awaited_until_the_output_is_closed_and_not_until_the_program_ended() {
        let late = "(sleep 0.2; echo late) &";
        let mut running = Program::new("/bin/sh").args(["-c", late]).start();
        assert_eq!(running.first_line(), "late");
    }
}
