//! Ctrl-C and SIGTERM as a flag, so that a program that made directories and processes ends them
//! itself.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};

/// Whether somebody asked this program to stop.
#[derive(Debug, Clone)]
pub struct Interrupt(Arc<AtomicBool>);

/// Somebody asked this program to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

impl Interrupt {
    /// Listens from now on, in place of being killed by these signals.
    ///
    /// # Errors
    ///
    /// The system has no thread or no file descriptor left.
    pub fn listen() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let flag = Arc::new(AtomicBool::new(false));
        let (mut interrupt, mut terminate) = {
            let _inside = runtime.enter();
            (
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
            )
        };
        let raised = Arc::clone(&flag);
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    }
                });
                raised.store(true, Ordering::Release);
            })?;
        Ok(Self(flag))
    }

    /// Nothing, as long as nobody asked.
    ///
    /// # Errors
    ///
    /// Somebody did.
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.0.load(Ordering::Acquire) {
            Err(Interrupted)
        } else {
            Ok(())
        }
    }
}
