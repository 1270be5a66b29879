//! Starts disposable children, one at a time for each mount, and never waits for one that a silent
//! server holds.

use crate::order::{Answer, Fault, Order};
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
pub(crate) struct Hand {
    program: Program,
    child: Option<Child>,
}

impl Hand {
    pub(crate) fn new(program: Program) -> Self {
        Self {
            program,
            child: None,
        }
    }

    /// Has a child carry out `order`. Cancel-safe: a child that was not waited for is let go by the
    /// next call.
    pub(crate) async fn ask(&mut self, order: &Order, within: Duration) -> Ended {
        if !self.let_go().await {
            return Ended::Late;
        }
        let started = Instant::now();
        let ended = match timeout(within, self.start_and_listen(order)).await {
            Ok(Ok(Ok(()))) => Ended::Done(started.elapsed()),
            Ok(Ok(Err(fault))) => Ended::Refused(fault),
            Ok(Err(error)) => Ended::Broken(error),
            Err(_elapsed) => Ended::Late,
        };
        // Collects one that has answered, too; a child whose last step blocks as it exits is left
        // like any other.
        self.let_go().await;
        ended
    }

    async fn start_and_listen(&mut self, order: &Order) -> io::Result<Answer> {
        let mut command = Command::new(&self.program.path);
        command
            .args(&self.program.arguments)
            .arg(serde_json::to_string(order)?);
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
    pub(crate) async fn let_go(&mut self) -> bool {
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

    fn hand(script: &str) -> Hand {
        let arguments = ["-c", script, "sh"].map(OsString::from).to_vec();
        Hand::new(Program {
            path: "/bin/sh".into(),
            arguments,
        })
    }

    fn order() -> Order {
        Order::Probe {
            path: "/".into(),
            write: false,
        }
    }

    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn an_answer_is_read() {
        assert!(matches!(
            hand("echo '{\"Ok\":null}'").ask(&order(), LONG).await,
            Ended::Done(_)
        ));
        let stale = hand("echo '{\"Err\":{\"action\":\"open\",\"path\":\"/mnt\",\"errno\":116}}'")
            .ask(&order(), LONG)
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
            hand(script).ask(&order(), LONG).await,
            Ended::Done(_)
        ));
    }

    #[tokio::test]
    async fn no_answer_and_no_program_are_told() {
        for script in ["exit 3", "echo nonsense", "yes"] {
            assert!(
                matches!(hand(script).ask(&order(), LONG).await, Ended::Broken(_)),
                "{script}"
            );
        }
        let mut none = Hand::new(Program {
            path: "/nonexistent".into(),
            arguments: vec![],
        });
        assert!(matches!(none.ask(&order(), LONG).await, Ended::Broken(_)));
    }

    #[tokio::test]
    async fn a_late_child_is_killed_and_the_next_one_starts() {
        let mut hand = hand("exec sleep 100");
        for _ in 0..2 {
            let before = Instant::now();
            assert!(matches!(
                hand.ask(&order(), Duration::from_millis(50)).await,
                Ended::Late
            ));
            assert!(before.elapsed() < Duration::from_secs(10) && hand.child.is_none());
        }
    }

    #[tokio::test]
    async fn a_child_that_was_not_waited_for_is_let_go() {
        let mut hand = hand("exec sleep 100");
        assert!(
            timeout(Duration::from_millis(50), hand.ask(&order(), LONG))
                .await
                .is_err()
        );
        assert!(hand.child.is_some());
        assert!(hand.let_go().await && hand.child.is_none());
    }
}
