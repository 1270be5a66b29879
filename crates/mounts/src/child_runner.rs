//! Starts disposable children, one at a time for each mount, and never waits for one that a silent
//! server holds.

use crate::child_request::{ChildRequest, ChildResult, Fault};
use std::{
    ffi::OsString,
    io,
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::{
    io::AsyncReadExt as _,
    process::{Child, Command},
    time::timeout,
};

/// How much of a child's answer is read: an action, a path and a number fit well into 16 KiB.
const ANSWER_LIMIT: u64 = 16 << 10;
/// How long a killed child may take to go: one whose server answers goes at once.
const DEATH: Duration = Duration::from_millis(200);

/// How to start a program that calls [`child_main`](crate::child_main) with its last argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The program: best the running one itself.
    pub path: PathBuf,
    /// The arguments before the order, such as a word by which the program knows what it is for.
    pub arguments: Vec<OsString>,
}

/// How a child ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It did what it was asked to, and took so long.
    Done(Duration),
    /// The kernel or the server refused.
    Refused(Fault),
    /// It did not answer before the deadline, or an earlier one is still there.
    Late,
    /// It could not be started, or gave no answer.
    Broken(io::Error),
}

/// The only way to a mount's children. A child that outlives its deadline is killed and left
/// behind: a process that waits for a server may be out of reach of signals, too. While it is there
/// no other is started, so that a hung mount never holds more than one.
#[derive(Debug)]
pub(crate) struct ChildRunner {
    program: Program,
    child: Option<Child>,
}

impl ChildRunner {
    pub(crate) fn new(program: Program) -> Self {
        Self {
            program,
            child: None,
        }
    }

    /// Has a child carry out `request`. Cancel-safe: the next call reaps a child that was not
    /// waited for.
    pub(crate) async fn ask(&mut self, request: &ChildRequest, within: Duration) -> Ended {
        if !self.reap().await {
            return Ended::Late;
        }
        let started = Instant::now();
        let ended = match timeout(within, self.start_and_listen(request)).await {
            Ok(Ok(Ok(()))) => Ended::Done(started.elapsed()),
            Ok(Ok(Err(fault))) => Ended::Refused(fault),
            Ok(Err(error)) => Ended::Broken(error),
            Err(_elapsed) => Ended::Late,
        };
        // Collects one that has answered, too; a child whose last step blocks as it exits is left
        // like any other.
        self.reap().await;
        ended
    }

    async fn start_and_listen(&mut self, request: &ChildRequest) -> io::Result<ChildResult> {
        let mut command = Command::new(&self.program.path);
        command
            .args(&self.program.arguments)
            .arg(serde_json::to_string(request)?);
        // Nothing of ours goes along: no secrets of the environment, and no working directory that
        // would keep a mount busy.
        command
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let child = self.child.insert(command.spawn()?);
        let output = child
            .stdout
            .take()
            .ok_or_else(|| io::Error::other("the child has no output"))?;
        let mut answer = Vec::new();
        output.take(ANSWER_LIMIT).read_to_end(&mut answer).await?;
        let broken = || {
            io::Error::other(format!(
                "the child gave no answer: {:?}",
                String::from_utf8_lossy(&answer)
            ))
        };
        serde_json::from_slice(&answer).map_err(|_| broken())
    }

    /// Kills the child that is still there, if any; says whether none is left.
    pub(crate) async fn reap(&mut self) -> bool {
        let Some(child) = &mut self.child else {
            return true;
        };
        // One that has answered exits by itself at once; the signal does not reach one that has
        // exited.
        let gone = match timeout(DEATH, child.wait()).await {
            Ok(_) => true,
            Err(_) => match child.start_kill() {
                Ok(()) => timeout(DEATH, child.wait()).await.is_ok(),
                Err(_) => true,
            },
        };
        if gone {
            self.child = None;
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runner(script: &str) -> ChildRunner {
        let arguments = ["-c", script, "sh"].map(OsString::from).to_vec();
        ChildRunner::new(Program {
            path: "/bin/sh".into(),
            arguments,
        })
    }

    fn request() -> ChildRequest {
        ChildRequest::Probe {
            path: "/".into(),
            write: false,
        }
    }

    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn an_answer_is_read() {
        assert!(matches!(
            runner("echo '{\"Ok\":null}'").ask(&request(), LONG).await,
            Ended::Done(_)
        ));
        let stale =
            runner("echo '{\"Err\":{\"action\":\"open\",\"path\":\"/mnt\",\"errno\":116}}'")
                .ask(&request(), LONG)
                .await;
        assert!(
            matches!(&stale, Ended::Refused(fault) if fault.is(rustix::io::Errno::STALE)),
            "{stale:?}"
        );
    }

    #[tokio::test]
    async fn the_order_is_the_last_argument_and_the_environment_is_empty() {
        let script = "case $1 in '{\"Probe\"'*) ;; *) exit 1 ;; esac; [ -z \"$CARGO\" ] && [ \
                      \"$PWD\" = / ] && echo '{\"Ok\":null}'";
        assert!(matches!(
            runner(script).ask(&request(), LONG).await,
            Ended::Done(_)
        ));
    }

    #[tokio::test]
    async fn no_answer_and_no_program_are_told() {
        for script in ["exit 3", "echo nonsense", "yes"] {
            assert!(
                matches!(runner(script).ask(&request(), LONG).await, Ended::Broken(_)),
                "{script}"
            );
        }
        let mut none = ChildRunner::new(Program {
            path: "/nonexistent".into(),
            arguments: vec![],
        });
        assert!(matches!(none.ask(&request(), LONG).await, Ended::Broken(_)));
    }

    #[tokio::test]
    async fn a_late_child_is_killed_and_the_next_one_starts() {
        let mut runner = runner("exec sleep 100");
        for _ in 0..2 {
            let before = Instant::now();
            assert!(matches!(
                runner.ask(&request(), Duration::from_millis(50)).await,
                Ended::Late
            ));
            assert!(before.elapsed() < Duration::from_secs(10) && runner.child.is_none());
        }
    }

    #[tokio::test]
    async fn a_child_that_was_not_waited_for_is_let_go() {
        let mut runner = runner("exec sleep 100");
        assert!(
            timeout(Duration::from_millis(50), runner.ask(&request(), LONG))
                .await
                .is_err()
        );
        assert!(runner.child.is_some());
        assert!(runner.reap().await && runner.child.is_none());
    }
}
