//! TLS in transit: takes the connections of the NFS client in the kernel on loopback, and carries
//! each to the server in a TLS session.
//!
//! ```text
//!  kernel ── 127.0.0.1:port ──► Tunnel ── TLS 1.2 or 1.3, certificate checked ──► server:2049
//! ```
//!
//! A mount keeps its port for life, since the client connects there again after each break. So the
//! port is taken from a mount that is adopted, and only a new mount gets one that is free, from
//! [`PORTS`].

mod der;
mod iam;
mod identity;
mod open;
mod peer;
mod trust;

pub use iam::{AccessKey, Credentials};
pub use open::LastFailure;
pub(crate) use open::OpenTunnels;
pub use trust::TunnelError;

use crate::nfs::{EfsClient, Nfs, Tls};
use identity::Identity;
use peer::Accepted;
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};
use tokio::{
    io::copy_bidirectional_with_sizes,
    net::{TcpListener, TcpStream, lookup_host},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, pki_types::ServerName},
};
use tracing::{debug, info, warn};

/// The ports of new mounts, those of efs-utils: none that Linux gives to connections by itself
/// (32768 to 60999). While nobody listens there, the client tries again and again, and from such a
/// port would one day connect to itself, and hold it.
const PORTS: std::ops::Range<u16> = 20049..21049;
/// How many of them are tried at random: a pod has at most 32 mounts.
const TRIES: u32 = 64;
/// How long a connection that cannot be carried is held: the client, whose own part succeeded,
/// would be back within a few milliseconds.
const HOLD: Duration = Duration::from_secs(1);
/// Connections at once: `nconnect` allows 16, and each may be replaced while its old one still
/// ends.
const CONNECTIONS: usize = 32;
/// Connections that are looked at together, and how soon the next ones are after one was refused.
/// All come from 127.0.0.1: who asks is told by its user alone, so that this is the bound of a
/// peer.
const AT_ONCE: usize = 128;
const REFUSED: Duration = Duration::from_millis(20);
/// How often the log says that somebody was refused, who decides how often that is.
const QUIET: Duration = Duration::from_mins(1);
/// How long looking up, connecting and the TLS handshake may take together.
const CONNECT: Duration = Duration::from_secs(15);
/// Of each direction of each connection. NFS reads and writes are 1 MiB, and TLS records 16 KiB.
const BUFFER: usize = 64 << 10;
/// After how much silence the server is asked whether it is there, how often, and how many times
/// before the connection counts as dead.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(30), Duration::from_secs(10), 3);

/// Where a tunnel leads to.
#[derive(Debug, Clone)]
pub struct Route {
    mount: String,
    host: String,
    address: Option<std::net::IpAddr>,
    port: u16,
    name: ServerName<'static>,
    /// Who we are there.
    client: Option<Box<EfsClient>>,
    config: Arc<ClientConfig>,
    identity: Option<Arc<Identity>>,
}

impl Route {
    /// The route of an encrypted mount. Reads certificates and, where EFS is told who we are, makes
    /// a key: up to a second of work. `credentials` sign where the mount is to be known to IAM.
    ///
    /// # Errors
    ///
    /// No certificate can be read to believe servers by.
    pub fn new(
        mount: &str,
        nfs: &Nfs,
        tls: &Tls,
        credentials: Option<Arc<dyn Credentials>>,
    ) -> Result<Self, TunnelError> {
        let name = ServerName::try_from(tls.server_name.clone())
            .map_err(|_| TunnelError::Name(tls.server_name.clone()))?;
        let (config, identity) = trust::client_config(tls, credentials)?;
        let config = Arc::new(config);
        let (host, address, client) = (nfs.server.host(), nfs.server.address(), tls.client.clone());
        Ok(Self {
            mount: mount.to_owned(),
            host,
            address,
            port: nfs.port,
            name,
            client,
            config,
            identity,
        })
    }

    /// Whether both lead to the same server, and as the same client: one certificate names one
    /// access point.
    fn leads_as(&self, other: &Self) -> bool {
        (
            &self.host,
            self.address,
            self.port,
            &self.name,
            &self.client,
        ) == (
            &other.host,
            other.address,
            other.port,
            &other.name,
            &other.client,
        )
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let addresses: Vec<SocketAddr> = match self.address {
            Some(address) => vec![(address, self.port).into()],
            None => lookup_host((self.host.as_str(), self.port))
                .await?
                .collect(),
        };
        TcpStream::connect(addresses.as_slice()).await
    }
}

/// A listening tunnel.
#[derive(Debug)]
pub struct Tunnel {
    listener: TcpListener,
    port: u16,
    route: Arc<Route>,
    failure: LastFailure,
}

impl Tunnel {
    /// Listens on `port` of 127.0.0.1, or on a free one.
    ///
    /// # Errors
    ///
    /// The port is taken: of a mount that is adopted it must be this one, so try again.
    pub async fn bind(route: Route, port: Option<u16>) -> io::Result<Self> {
        let mut tries = TRIES;
        let listener = loop {
            tries -= 1;
            match TcpListener::bind((
                Ipv4Addr::LOCALHOST,
                port.unwrap_or_else(|| rand::random_range(PORTS)),
            ))
            .await
            {
                Err(error)
                    if error.kind() == io::ErrorKind::AddrInUse && port.is_none() && tries > 0 => {}
                bound => break bound?,
            }
        };
        let port = listener.local_addr()?.port();
        Ok(Self {
            listener,
            port,
            route: Arc::new(route),
            failure: LastFailure::default(),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What is wrong with its connections, for whoever wonders why a mount does not answer.
    #[must_use]
    pub fn failure(&self) -> LastFailure {
        self.failure.clone()
    }

    /// Carries connections until it is dropped; each that breaks is closed, and the client connects
    /// again. Those of other users are closed at once: they never take the place of one of ours,
    /// and cost one look at the kernel's table for all that came together.
    pub async fn run(self) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        let mut last_warning: Option<Instant> = None;
        loop {
            while connections.try_join_next().is_some() {}
            let looked = match self.accept().await {
                Ok(accepted) => peer::ours(accepted).await,
                Err(error) => Err(error),
            };
            let ours = match looked {
                Ok((ours, refused)) => {
                    if let Some(refused) = refused {
                        if last_warning.is_none_or(|at| at.elapsed() > QUIET) {
                            last_warning = Some(Instant::now());
                            warn!(mount = %self.route.mount, error = %refused, "the tunnel carries nothing for it");
                        }
                        // Who is refused comes again at once, and more of them at a time from then
                        // on.
                        sleep(REFUSED).await;
                    }
                    ours
                }
                Err(error) => {
                    // Such as too many open files: the waiting connection stays, so trying at once
                    // would spin.
                    warn!(mount = %self.route.mount, %error, "the tunnel cannot accept");
                    sleep(HOLD).await;
                    continue;
                }
            };
            for accepted in ours {
                let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                    return;
                };
                let (route, failure) = (Arc::clone(&self.route), self.failure.clone());
                connections.spawn(async move {
                    if let Err(error) = carry(&route, accepted, &failure).await {
                        tell(&route, &error, &failure);
                        sleep(HOLD).await;
                    }
                    drop(place);
                });
            }
        }
    }

    /// All that wait by now, and at least one.
    async fn accept(&self) -> io::Result<Vec<Accepted>> {
        let (stream, from) = self.listener.accept().await?;
        let mut all = vec![Accepted { stream, from }];
        std::future::poll_fn(|context| {
            while all.len() < AT_ONCE
                && let Poll::Ready(Ok((stream, from))) = self.listener.poll_accept(context)
            {
                all.push(Accepted { stream, from });
            }
            Poll::Ready(())
        })
        .await;
        Ok(all)
    }
}

async fn carry(route: &Route, accepted: Accepted, failure: &LastFailure) -> io::Result<()> {
    let late = |_| {
        io::Error::new(
            io::ErrorKind::TimedOut,
            format!(
                "no TLS session with {} within {} s",
                route.host,
                CONNECT.as_secs()
            ),
        )
    };
    let mut remote = timeout(CONNECT, async {
        if let Some(identity) = &route.identity {
            identity.refresh().await?;
        }
        let stream = route.connect().await?;
        // A request goes out as it is written, and a server that vanished without a word is
        // noticed.
        stream.set_nodelay(true)?;
        keep_alive(&stream)?;
        TlsConnector::from(Arc::clone(&route.config))
            .connect(route.name.clone(), stream)
            .await
    })
    .await
    .map_err(late)??;
    if failure.replace(None).is_some() {
        info!(mount = %route.mount, host = %route.host, "the tunnel reaches its server again");
    }
    // Nothing was read yet. Whoever has it once there is something to read has sent it.
    accepted.stream.readable().await?;
    let mut local = match peer::ours(vec![accepted]).await? {
        (mut ours, None) if !ours.is_empty() => ours.remove(0).stream,
        // Of the server it says nothing, whose failure would be lost behind it: a tenant could hide
        // why its mount fails, and so does the client, which closes what it waited for in vain.
        (_, refused) => {
            debug!(mount = %route.mount, error = ?refused, "a connection changed hands, or is closed");
            sleep(HOLD).await;
            return Ok(());
        }
    };
    local.set_nodelay(true)?;
    // An end of one direction is passed on, and the other one goes on until it ends, too.
    let (sent, received) =
        copy_bidirectional_with_sizes(&mut local, &mut remote, BUFFER, BUFFER).await?;
    debug!(mount = %route.mount, sent, received, "a connection of the tunnel ended");
    Ok(())
}

/// One line when trouble begins: the client tries again for as long as it lasts.
fn tell(route: &Route, error: &io::Error, failure: &LastFailure) {
    let (mount, host) = (&route.mount, &route.host);
    if failure.replace(Some(format!("{host}: {error}"))).is_some() {
        debug!(%mount, %host, %error, "a connection of the tunnel failed");
    } else {
        warn!(
            %mount,
            %host,
            %error,
            "a connection of the tunnel failed; the kernel connects again"
        );
    }
}

fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    use rustix::net::sockopt;
    let (idle, interval, count) = KEEPALIVE;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, idle)?;
    sockopt::set_tcp_keepintvl(stream, interval)?;
    sockopt::set_tcp_keepcnt(stream, count)?;
    let all = idle + interval * count;
    // The same for what was sent and is not acknowledged, which keepalive does not watch.
    sockopt::set_tcp_user_timeout(stream, u32::try_from(all.as_millis()).unwrap_or(u32::MAX))?;
    Ok(())
}

#[cfg(test)]
mod tests;
