//! How fast the shop answers, by release, and how many of php-fpm's workers are busy.
//!
//! ```text
//!  nginx ──datagram for each request of PHP──► listen ──► figures ──► /requests, /metrics
//!  php-fpm's status ◄──every few seconds────── workers ──────┘
//! ```
//!
//! A shop's code may write to the socket as nginx does. It lies about its own shop alone, and costs
//! no more than [`BATCH`] datagrams in each [`TURN`]: nginx does not wait for a full socket.

use crate::{board::Board, metrics::Metrics};
use observe::requests::{Answered, Line, Page, RELEASES, VERSION, Workers};
use parking_lot::Mutex;
use php::{PhpError, Pool};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::UnixDatagram,
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// The socket's name in the directory of the pod's logs.
pub const REQUESTS: &str = "requests.sock";
/// Bytes of a datagram that are looked at.
const DATAGRAM: usize = 1024;
/// Datagrams that are counted in a turn: 20,000 in a second.
const BATCH: usize = 1000;
const TURN: Duration = Duration::from_millis(50);
/// How often php-fpm is asked how many of its workers are busy, and how long it may take. The
/// readiness probe asks as often.
const ASK: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(1);

/// What is known of the requests. Share it by clones.
#[derive(Debug, Clone)]
pub struct Requests {
    run: Arc<str>,
    inner: Arc<Mutex<Figures>>,
}

#[derive(Debug, Default)]
struct Figures {
    workers: Option<Workers>,
    /// By the name of a release's directory, the one that answered last at the end.
    releases: Vec<(String, Answered)>,
}

impl Requests {
    /// None yet, of a run with this name.
    #[must_use]
    pub fn new(run: &str) -> Self {
        Self {
            run: run.into(),
            inner: Arc::default(),
        }
    }

    /// What `/requests` answers.
    #[must_use]
    pub fn page(&self) -> Page {
        let figures = self.inner.lock();
        Page {
            version: VERSION,
            run: self.run.to_string(),
            workers: figures.workers,
            releases: figures
                .releases
                .iter()
                .map(|(_, answered)| answered.clone())
                .collect(),
        }
    }

    fn count(&self, line: &Line<'_>, running: Option<(&str, u64)>) {
        let Some(name) = release_of(line.tree) else {
            return;
        };
        let releases = &mut self.inner.lock().releases;
        let found = releases.iter().rposition(|(known, _)| known == name);
        let mut release = found.map_or_else(
            || (name.to_owned(), Answered::default()),
            |place| releases.remove(place),
        );
        if let Some((_, sequence)) = running.filter(|(known, _)| *known == name) {
            release.1.sequence = Some(sequence);
        }
        release.1.count(line.status, line.seconds);
        if releases.len() >= RELEASES {
            releases.remove(0);
        }
        releases.push(release);
    }
}

/// The directory of a release in a path below it, such as `b507a84d` of
/// `/srv/shop/releases/b507a84d/pub`.
fn release_of(tree: &str) -> Option<&str> {
    let (_, below) = tree.split_once("/releases/")?;
    let name = below.split('/').next()?;
    let sound = (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    sound.then_some(name)
}

/// Where nginx tells of requests.
#[derive(Debug)]
pub struct Listening {
    socket: UnixDatagram,
    requests: Requests,
    board: Board,
    root: PathBuf,
}

impl Listening {
    /// Binds the socket at `path`, in the place of one that an agent before this one left.
    ///
    /// # Errors
    ///
    /// The directory is not there or not ours.
    pub fn bind(path: &Path, requests: Requests, board: Board, root: &Path) -> io::Result<Self> {
        use std::os::unix::fs::PermissionsExt as _;
        // A socket, which holds nothing: what is lost of it at a crash is made anew at the start.
        #[allow(clippy::disallowed_methods, reason = "a socket is no state")]
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = UnixDatagram::bind(path)?;
        // nginx may run as another user than the agent.
        #[allow(clippy::disallowed_methods, reason = "a socket is no state")]
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
        Ok(Self {
            socket,
            requests,
            board,
            root: root.to_owned(),
        })
    }

    /// Counts what nginx tells, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(self.listen()).await;
    }

    async fn listen(&self) {
        let mut datagram = [0; DATAGRAM];
        loop {
            if let Err(error) = self.socket.readable().await {
                debug!(%error, "nginx is not heard");
                sleep(TURN).await;
                continue;
            }
            let snapshot = self.board.now();
            let running = snapshot.running.as_ref().and_then(|running| {
                let tree = deploy::tree(&self.root, &running.manifest);
                let name = tree.file_name()?.to_str()?.to_owned();
                Some((name, running.sequence.get()))
            });
            let running = running
                .as_ref()
                .map(|(name, sequence)| (name.as_str(), *sequence));
            for _ in 0..BATCH {
                match self.socket.try_recv(&mut datagram) {
                    Ok(length) => {
                        if let Some(line) = Line::read(&datagram[..length]) {
                            self.requests.count(&line, running);
                        }
                    }
                    Err(error) => {
                        if error.kind() != io::ErrorKind::WouldBlock {
                            debug!(%error, "nginx is not heard");
                        }
                        break;
                    }
                }
            }
            // Gathered: a busy shop wakes the agent twenty times a second, and no more.
            sleep(TURN).await;
        }
    }
}

/// Asks php-fpm how many of its `most` workers are busy, until `stop`.
pub async fn ask_workers(
    pool: Pool,
    most: u32,
    requests: Requests,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    let mut due = interval(ASK);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = false;
    while stop.run_until_cancelled(due.tick()).await.is_some() {
        let Some(answer) = stop.run_until_cancelled(pool.busy_workers(ANSWER)).await else {
            return;
        };
        let busy = match answer {
            Ok(busy) => Some(busy.min(most)),
            // No worker is free to answer.
            Err(PhpError::Slow(..)) => Some(most),
            Err(PhpError::Connect(..)) => None,
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    warn!(error = %runtime::Chain(&error), "php-fpm does not say how many workers are busy");
                }
                None
            }
        };
        metrics.busy_workers(busy.map(|busy| f64::from(busy) / f64::from(most)));
        requests.inner.lock().workers = busy.map(|busy| Workers { busy, most });
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        reason = "a test prepares what is on the disk"
    )]

    use super::*;
    use crate::status::Running;
    use jiff::Timestamp;

    fn line(tree: &str) -> Line<'_> {
        Line {
            status: 200,
            seconds: 0.1,
            tree,
        }
    }

    #[test]
    fn requests_are_counted_by_release_and_few_releases_are_kept() {
        let requests = Requests::new("a");
        let trees: Vec<_> = (0..10)
            .map(|number| format!("/srv/shop/releases/{number:08x}/pub"))
            .collect();
        for tree in &trees {
            requests.count(&line(tree), Some(("00000009", 7)));
        }
        requests.count(&line(&trees[9]), None);
        requests.count(&line("/srv/shop/other"), None);
        requests.count(&line("/srv/releases/../x"), None);
        let page = requests.page();
        assert_eq!(page.releases.len(), RELEASES);
        let last = page.releases.last().unwrap();
        assert_eq!((last.sequence, last.all()), (Some(7), 2));
        assert!(
            page.releases[..RELEASES - 1]
                .iter()
                .all(|it| it.sequence.is_none() && it.all() == 1)
        );
    }

    #[tokio::test]
    async fn what_nginx_sends_is_counted_and_junk_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("requests.sock");
        let manifest = release::Sha256::digest(b"m");
        let board = Board::for_tests();
        board.runs_for_tests(Running {
            sequence: 3.try_into().unwrap(),
            manifest,
            since: Timestamp::now(),
            on_trial: false,
        });
        let root = Path::new("/srv/shop");
        let requests = Requests::new("a");
        // One that was left, too.
        drop(UnixDatagram::bind(&path).unwrap());
        let listening = Listening::bind(&path, requests.clone(), board, root).unwrap();
        let stop = CancellationToken::new();
        let task = tokio::task::spawn(listening.run(stop.clone()));
        let nginx = UnixDatagram::unbound().unwrap();
        let tree = deploy::tree(root, &manifest);
        let good = format!("<190>Dec  1 04:00:00 nginx: 503 0.250 {}", tree.display());
        for datagram in [good.as_bytes(), b"junk", &[0xff; 4096]] {
            nginx.send_to(datagram, &path).await.unwrap();
        }
        let page = loop {
            let page = requests.page();
            if !page.releases.is_empty() {
                break page;
            }
            sleep(TURN).await;
        };
        stop.cancel();
        task.await.unwrap();
        assert_eq!(page.releases.len(), 1);
        let answered = &page.releases[0];
        assert_eq!(
            (answered.sequence, answered.all(), answered.failed()),
            (Some(3), 1, 1)
        );
    }
}
