//! When to look whether something changed. Nothing here says what changed: whoever is woken looks
//! at all of it, so that events that come twice, late, in another order or not at all end in the
//! same state.

mod file;
mod inotify;
mod poll;

pub(crate) use file::ROUND;
pub use file::watch;
pub use inotify::InotifyError;
pub(crate) use inotify::{Inotify, Links};
pub use poll::Poll;

use std::sync::Arc;
use tokio::sync::Notify;

/// Wakes who looks. Any number of calls before the next look are one.
#[derive(Debug, Clone, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// Asks for a look.
    pub fn wake(&self) {
        self.0.notify_one();
    }

    /// Waits until somebody asked since the last look. Cancel-safe.
    pub async fn asked(&self) {
        self.0.notified().await;
    }
}
