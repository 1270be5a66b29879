//! Keeps one mount: makes or adopts it, watches it, makes it again if that is safe, and unmounts
//! it at the end. What it does depends on the mount's state:
//!
//! - gone: it mounts again.
//! - stale: it unmounts lazily, then mounts again. Programs with open files keep their errors, new
//!   ones work.
//! - hung: it does nothing, because the server may come back, and then everything goes on. If it
//!   detached the mount, readers and writers would see different mounts.
//! - failed: it tries again, with growing waits.

use crate::{
    child_request::{ChildRequest, How, Thing},
    child_runner::{ChildRunner, Ended},
    file::{Mount, What},
    health::{Health, verdict},
    mountinfo::{MOUNTINFO_LIMIT, MountTable, MountTableError},
    nfs::Nfs,
    plan::{LOOPBACK, Plan, Refusal, plan},
    report::{HealthReporter, Options},
    tunnel::{LastFailure, OpenTunnels, Route},
};
use std::{
    fs::File,
    io::{self, Read as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    time::Duration,
};
use tokio::{
    net::lookup_host,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// How long a name may be looked up.
const LOOKUP: Duration = Duration::from_secs(5);

/// Why a mount is not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
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
    #[error(
        "cannot listen on {LOOPBACK}:{} for the mount's tunnel: {}",
        .0.map_or_else(|| "any port".to_owned(), |port| port.to_string()),
        .1
    )]
    Port(Option<u16>, io::Error),
    #[error("{0}")]
    Child(String),
}

/// One mount and everything that it needs.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(super) mount: Mount,
    route: Option<Route>,
    pub(super) options: Options,
    pub(super) report: HealthReporter,
    pub(super) runner: ChildRunner,
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
        report: HealthReporter,
        open: OpenTunnels,
    ) -> Self {
        let runner = ChildRunner::new(options.child.clone());
        Self {
            mount,
            route,
            options,
            report,
            runner,
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
            warn!(
                path = %self.mount.path.display(),
                "the mount stays, as unmounting it takes too long"
            );
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
                let request = self.request().await?;
                self.ask(&request, self.options.timing.mount_within, "mounting it")
                    .await?;
                info!(path, "mounted");
            }
        }
        self.complete = self.mount.directories.is_empty();
        Ok(())
    }

    async fn ask(
        &mut self,
        request: &ChildRequest,
        within: Duration,
        doing: &str,
    ) -> Result<(), Trouble> {
        match self.runner.ask(request, within).await {
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
    async fn request(&mut self) -> Result<ChildRequest, Trouble> {
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
        Ok(ChildRequest::Mount {
            path: self.mount.path.clone(),
            what,
            flags,
            read_only: self.mount.read_only,
        })
    }

    /// Has the tunnel listen, if the mount has one, on the port that it had before.
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
        let request = ChildRequest::Probe {
            path: self.mount.path.clone(),
            write: self.mount.write_probe,
        };
        let probe = self.runner.ask(&request, timing.probe_within).await;
        let seen = verdict(&probe, timing.slow, timing.probe_within);
        if self.complete || !seen.0.is_usable() {
            return seen;
        }
        let request = ChildRequest::Directories {
            path: self.mount.path.clone(),
            directories: self.mount.directories.clone(),
        };
        let made = self.runner.ask(&request, timing.mount_within).await;
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
        let request = ChildRequest::Unmount {
            path: self.mount.path.clone(),
            how: How::Lazily,
        };
        match self
            .ask(&request, self.options.timing.probe_within, "unmounting it")
            .await
        {
            Ok(()) => true,
            Err(trouble) => {
                self.report.say(Health::Stale, Some(trouble.to_string()));
                false
            }
        }
    }
}

/// The kernel's table of mounts: memory of the kernel, so that reading it waits for no server.
pub(super) fn table() -> Result<MountTable, Trouble> {
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
