//! How a mount is taken away at the end: plainly, then by force, then out of the tree.

use crate::{
    child_request::{ChildRequest, How},
    child_runner::{ChildRunner, Ended},
    file::{Mount, What},
    health::Health,
    keeper::{Keeper, table},
    plan::{Plan, plan},
};
use rustix::io::Errno;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

/// How long force is given to take effect before it is used again.
const FORCE_AGAIN: Duration = Duration::from_millis(100);

impl Keeper {
    /// Unmounts within `within`. Plainly first, so that what is not written yet reaches the server.
    /// Only where that takes too long, or the server did not answer before, requests are made to
    /// fail. If the mount is in use, it leaves the tree now and the server later.
    pub(super) async fn unmount(&mut self, within: Duration) {
        let hung = self.report.state() == Health::Hung;
        let until = Instant::now() + within;
        self.runner.reap().await;
        let ways: &[(How, u32)] = match (&self.mount.what, hung) {
            (What::Adopt { .. }, _) => return,
            (What::Bind { .. }, _) => &[(How::Plainly, 2), (How::Lazily, 1)],
            (What::Nfs4(_), false) => &[(How::Plainly, 3), (How::Forcibly, 3), (How::Lazily, 1)],
            (What::Nfs4(_), true) => &[(How::Forcibly, 3), (How::Lazily, 1)],
        };
        if !is_mounted(&self.mount) {
            return;
        }
        let mut silent = hung;
        for (how, share) in ways {
            // A mount that is in use and answers needs no force.
            if *how == How::Forcibly && !silent {
                continue;
            }
            let request = ChildRequest::Unmount {
                path: self.mount.path.clone(),
                how: *how,
            };
            // Less than what is left, as killing a child takes time, too.
            let limit = until.saturating_duration_since(Instant::now()) * 9 / (*share * 10);
            let mount = self.mount.clone();
            let ended = tokio::select! {
                ended = self.insist(&request, *how, limit) => Some(ended),
                // The rest is between the client and the server. Only a plain unmount is waited
                // for, because it writes what is left.
                () = left(&mount), if *how != How::Plainly => None,
            };
            // A child that was late may have done it all the same.
            if !is_mounted(&self.mount) {
                info!(path = %self.mount.path.display(), ?how, "unmounted");
                return;
            }
            silent |= matches!(ended, Some(Ended::Late));
            debug!(?how, ?ended, "not unmounted this way");
        }
        warn!(path = %self.mount.path.display(), "the mount stays");
    }

    /// Force makes those requests fail that wait at that moment. Whoever made them makes others, to
    /// close a file at least, and would wait for those out of reach of every signal once the mount
    /// has left the tree. So it is repeated as long as the mount is in use.
    async fn insist(&mut self, request: &ChildRequest, how: How, within: Duration) -> Ended {
        let until = Instant::now() + within;
        loop {
            let ended = self
                .ask_anew(request, until.saturating_duration_since(Instant::now()))
                .await;
            let in_use = matches!(&ended, Ended::Refused(fault) if fault.is(Errno::BUSY));
            if how != How::Forcibly || !in_use || Instant::now() + FORCE_AGAIN >= until {
                return ended;
            }
            sleep(FORCE_AGAIN).await;
        }
    }

    /// A new child even where an old one is left: the last chance to unmount.
    async fn ask_anew(&mut self, request: &ChildRequest, within: Duration) -> Ended {
        if !self.runner.reap().await {
            self.runner = ChildRunner::new(self.options.child.clone());
        }
        self.runner.ask(request, within).await
    }
}

/// Whether what the file asks for is mounted. A table that cannot be read counts as yes: unmounting
/// once too often harms nobody.
fn is_mounted(mount: &Mount) -> bool {
    table().map_or(true, |table| {
        matches!(plan(mount, &table), Plan::Adopt { .. })
    })
}

/// Waits until it is not.
async fn left(mount: &Mount) {
    while is_mounted(mount) {
        sleep(Duration::from_millis(50)).await;
    }
}
