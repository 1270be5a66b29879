//! Keeps one mount: makes or adopts it, watches it, makes it again where that is safe, and unmounts
//! it at the end.
//!
//! | state | what is done |
//! |---|---|
//! | gone | mounted again |
//! | stale | unmounted lazily, then mounted again: programs that have files open keep their errors, new ones work |
//! | hung | nothing: the server may come back, and then everything goes on where it was; detaching would split the readers from the writers |
//! | failed | tried again, with growing waits |

use crate::{
    file::{Mount, What},
    hand::{Ended, Hand},
    health::{Health, verdict},
    mountinfo::{MOUNTINFO_LIMIT, MountTable, MountTableError},
    nfs::Nfs,
    order::{How, Order, Thing},
    plan::{LOOPBACK, Plan, Refusal, plan},
    report::{Options, Report},
    tunnel::{LastFailure, OpenTunnels, Route},
};
use rustix::io::Errno;
use std::{
    fs::File,
    io::{self, Read as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    time::Duration,
};
use tokio::{
    net::lookup_host,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// How long a name may be looked up.
const LOOKUP: Duration = Duration::from_secs(5);

/// How long force is given to take effect before it is used again.
const FORCE_AGAIN: Duration = Duration::from_millis(100);

/// Why a mount is not there.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("cannot read the table of mounts: {0}")]
    Table(#[from] io::Error),
    #[error(transparent)]
    Line(#[from] MountTableError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("nobody has mounted anything at {0} yet, and kind = \"adopt\" leaves that to others")]
    Nobody(String),
    #[error("cannot look up {0}: {1}")]
    Lookup(String, io::Error),
    #[error("cannot listen on {LOOPBACK}:{} for the mount's tunnel: {}", .0.map_or_else(|| "any port".to_owned(), |port| port.to_string()), .1)]
    Port(Option<u16>, io::Error),
    #[error("{0}")]
    Child(String),
}

/// One mount and everything that it needs.
#[derive(Debug)]
pub(crate) struct Keeper {
    mount: Mount,
    route: Option<Route>,
    options: Options,
    report: Report,
    hand: Hand,
    port: Option<u16>,
    tunnel: JoinSet<()>,
    failure: LastFailure,
    open: OpenTunnels,
    /// Whether the shop's directories are there.
    complete: bool,
}

impl Keeper {
    pub(crate) fn new(
        mount: Mount,
        route: Option<Route>,
        options: Options,
        report: Report,
        open: OpenTunnels,
    ) -> Self {
        let hand = Hand::new(options.child.clone());
        Self {
            mount,
            route,
            options,
            report,
            hand,
            port: None,
            tunnel: JoinSet::new(),
            failure: LastFailure::default(),
            open,
            complete: false,
        }
    }

    /// Keeps the mount until `stop`, then unmounts it; gives back what must outlive it.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> JoinSet<()> {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.keep() => {}
        }
        let within = self.options.timing.unmount_within;
        if timeout(within, self.unmount(within)).await.is_err() {
            warn!(path = %self.mount.path.display(), "the mount stays, as unmounting it takes too long");
        }
        self.tunnel
    }

    async fn keep(&mut self) {
        let mut failed = 0;
        loop {
            match self.establish().await {
                Ok(()) => {
                    failed = 0;
                    self.watch().await;
                }
                Err(trouble) => {
                    let state = if matches!(trouble, Trouble::Nobody(_)) {
                        Health::Gone
                    } else {
                        Health::Failed
                    };
                    self.report.say(state, Some(trouble.to_string()));
                    sleep(self.options.timing.backoff(failed, rand::random())).await;
                    failed = failed.saturating_add(1);
                }
            }
        }
    }

    /// Mounts or adopts.
    async fn establish(&mut self) -> Result<(), Trouble> {
        let path = self.mount.path.display().to_string();
        match plan(&self.mount, &table()?) {
            Plan::Refuse(refusal) => return Err(refusal.into()),
            Plan::Wait => return Err(Trouble::Nobody(path)),
            Plan::Adopt { tunnel, id } => {
                // A mount keeps its port, whatever ours was before.
                if tunnel.is_some() && tunnel != self.port {
                    self.tunnel.shutdown().await;
                    self.port = tunnel;
                }
                self.open_tunnel().await?;
                info!(path, id, tunnel, "mount adopted");
            }
            Plan::Mount => {
                let order = self.order().await?;
                self.ask(&order, self.options.timing.mount_within, "mounting it")
                    .await?;
                info!(path, "mounted");
            }
        }
        self.complete = self.mount.directories.is_empty();
        Ok(())
    }

    async fn ask(&mut self, order: &Order, within: Duration, doing: &str) -> Result<(), Trouble> {
        match self.hand.ask(order, within).await {
            Ended::Done(_) => Ok(()),
            Ended::Refused(fault) => Err(Trouble::Child(fault.to_string())),
            Ended::Late => Err(Trouble::Child(self.silence(format!(
                "no answer within {} s while {doing}",
                within.as_secs_f64()
            )))),
            Ended::Broken(error) => Err(Trouble::Child(format!(
                "cannot start or hear the process for {doing}: {error}"
            ))),
        }
    }

    /// What to say of a server that does not answer: a tunnel knows more than the client in the
    /// kernel, which only waits.
    fn silence(&self, detail: String) -> String {
        match self.failure.get() {
            Some(failure) => format!("{detail}; its tunnel says: {failure}"),
            None => detail,
        }
    }

    /// What a child is told to mount, with names looked up and a tunnel that listens.
    async fn order(&mut self) -> Result<Order, Trouble> {
        self.open_tunnel().await?;
        let what = match &self.mount.what {
            What::Nfs4(nfs) => {
                let server = match self.port {
                    Some(port) => SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
                    None => address(nfs).await?,
                };
                let data = nfs.data(&self.mount.options, server, client(server));
                debug!(device = %nfs, data, "mounting");
                Thing::Nfs {
                    device: nfs.device(),
                    export: nfs.device_of_export(),
                    subdirectory: nfs.subdirectory.clone(),
                    data,
                }
            }
            What::Bind { source, made } => Thing::Bind {
                source: source.clone(),
                made: *made,
            },
            What::Adopt { .. } => {
                return Err(Trouble::Nobody(self.mount.path.display().to_string()));
            }
        };
        let flags = self.mount.options.flags().map(str::to_owned).collect();
        Ok(Order::Mount {
            path: self.mount.path.clone(),
            what,
            flags,
            read_only: self.mount.read_only,
        })
    }

    /// Has the tunnel listen, where the mount has one, on the port that it had before.
    async fn open_tunnel(&mut self) -> Result<(), Trouble> {
        while let Some(ended) = self.tunnel.try_join_next() {
            warn!(?ended, "the tunnel ended; it is started again");
        }
        if let Some(route) = self.route.as_ref().filter(|_| self.tunnel.is_empty()) {
            let opened = self
                .open
                .open(route, self.port)
                .await
                .map_err(|error| Trouble::Port(self.port, error))?;
            (self.port, self.failure) = (Some(opened.0), opened.1);
            if let Some(tunnel) = opened.2 {
                self.tunnel.spawn(tunnel.run());
            }
        }
        Ok(())
    }

    /// Probes until the mount must be made again.
    async fn watch(&mut self) {
        let timing = self.options.timing;
        loop {
            if let Err(trouble) = self.open_tunnel().await {
                self.report.say(Health::Failed, Some(trouble.to_string()));
            } else {
                match table().map(|table| plan(&self.mount, &table)) {
                    Ok(Plan::Adopt { .. }) => {
                        if self.probe().await == Health::Stale && self.replace().await {
                            return;
                        }
                    }
                    Ok(Plan::Mount | Plan::Wait) => {
                        return self.report.say(
                            Health::Gone,
                            Some(format!(
                                "nothing is mounted at {}",
                                self.mount.path.display()
                            )),
                        );
                    }
                    Ok(Plan::Refuse(refusal)) => {
                        self.report.say(Health::Failed, Some(refusal.to_string()));
                    }
                    Err(trouble) => self.report.say(Health::Failed, Some(trouble.to_string())),
                }
            }
            sleep(timing.pause(rand::random())).await;
        }
    }

    async fn probe(&mut self) -> Health {
        let (state, detail) = self.look().await;
        let detail = if state == Health::Hung {
            detail.map(|detail| self.silence(detail))
        } else {
            detail
        };
        self.report.say(state, detail);
        state
    }

    /// How the mount is. Until the shop's directories are there it is not healthy; and only a mount
    /// that answers is asked for them, as one that is adopted may be hung or stale like any other.
    async fn look(&mut self) -> (Health, Option<String>) {
        let timing = self.options.timing;
        let order = Order::Probe {
            path: self.mount.path.clone(),
            write: self.mount.write_probe,
        };
        let probe = self.hand.ask(&order, timing.probe_within).await;
        let seen = verdict(&probe, timing.slow, timing.probe_within);
        if self.complete || !seen.0.is_usable() {
            return seen;
        }
        let order = Order::Directories {
            path: self.mount.path.clone(),
            directories: self.mount.directories.clone(),
        };
        let made = self.hand.ask(&order, timing.mount_within).await;
        self.complete = matches!(made, Ended::Done(_));
        if self.complete {
            seen
        } else {
            verdict(&made, timing.slow, timing.mount_within)
        }
    }

    /// Takes a stale mount out of the way; says whether another can be made.
    async fn replace(&mut self) -> bool {
        if matches!(self.mount.what, What::Adopt { .. }) {
            return false;
        }
        let order = Order::Unmount {
            path: self.mount.path.clone(),
            how: How::Lazily,
        };
        match self
            .ask(&order, self.options.timing.probe_within, "unmounting it")
            .await
        {
            Ok(()) => true,
            Err(trouble) => {
                self.report.say(Health::Stale, Some(trouble.to_string()));
                false
            }
        }
    }

    /// Unmounts within `within`. Plainly first, so that what is not written yet reaches the server.
    /// Only where that takes too long, or the server did not answer before, requests are made to
    /// fail. Where the mount is in use, it leaves the tree now and the server later.
    async fn unmount(&mut self, within: Duration) {
        let hung = self.report.state() == Health::Hung;
        let until = Instant::now() + within;
        self.hand.let_go().await;
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
            let order = Order::Unmount {
                path: self.mount.path.clone(),
                how: *how,
            };
            // Less than what is left, as killing a child takes time, too.
            let limit = until.saturating_duration_since(Instant::now()) * 9 / (*share * 10);
            let mount = self.mount.clone();
            let ended = tokio::select! {
                ended = self.insist(&order, *how, limit) => Some(ended),
                // The rest is between the client and the server; only a plain unmount is waited for, as it writes what is left.
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
    async fn insist(&mut self, order: &Order, how: How, within: Duration) -> Ended {
        let until = Instant::now() + within;
        loop {
            let ended = self
                .ask_anew(order, until.saturating_duration_since(Instant::now()))
                .await;
            let in_use = matches!(&ended, Ended::Refused(fault) if fault.is(Errno::BUSY));
            if how != How::Forcibly || !in_use || Instant::now() + FORCE_AGAIN >= until {
                return ended;
            }
            sleep(FORCE_AGAIN).await;
        }
    }

    /// A new child even where an old one is left: the last chance to unmount.
    async fn ask_anew(&mut self, order: &Order, within: Duration) -> Ended {
        if !self.hand.let_go().await {
            self.hand = Hand::new(self.options.child.clone());
        }
        self.hand.ask(order, within).await
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

/// The kernel's table of mounts: memory of the kernel, so that reading it waits for no server.
fn table() -> Result<MountTable, Trouble> {
    let mut bytes = Vec::new();
    File::open("/proc/self/mountinfo")?
        .take(MOUNTINFO_LIMIT)
        .read_to_end(&mut bytes)?;
    Ok(MountTable::parse(&bytes)?)
}

/// The server's address: mount(2) takes no names.
async fn address(nfs: &Nfs) -> Result<SocketAddr, Trouble> {
    if let Some(address) = nfs.server.address() {
        return Ok((address, nfs.port).into());
    }
    let host = nfs.server.host();
    let looked_up = timeout(LOOKUP, lookup_host((host.clone(), nfs.port))).await;
    let problem = match looked_up {
        Ok(Ok(mut addresses)) => match addresses.next() {
            Some(address) => return Ok(address),
            None => io::Error::other("it has no address"),
        },
        Ok(Err(error)) => error,
        Err(_elapsed) => io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no answer within {} s", LOOKUP.as_secs()),
        ),
    };
    Err(Trouble::Lookup(host, problem))
}

/// Our own address as the server sees it, which NFSv4.1 only shows to people: one that says nothing
/// is good enough.
fn client(server: SocketAddr) -> IpAddr {
    let any: IpAddr = if server.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    // Connecting a datagram socket sends nothing, but picks the address from which it would.
    let picked = UdpSocket::bind((any, 0))
        .and_then(|socket| socket.connect(server).and_then(|()| socket.local_addr()));
    picked.map_or(any, |address| address.ip())
}
