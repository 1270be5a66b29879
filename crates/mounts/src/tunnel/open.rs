//! The tunnels that listen, and why their connections fail.

use super::{Route, Tunnel};
use parking_lot::Mutex;
use std::{
    io,
    sync::{Arc, Weak},
};

/// Why the last connection of a tunnel failed, until one succeeds.
#[derive(Debug, Clone, Default)]
pub struct LastFailure(Arc<Mutex<Option<String>>>);

impl LastFailure {
    /// Its words.
    #[must_use]
    pub fn get(&self) -> Option<String> {
        self.0.lock().clone()
    }

    pub(super) fn replace(&self, failure: Option<String>) -> Option<String> {
        std::mem::replace(&mut *self.0.lock(), failure)
    }
}

/// The tunnels of one supervisor: one to each server, and on EFS one for each access point of it,
/// as a tunnel shows one certificate. Mounts of one server share a connection of the client in the
/// kernel, whose port may be any of theirs, while the table shows another; so they all have the
/// same, and whoever adopts one of them listens where the client connects.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenTunnels(Arc<tokio::sync::Mutex<Vec<Opened>>>);

/// What is known of a tunnel that listens.
#[derive(Debug)]
struct Opened {
    port: u16,
    /// Of the tunnel itself: gone with it.
    route: Weak<Route>,
    failure: LastFailure,
}

impl OpenTunnels {
    /// The tunnel to where `route` leads, on `port` if that is given: the port and the failures
    /// of one that listens already, and the tunnel itself where it is new and still to be run.
    pub(crate) async fn open(
        &self,
        route: &Route,
        port: Option<u16>,
    ) -> io::Result<(u16, LastFailure, Option<Tunnel>)> {
        // Held across the bind, which waits for nobody: two mounts that start at once must not open
        // two.
        let mut all = self.0.lock().await;
        all.retain(|opened| opened.route.strong_count() > 0);
        let leads = |opened: &Opened| {
            opened
                .route
                .upgrade()
                .is_some_and(|other| other.leads_as(route))
        };
        let fits = |opened: &&Opened| leads(opened) && port.is_none_or(|port| port == opened.port);
        if let Some(opened) = all.iter().find(fits) {
            return Ok((opened.port, opened.failure.clone(), None));
        }
        let tunnel = Tunnel::bind(route.clone(), port).await?;
        all.push(Opened {
            port: tunnel.port,
            route: Arc::downgrade(&tunnel.route),
            failure: tunnel.failure(),
        });
        Ok((tunnel.port, tunnel.failure(), Some(tunnel)))
    }
}
