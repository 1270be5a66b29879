//! Where the server listens: one socket for each network interface, so that requests from inside
//! the pod never block requests from outside.
//!
//! ```text
//!  kubelet, Prometheus, scheduler ── eth0 ──► door outside: 64 connections, any number of requests
//!  the shop's own containers ──────── lo ──► door inside: 64 connections, 400 at once and then
//!                                             50 a second, with one request each
//! ```
//!
//! A pod's containers share its interfaces, and the shop's code may be hostile. Its requests to the
//! pod's own addresses go over `lo`, which has a door of its own: a flood there waits in the
//! kernel, and takes neither connections from the probes nor time from the agent. The shop's code
//! cannot use the other doors, because the kernel gives each socket only what arrives on its
//! interface. It also cannot listen on the same port beside the agent. While the agent restarts,
//! its port is free, but below 1024 no other process can take it, because only the agent has the
//! capability.

use super::ServeError;
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use std::{
    fs::File,
    io::{self, Read as _},
    net::SocketAddr,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpSocket},
    time::Instant,
};
use tracing::warn;

/// The interfaces of this network namespace; a line has 130 bytes.
const INTERFACES: &str = "/proc/self/net/dev";
const INTERFACES_LIMIT: u64 = 16 << 10;
/// Interfaces at most: a pod has `lo`, `eth0`, and at times those of tunnels that nobody uses.
const DOORS: usize = 16;
/// The interface for what stays inside.
const LOOPBACK: &str = "lo";
/// Ports below this one take a capability, unless the system says otherwise.
const FREE: u16 = 1024;
/// Connections that wait in the kernel.
const BACKLOG: u32 = 128;
/// Connections from inside that may come at once, and how soon another one from then on: a flood
/// costs a hundredth of a core, also where the node is so busy that the agent gets little more.
const BURST: u32 = 400;
const EVERY: Duration = Duration::from_millis(20);

/// From where connections come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// From this network namespace: the shop's containers, `kubectl port-forward`, a person on this
    /// machine.
    Inside,
    /// From elsewhere, or from anywhere where interfaces cannot be told apart.
    Outside,
}

/// A socket that listens.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) listener: TcpListener,
    pub(super) side: Side,
}

/// Listens on `listen`: for each interface of its own, or once where the address is loopback's or
/// the system has no such sockets.
pub(super) fn open(listen: SocketAddr) -> Result<Vec<Door>, ServeError> {
    let failed = |source| ServeError::Listen { listen, source };
    if listen.ip().to_canonical().is_loopback() {
        let listener = bind(listen, None).map_err(failed)?;
        return Ok(vec![Door {
            listener,
            side: Side::Inside,
        }]);
    }
    match each(listen) {
        Ok(doors) if !doors.is_empty() => Ok(doors),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(failed(error)),
        told => {
            let error = told.err().map(|error| error.to_string());
            warn!(
                error,
                "interfaces cannot be told apart here: connections from the shop's own containers \
                 share their places with the kubelet's"
            );
            let listener = bind(listen, None).map_err(failed)?;
            Ok(vec![Door {
                listener,
                side: Side::Outside,
            }])
        }
    }
}

fn each(mut listen: SocketAddr) -> io::Result<Vec<Door>> {
    let mut table = String::new();
    File::open(INTERFACES)?
        .take(INTERFACES_LIMIT)
        .read_to_string(&mut table)?;
    let mut doors = Vec::new();
    for name in interfaces(&table).take(DOORS) {
        let listener = bind(listen, Some(name))?;
        // The kernel chose one where port 0 was asked for; all have the same.
        listen.set_port(listener.local_addr()?.port());
        doors.push(Door {
            listener,
            side: if name == LOOPBACK {
                Side::Inside
            } else {
                Side::Outside
            },
        });
    }
    Ok(doors)
}

/// The names of `/proc/net/dev`: two lines of titles, then `name: figures`.
fn interfaces(table: &str) -> impl Iterator<Item = &str> {
    table
        .lines()
        .skip(2)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.trim())
}

fn bind(listen: SocketAddr, interface: Option<&str>) -> io::Result<TcpListener> {
    let socket = if listen.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    // Only past connections of this port, never another listener: that is Linux's meaning of it.
    socket.set_reuseaddr(true)?;
    if let Some(interface) = interface {
        socket.bind_device(Some(interface.as_bytes()))?;
    }
    if (1..FREE).contains(&listen.port()) {
        privileged(|| socket.bind(listen))?;
    } else {
        socket.bind(listen)?;
    }
    socket.listen(BACKLOG)
}

/// Does `work` with the capability for low ports, which this thread has no longer than that, nor
/// any that come from it.
fn privileged(work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let needed = CapabilitySet::NET_BIND_SERVICE;
    let mut sets = capabilities(None)?;
    // From the file of our program, which gives it without using it; or a user that has all of
    // them.
    if !sets.permitted.contains(needed) || sets.effective.contains(needed) {
        return work();
    }
    sets.effective |= needed;
    set_capabilities(None, sets)?;
    let done = work();
    sets.effective -= needed;
    set_capabilities(None, sets)?;
    done
}

/// How soon the next connection of a side may be served.
#[derive(Debug)]
pub(super) struct Pace {
    side: Side,
    /// When all of the burst would be there again, had nobody come.
    full: Instant,
}

impl Pace {
    pub(super) fn new(side: Side) -> Self {
        Self {
            side,
            full: Instant::now(),
        }
    }

    /// How long the next one waits, if it has to.
    pub(super) fn next(&mut self) -> Option<Duration> {
        (self.side == Side::Inside).then(|| self.take(Instant::now()))
    }

    fn take(&mut self, now: Instant) -> Duration {
        self.full = self.full.max(now) + EVERY;
        (self.full - now).saturating_sub(EVERY * BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_read_as_the_kernel_writes_them() {
        let table = "Inter-|   Receive                 |  Transmit\n face |bytes    packets errs \
                     drop|bytes\n    lo: 1076 14 0 0 0 0 0 0 1076 14 0 0 0 0 0 0\n  eth0: 17 1 0 \
                     0 0 0 0 0 0 0 0 0 0 0 0 0\ntunl0:0 0\n";
        assert_eq!(
            interfaces(table).collect::<Vec<_>>(),
            ["lo", "eth0", "tunl0"]
        );
    }

    #[tokio::test]
    async fn a_burst_from_inside_is_served_at_once_and_what_follows_at_its_pace() {
        let now = Instant::now();
        let mut inside = Pace {
            side: Side::Inside,
            full: now,
        };
        let waits: Vec<_> = (0..BURST + 3).map(|_| inside.take(now)).collect();
        assert!(
            waits[..BURST as usize].iter().all(Duration::is_zero),
            "{waits:?}"
        );
        assert!(
            waits[BURST as usize] > Duration::ZERO && waits[BURST as usize + 2] <= EVERY * 3,
            "{waits:?}"
        );
        // Once it was quiet, a burst again.
        assert!(inside.take(now + EVERY * (BURST + 3)).is_zero());
    }

    #[tokio::test]
    async fn each_interface_has_a_door_of_its_own_on_one_port_and_nobody_else_comes_beside_them() {
        let doors = open("0.0.0.0:0".parse().unwrap()).unwrap();
        let port = doors[0].listener.local_addr().unwrap().port();
        assert!(
            doors
                .iter()
                .all(|door| door.listener.local_addr().unwrap().port() == port)
        );
        assert_eq!(
            doors
                .iter()
                .filter(|door| door.side == Side::Inside)
                .count(),
            1,
            "{doors:?}"
        );
        for taken in ["0.0.0.0", "127.0.0.1", "127.1.2.3"] {
            assert!(
                bind(format!("{taken}:{port}").parse().unwrap(), None).is_err(),
                "{taken}"
            );
            assert!(
                bind(format!("{taken}:{port}").parse().unwrap(), Some(LOOPBACK)).is_err(),
                "{taken}"
            );
        }
    }
}
