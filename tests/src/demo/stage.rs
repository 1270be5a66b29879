//! Where the demo plays: the server, the shop, and the notes of what each step took.

use super::DemoError;
use crate::{
    figures,
    interrupt::Interrupt,
    process::{Ended, Outcome, Program},
    s3::{Options, Server},
    shop::{Shop, last_event},
};
use serde_json::Value;
use std::{
    io::{self, Write as _},
    thread,
    time::{Duration, Instant},
};

/// How long one program may take.
const DEADLINE: Duration = Duration::from_mins(5);

/// The server, the shop, and what happened so far.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) interrupt: Interrupt,
    pub(super) server: Server,
    pub(super) shop: Shop,
    rows: Vec<Vec<String>>,
}

/// A step that has begun.
#[derive(Debug)]
pub(super) struct Step {
    what: &'static str,
    begin: Instant,
    elapsed: Option<Duration>,
    received: u64,
    sent: u64,
}

impl Stage {
    /// Starts the server, in this process, and makes the shop's empty directory.
    pub(super) fn set(interrupt: Interrupt) -> Result<Self, DemoError> {
        let server = Server::start(Options::default())?;
        let shop = Shop::empty(server.location("prod"), server.environment());
        say(&format!(
            "S3 server on {}, which checks signatures; all files in {}",
            server.endpoint(),
            shop.path("").display()
        ))?;
        Ok(Self {
            interrupt,
            server,
            shop,
            rows: Vec::new(),
        })
    }

    /// Begins a step, whose time and bytes are counted from now on.
    pub(super) fn step(&self, what: &'static str) -> Result<Step, DemoError> {
        self.interrupt.check()?;
        let counts = self.server.stats();
        say(&format!("\n# {what}"))?;
        Ok(Step {
            what,
            begin: Instant::now(),
            elapsed: None,
            received: counts.bytes_received,
            sent: counts.bytes_sent,
        })
    }

    /// Notes what a step gave.
    pub(super) fn done(&mut self, step: &Step, result: &str) -> Result<(), DemoError> {
        let counts = self.server.stats();
        let elapsed = step.elapsed.unwrap_or_else(|| step.begin.elapsed());
        let moved = |now: u64, then: u64| {
            if now == then {
                "–".to_owned()
            } else {
                figures::bytes(now - then)
            }
        };
        let (up, down) = (
            moved(counts.bytes_received, step.received),
            moved(counts.bytes_sent, step.sent),
        );
        say(&format!("  {} ({})", result, figures::time(elapsed)))?;
        self.rows.push(vec![
            (self.rows.len() + 1).to_string(),
            step.what.into(),
            figures::time(elapsed),
            up,
            down,
            result.into(),
        ]);
        Ok(())
    }

    /// Runs a program that must end with `code`; the step's time is that of its programs.
    pub(super) fn run(
        &self,
        step: &mut Step,
        program: Program,
        code: i32,
    ) -> Result<Outcome, DemoError> {
        let line = program.line();
        say(&format!("$ {line}"))?;
        let mut running = program.deadline(DEADLINE).start();
        while running.is_running() && step.begin.elapsed() < DEADLINE {
            self.interrupt.check()?;
            thread::sleep(Duration::from_millis(2));
        }
        let outcome = running.wait();
        step.elapsed = Some(step.elapsed.unwrap_or_default() + outcome.elapsed);
        if outcome.ended == Ended::Code(code) {
            return Ok(outcome);
        }
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        Err(DemoError::Program {
            line,
            ended: format!("{:?}", outcome.ended),
            expected: format!("{:?}", Ended::Code(code)),
            said,
        })
    }

    /// Runs `longshore` and gives its JSON.
    pub(super) fn longshore(
        &self,
        step: &mut Step,
        arguments: &[&str],
    ) -> Result<Value, DemoError> {
        let program = self
            .shop
            .longshore_program(arguments.iter().chain(&["--output", "json"]));
        let outcome = self.run(step, program, 0)?;
        serde_json::from_str(&outcome.stdout)
            .map_err(|error| DemoError::Result(format!("{error}: {}", outcome.stdout)))
    }

    /// Starts a pod, whose `longshore-init` must end with `code`, and gives its last event.
    pub(super) fn init(&self, step: &mut Step, pod: &str, code: i32) -> Result<Value, DemoError> {
        Ok(last_event(&self.run(step, self.shop.init(pod), code)?))
    }

    pub(super) fn table(&self) -> String {
        figures::table(
            &["", "what happened", "time", "to S3", "from S3", "result"],
            &[0, 2, 3, 4],
            &self.rows,
        )
    }
}

/// Writes a line at once, so that a person sees what is going on.
pub(super) fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{text}")?;
    out.flush()
}
