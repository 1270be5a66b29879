//! Candidates in paused time, against **a fake** of the one thing that matters here: objects that
//! are replaced only by who saw their last version. A real API server does not take part in paused
//! time; the cluster's tests have one, and candidates that are killed there.

use super::*;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::{Client, client::Body};
use parking_lot::{Mutex, MutexGuard};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use std::{collections::BTreeMap, convert::Infallible, future::pending};
use tokio::task::JoinSet;

/// How often who holds is looked at. What is told of moments is as exact as this.
const LOOK: Duration = Duration::from_millis(100);
/// A request that was begun this long ago has ended, as exactly as [`LOOK`] can tell.
const ALMOST: Duration = REQUEST
    .checked_sub(LOOK)
    .expect("a request takes longer than a look");

/// What a candidate's network does to its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Up,
    /// Requests arrive nowhere, and nothing says so.
    Cut,
    /// Requests arrive, and their answers do not.
    Deaf,
    /// Requests arrive late, and a look's two still have their answers before its deadline.
    Slow,
    /// They arrive at once, and their answers are late.
    Late,
}

const LINKS: [Link; 5] = [Link::Up, Link::Cut, Link::Deaf, Link::Slow, Link::Late];
/// How late that is.
const DELAY: Duration = Duration::from_millis(3900);
const _: () = assert!(
    2 * DELAY.as_millis() < REQUEST.as_millis(),
    "nothing would be renewed"
);

const LEASE: &str = "scheduler";

/// Leases by name.
#[derive(Debug, Clone, Default)]
struct Leases(Arc<Mutex<(u64, BTreeMap<String, Value>)>>);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

impl Leases {
    fn answer(&self, method: &Method, path: &str, body: &[u8]) -> (StatusCode, Value) {
        let mut guard = locked(&self.0);
        let (version, leases) = &mut *guard;
        let status = |code: StatusCode, reason: &str| {
            (
                code,
                json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": reason, "code": code.as_u16() }),
            )
        };
        if method == Method::GET {
            let found = leases.get(path.rsplit('/').next().unwrap_or_default());
            return found.map_or_else(
                || status(StatusCode::NOT_FOUND, "NotFound"),
                |lease| (StatusCode::OK, lease.clone()),
            );
        }
        let mut lease: Value = serde_json::from_slice(body).expect("a Lease");
        let name = lease["metadata"]["name"]
            .as_str()
            .expect("a Lease has a name")
            .to_owned();
        let known = leases
            .get(&name)
            .map(|lease| &lease["metadata"]["resourceVersion"]);
        if known.unwrap_or(&Value::Null) != &lease["metadata"]["resourceVersion"] {
            return status(StatusCode::CONFLICT, "Conflict");
        }
        *version += 1;
        lease["metadata"]["resourceVersion"] = version.to_string().into();
        leases.insert(name, lease.clone());
        (StatusCode::OK, lease)
    }

    fn holder(&self, name: &str) -> Value {
        locked(&self.0).1[name]["spec"]["holderIdentity"].clone()
    }

    fn client(&self, link: &Arc<Mutex<Link>>) -> Client {
        let (leases, link) = (self.clone(), Arc::clone(link));
        let serve = tower::service_fn(move |request: Request<Body>| {
            let (leases, link) = (leases.clone(), *locked(&link));
            async move {
                if link == Link::Cut {
                    pending::<()>().await;
                }
                if link == Link::Slow {
                    sleep(DELAY).await;
                }
                let (parts, body) = request.into_parts();
                let body = body.collect().await.expect("a body in memory").to_bytes();
                let (code, answer) = leases.answer(&parts.method, parts.uri.path(), &body);
                if link == Link::Late {
                    sleep(DELAY).await;
                }
                if link == Link::Deaf {
                    pending::<()>().await;
                }
                let response = Response::builder()
                    .status(code)
                    .body(Body::from(answer.to_string().into_bytes()));
                Ok::<_, Infallible>(response.expect("a response"))
            }
        });
        Client::new(serve, "longshore-system")
    }
}

/// A process that runs: whether it leads, its network, and its end.
struct Process {
    held: Leadership,
    link: Arc<Mutex<Link>>,
    stop: CancellationToken,
    _task: JoinSet<()>,
}

impl Process {
    fn start(leases: &Leases, identity: &str) -> Self {
        let (link, stop) = (Arc::new(Mutex::new(Link::Up)), CancellationToken::new());
        let candidate = Candidate {
            cluster: Cluster::over(leases.client(&link)),
            namespace: "longshore-system".to_owned(),
            name: LEASE.to_owned(),
            identity: identity.to_owned(),
            held: Leadership::default(),
        };
        let (held, mut task) = (candidate.held.clone(), JoinSet::new());
        task.spawn(candidate.run(|_| (), stop.clone()));
        Self {
            held,
            link,
            stop,
            _task: task,
        }
    }

    fn set(&self, link: Link) {
        *locked(&self.link) = link;
    }

    fn leads(&self) -> bool {
        self.held.is()
    }
}

/// Lets time pass until something is so, and says how long that took.
async fn until(what: &str, within: Duration, so: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < within, "not within {within:?}: {what}");
        sleep(LOOK).await;
    }
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn one_leads_and_another_one_follows_at_once_where_the_lease_is_given_back() {
    let leases = Leases::default();
    let first = Process::start(&leases, "a");
    until("the first leads", EVERY, || first.leads()).await;
    let second = Process::start(&leases, "b");
    for _ in 0..600 {
        assert!(first.leads() && !second.leads());
        sleep(LOOK).await;
    }
    first.stop.cancel();
    sleep(EVERY).await;
    first.held.give_up();
    Candidate::give_back(
        &Cluster::over(leases.client(&first.link)),
        "longshore-system",
        LEASE,
        "a",
    )
    .await;
    until("the second leads", EVERY + LOOK, || second.leads()).await;
    assert_eq!(leases.holder(LEASE), "b");
}

#[tokio::test(start_paused = true)]
async fn who_cannot_renew_stops_writing_long_before_another_one_begins() {
    for (before, then) in [
        (Link::Up, Link::Cut),
        (Link::Up, Link::Deaf),
        (Link::Late, Link::Cut),
    ] {
        let leases = Leases::default();
        let (first, second) = (Process::start(&leases, "a"), Process::start(&leases, "b"));
        until("one leads", EVERY, || first.leads() || second.leads()).await;
        let (leader, other) = if first.leads() {
            (first, second)
        } else {
            (second, first)
        };
        leader.set(before);
        sleep(REQUEST + EVERY).await;
        leader.set(then);
        let fenced = until("the fence", WRITES + LOOK, || !leader.leads()).await;
        assert!(
            before == Link::Late || fenced + EVERY >= WRITES,
            "{then:?}: {fenced:?}"
        );
        let next = until("the other one leads", VALID * 2, || other.leads()).await;
        // A request that the first one began in its last moment has ended.
        assert!(next >= ALMOST, "{before:?}, {then:?}: {next:?}");
        leader.set(Link::Up);
        sleep(VALID * 2).await;
        assert!(
            other.leads() && !leader.leads(),
            "{then:?}: who comes back takes nothing away"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn never_do_two_write_whatever_their_networks_do() {
    for seed in 0..16 {
        let (leases, mut random) = (Leases::default(), StdRng::seed_from_u64(seed));
        let all: Vec<_> = ["a", "b", "c"]
            .map(|name| Process::start(&leases, name))
            .into();
        // When each process was last seen to write.
        let mut wrote = [None::<Instant>; 3];
        for _ in 0..1500 {
            if random.random_ratio(1, 50) {
                all[random.random_range(0..all.len())]
                    .set(LINKS[random.random_range(0..LINKS.len())]);
            }
            sleep(LOOK).await;
            let leading: Vec<_> = (0..all.len()).filter(|index| all[*index].leads()).collect();
            assert!(leading.len() <= 1, "seed {seed}: {leading:?} write");
            let Some(index) = leading.first().copied() else {
                continue;
            };
            // What another one began while it wrote has ended, as each request has its deadline.
            wrote[index] = None;
            assert!(
                wrote.iter().flatten().all(|then| then.elapsed() >= ALMOST),
                "seed {seed}"
            );
            wrote[index] = Some(Instant::now());
        }
        for process in &all {
            process.set(Link::Up);
        }
        until("one leads", VALID * 3, || all.iter().any(Process::leads)).await;
    }
}
