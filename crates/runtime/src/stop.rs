//! The request to stop: SIGTERM from Kubernetes, SIGQUIT where an image says so, SIGINT from a
//! person.

use std::{fmt, io};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// Which signal asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM, as the kubelet sends it.
    Terminate,
    /// SIGQUIT, the stop signal of an image that is also nginx and php-fpm.
    Quit,
    /// SIGINT, as a terminal sends it on Ctrl-C.
    Interrupt,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Terminate => "SIGTERM",
            Self::Quit => "SIGQUIT",
            Self::Interrupt => "SIGINT",
        })
    }
}

/// A listener for the request to stop.
#[derive(Debug)]
pub struct Stop {
    terminate: Stream,
    quit: Stream,
    interrupt: Stream,
}

impl Stop {
    /// Listens from now on; until then the kernel drops these signals when we are process 1 of a
    /// container.
    ///
    /// # Errors
    ///
    /// When the handlers cannot be installed.
    pub fn listen() -> io::Result<Self> {
        let (terminate, quit) = (
            signal(SignalKind::terminate())?,
            signal(SignalKind::quit())?,
        );
        Ok(Self {
            terminate,
            quit,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits until one of the signals has come. Cancel-safe: a signal that came meanwhile is there
    /// for the next call.
    pub async fn asked(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.quit.recv() => Signal::Quit,
            _ = self.interrupt.recv() => Signal::Interrupt,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Signal as Kill, getpid, kill_process};

    #[tokio::test]
    async fn a_signal_between_two_waits_is_not_lost() {
        let mut stop = Stop::listen().unwrap();
        kill_process(getpid(), Kill::TERM).unwrap();
        assert_eq!(stop.asked().await, Signal::Terminate);
        kill_process(getpid(), Kill::INT).unwrap();
        assert_eq!(stop.asked().await, Signal::Interrupt);
        kill_process(getpid(), Kill::QUIT).unwrap();
        assert_eq!(stop.asked().await, Signal::Quit);
    }
}
