//! Visitors of a shop, who notice a page whose parts are not of one release.

use super::{Network, get_from};
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Visitors that go on until they are asked to stop.
#[derive(Debug)]
pub struct Visitors {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    wrong: Arc<Mutex<Vec<String>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Visitors {
    /// `number` visitors, each with a pause between its pages.
    ///
    /// # Panics
    ///
    /// A visitor panicked.
    #[must_use]
    pub fn start(port: u16, number: usize, pause: Duration) -> Self {
        Self::start_from(
            &[Network::Ours],
            (Ipv4Addr::LOCALHOST, port).into(),
            number,
            pause,
        )
    }

    /// `number` visitors of `address`, who come from these networks in turn. Every fifth page of
    /// each is a static file.
    ///
    /// # Panics
    ///
    /// A visitor panicked.
    #[must_use]
    pub fn start_from(
        networks: &[Network],
        address: SocketAddr,
        number: usize,
        pause: Duration,
    ) -> Self {
        let tags: Mutex<BTreeMap<String, String>> = Mutex::default();
        Self::with(networks, number, pause, move |turn| {
            if turn % 5 == 0 {
                static_file(address, &tags)
            } else {
                page(address)
            }
        })
    }

    /// `number` visitors, who come from these networks in turn, and each of whom does this with a
    /// number that grows.
    ///
    /// # Panics
    ///
    /// A visitor panicked.
    #[must_use]
    pub fn with(
        networks: &[Network],
        number: usize,
        pause: Duration,
        visit: impl Fn(usize) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        let (stop, count, wrong) = (
            Arc::<AtomicBool>::default(),
            Arc::<AtomicU64>::default(),
            Arc::<Mutex<Vec<String>>>::default(),
        );
        let visit = Arc::new(visit);
        let threads = networks
            .iter()
            .cycle()
            .take(number)
            .enumerate()
            .map(|(visitor, network)| {
                let (network, mut turn) = (*network, visitor);
                let (stop, count, wrong, visit) = (
                    Arc::clone(&stop),
                    Arc::clone(&count),
                    Arc::clone(&wrong),
                    Arc::clone(&visit),
                );
                thread::spawn(move || {
                    if let Err(error) = network.enter() {
                        wrong
                            .lock()
                            .expect("no visitor panics")
                            .push(format!("{network:?}: {error}"));
                        return;
                    }
                    while !stop.load(Relaxed) {
                        let problem = visit(turn);
                        turn += 1;
                        if let Err(problem) = problem {
                            wrong.lock().expect("no visitor panics").push(problem);
                        }
                        count.fetch_add(1, Relaxed);
                        thread::sleep(pause);
                    }
                })
            });
        let threads = threads.collect();
        Self {
            stop,
            count,
            wrong,
            threads,
        }
    }

    /// Pages that were answered so far, or not in time.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    /// Sends them home, each after the answer that it waits for, and says how many pages there were
    /// and what was wrong with which. Only then is a request known that got lost at the very end:
    /// it fails when its time is over.
    ///
    /// # Panics
    ///
    /// A visitor panicked.
    #[must_use]
    pub fn end(mut self) -> (u64, Vec<String>) {
        self.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("no visitor panics");
        }
        let wrong = std::mem::take(&mut *self.wrong.lock().expect("no visitor panics"));
        (self.count(), wrong)
    }
}

impl Drop for Visitors {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().ok();
        }
    }
}

/// A page whose parts are all of one release.
fn page(address: SocketAddr) -> Result<(), String> {
    let page = get_from(address, "/", "").map_err(|error| error.to_string())?;
    let releases: Vec<_> = page
        .body
        .split(' ')
        .filter_map(|part| part.split_once('='))
        .map(|(_, release)| release)
        .collect();
    let whole = page.status == 200
        && releases.len() == 4
        && releases.iter().all(|release| *release == releases[0]);
    if whole {
        Ok(())
    } else {
        Err(format!("{page:?}"))
    }
}

/// A static file: one tag always means the same contents.
fn static_file(address: SocketAddr, tags: &Mutex<BTreeMap<String, String>>) -> Result<(), String> {
    let page = get_from(address, "/asset.txt", "").map_err(|error| error.to_string())?;
    let tag = page.headers.get("etag").cloned().unwrap_or_default();
    let mut tags = tags.lock().map_err(|error| error.to_string())?;
    let known = tags.entry(tag.clone()).or_insert_with(|| page.body.clone());
    if page.status == 200 && !tag.is_empty() && *known == page.body {
        Ok(())
    } else {
        Err(format!("{page:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_request_that_fails_after_the_end_was_asked_for_is_told() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let visitors = Visitors::start(server.local_addr().unwrap().port(), 2, Duration::ZERO);
        let waiting = [server.accept().unwrap(), server.accept().unwrap()];
        assert_eq!(visitors.count(), 0, "nobody has an answer yet");
        let stop = Arc::clone(&visitors.stop);
        let hangs_up = thread::spawn(move || {
            while !stop.load(Relaxed) {
                thread::yield_now();
            }
            drop(waiting);
        });
        let (count, wrong) = visitors.end();
        hangs_up.join().unwrap();
        assert_eq!((count, wrong.len()), (2, 2), "{wrong:?}");
    }
}
