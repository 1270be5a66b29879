//! Agents of pods that kwok plays, and which therefore run nothing: **a fake**. One server answers
//! at the addresses of all of them, where the API server's proxy looks for them, with a status page
//! as `longshore-agent` writes it. Each runs at once what its pod was touched for, unless it is
//! told to reject that.

use super::manifest;
use crate::{cluster::Cluster, process::Running};
use parking_lot::Mutex;
use serde_json::json;
use std::{
    collections::HashMap,
    io::{self, Read as _, Write as _},
    net::{IpAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

/// Where agents serve their status.
const PORT: u16 = 980;
/// Pods' addresses as kwok gives them, one after another from the beginning of its range.
const PODS: &str = "10.128.0.0/12";
/// The API server asks so many of them at a time, at most.
const THREADS: usize = 8;
/// How often what `kubectl` told is read.
const TURN: Duration = Duration::from_millis(20);
/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a fleet is watched, at most.
const LONG: Duration = Duration::from_hours(3);
/// What is watched of each pod: its address, its shop's namespace, and what it was touched for.
const COLUMNS: &str = r#"jsonpath={.status.podIP}{" "}{.metadata.namespace}{" "}{.metadata.annotations.longshore\.dev/release}{"\n"}"#;

/// What a pod was told: its namespace, and a sequence.
type Pods = Arc<Mutex<HashMap<IpAddr, (String, u64)>>>;

/// All agents of the cluster, until this is dropped.
#[derive(Debug)]
pub struct Agents {
    _watch: Arc<Running>,
}

impl Agents {
    /// Plays the agents of all pods of kwok. `rejects` says of a namespace and a sequence whether
    /// its shop does not work with it.
    ///
    /// # Panics
    ///
    /// It does not run inside a cluster of its own, or another program answers there.
    #[must_use]
    pub fn play(
        cluster: &Cluster,
        rejects: impl Fn(&str, u64) -> bool + Send + Sync + 'static,
    ) -> Self {
        // Every address of the range is one of this machine; what connects to it is answered here.
        cluster
            .program("ip")
            .args(["route", "replace", "local", PODS, "dev", "lo"])
            .run()
            .expect(0);
        let words = [
            "get",
            "pods",
            "--all-namespaces",
            "--selector",
            "app.kubernetes.io/component=web",
            "--watch",
            "--output",
            COLUMNS,
        ];
        let watch = Arc::new(cluster.kubectl(words).deadline(LONG).start());
        let (pods, weak): (Pods, _) = (Pods::default(), Arc::downgrade(&watch));
        let shared = Arc::clone(&pods);
        thread::spawn(move || {
            let mut read = 0;
            while let Some(watch) = weak.upgrade() {
                let text = watch.written_after(read);
                drop(watch);
                // A line that is not whole is read again.
                let whole = text.rfind('\n').map_or(0, |end| end + 1);
                read += whole;
                text[..whole].lines().for_each(|line| learn(&shared, line));
                thread::sleep(TURN);
            }
        });
        let listener = TcpListener::bind(("0.0.0.0", PORT))
            .unwrap_or_else(|error| panic!("port {PORT}: {error}"));
        let rejects = Arc::new(rejects);
        for _ in 0..THREADS {
            let (pods, rejects) = (Arc::clone(&pods), Arc::clone(&rejects));
            let listener = listener
                .try_clone()
                .unwrap_or_else(|error| panic!("port {PORT}: {error}"));
            thread::spawn(move || {
                for asked in listener.incoming().flatten() {
                    // Who asks and does not wait asks again.
                    drop(answer(asked, &pods, &*rejects));
                }
            });
        }
        Self { _watch: watch }
    }
}

fn learn(pods: &Pods, line: &str) {
    let mut words = line.split(' ');
    let (Some(address), Some(namespace)) = (
        words.next().and_then(|word| word.parse().ok()),
        words.next(),
    ) else {
        return;
    };
    let told = words
        .next()
        .and_then(|told| told.split('-').next())
        .and_then(|sequence| sequence.parse().ok())
        .unwrap_or(0);
    pods.lock().insert(address, (namespace.to_owned(), told));
}

fn answer(
    mut asked: TcpStream,
    pods: &Pods,
    rejects: &(impl Fn(&str, u64) -> bool + ?Sized),
) -> io::Result<()> {
    asked.set_read_timeout(Some(PATIENCE))?;
    let mut request = [0; 4096];
    let mut length = 0;
    while !request[..length].ends_with(b"\r\n\r\n") {
        match asked.read(&mut request[length..])? {
            0 => return Ok(()),
            count => length += count,
        }
    }
    let pod = pods.lock().get(&asked.local_addr()?.ip()).cloned();
    let (namespace, told) = pod.unwrap_or_default();
    let rejected = rejects(&namespace, told);
    let runs = if rejected {
        told.saturating_sub(1)
    } else {
        told
    };
    let running = json!({ "sequence": runs, "manifest": manifest(runs), "onTrial": false });
    let refused =
        rejected.then(|| json!({ "manifest": manifest(told), "reason": "the shop answered 502" }));
    let page = json!({ "running": running, "rejected": Vec::from_iter(refused) }).to_string();
    write!(
        asked,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: \
         close\r\n\r\n{page}",
        page.len()
    )
}
