//! The API, health and metrics: what is asked, and what is answered.

mod route;

use crate::{
    collect::{Counts, pods::Pods},
    custom_metrics,
    fleet::Fleet,
    metrics, performance,
    probe::board::Board,
    store::{DatabaseError, Store, fatal, groups, incidents},
};
use http::{
    Request, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{
    body::{Bytes, Incoming},
    service::service_fn,
};
use jiff::Timestamp;
use observe::{
    Fingerprint, Source,
    evidence::{self, Traffic},
    v1::{Errors, Evidence, Performance, Problem, ShopSummary, Shops, StateChange, Trial, Uptime},
};
use parking_lot::Mutex;
use route::{Refused, Route};
use runtime::{
    OPEN_METRICS,
    connections::{Requests, serve},
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;

/// Bytes of a body at most.
const BODY: usize = 4 << 10;
/// The same of a question for evidence, which names a thousand shops at most.
const TRIAL: usize = 128 << 10;
/// How long a body may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What answers are made of.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) fleet: Arc<Mutex<Fleet>>,
    pub(crate) pods: Arc<Pods>,
    pub(crate) board: Arc<Mutex<Board>>,
    pub(crate) store: Store,
    pub(crate) performance: Arc<Mutex<performance::Performance>>,
    pub(crate) collected: Arc<Counts>,
    /// Where custom metrics are served.
    pub(crate) custom_metrics: Option<Arc<custom_metrics::Counts>>,
}

type Answer = Response<Full<Bytes>>;

impl Desk {
    /// Answers until `stop`.
    pub(crate) async fn run(self, listener: TcpListener, stop: CancellationToken) {
        let this = Arc::new(self);
        let service = service_fn(move |request: Request<Incoming>| {
            let this = Arc::clone(&this);
            async move { Ok::<_, Infallible>(this.answer(request).await) }
        });
        serve(listener, service, Requests::Many, || None, stop).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let answer = match route::read(request.method(), request.uri()) {
            Ok(Route::Live) => Ok(text(StatusCode::OK, "text/plain", "ok\n".to_owned())),
            Ok(Route::Ready) => Ok(self.ready()),
            Ok(Route::Metrics) => self.metrics().await,
            Ok(Route::Shops) => self.shops().await,
            Ok(Route::Errors(shop, which)) => self.errors(shop, which).await,
            Ok(Route::Uptime(shop)) => self.uptime(shop).await,
            Ok(Route::Performance(shop, minutes)) => self.performance(shop, minutes).await,
            Ok(Route::Evidence) => self.evidence(request.into_body()).await,
            Ok(Route::State(shop, name)) => self.judge(shop, name, request.into_body()).await,
            Err(refused) => Err(refused),
        };
        answer.unwrap_or_else(|refused| {
            let (code, problem) = refused.answer();
            let mut answer = json(code, &Problem { problem });
            if let Refused::Method(allowed) = refused {
                let allowed = HeaderValue::from_static(allowed);
                answer.headers_mut().insert(ALLOW, allowed);
            }
            answer
        })
    }

    fn ready(&self) -> Answer {
        if self.fleet.lock().is_listed() && self.pods.is_listed() {
            return text(StatusCode::OK, "text/plain", "ok\n".to_owned());
        }
        let why = "not everything is listed yet\n".to_owned();
        text(StatusCode::SERVICE_UNAVAILABLE, "text/plain", why)
    }

    async fn metrics(&self) -> Result<Answer, Refused> {
        let figures = self.store.call(groups::figures).await;
        // What is known without the database is said all the same.
        let page = metrics::page(&metrics::Sources {
            figures: figures.unwrap_or_default(),
            fleet: &self.fleet.lock(),
            performance: &self.performance.lock(),
            board: &self.board.lock(),
            store: self.store.counts(),
            collected: &self.collected,
            custom_metrics: self.custom_metrics.as_deref(),
            now: Timestamp::now(),
        });
        Ok(text(StatusCode::OK, OPEN_METRICS, page))
    }

    async fn shops(&self) -> Result<Answer, Refused> {
        let mut figures = self.store.call(groups::figures).await?;
        let (fleet, board) = (self.fleet.lock(), self.board.lock());
        if fleet.has("").is_none() {
            return Err(Refused::NotYet);
        }
        let mut probed = board.figures();
        let shops = fleet.names().map(|name| {
            let probed = probed.remove(name).unwrap_or_default();
            ShopSummary {
                shop: name.to_owned(),
                open: figures.open.remove(name).unwrap_or_default(),
                hosts: probed.hosts,
                hosts_down: probed.hosts_down,
                problem: probed.problem,
            }
        });
        let shops = shops.map(with_errors).collect();
        Ok(json(StatusCode::OK, &Shops { shops }))
    }

    async fn errors(&self, shop: String, which: groups::GroupFilter) -> Result<Answer, Refused> {
        self.known(&shop)?;
        let of = shop.clone();
        let found = self.store.call(move |db| groups::of_shop(db, &of, which));
        let groups = found.await?;
        let as_of = self.pods.as_of(&shop);
        Ok(json(
            StatusCode::OK,
            &Errors {
                shop,
                as_of,
                groups,
            },
        ))
    }

    async fn uptime(&self, shop: String) -> Result<Answer, Refused> {
        self.known(&shop)?;
        let of = shop.clone();
        let found = self
            .store
            .call(move |db| Ok((incidents::of_shop(db, &of)?, incidents::months(db, &of)?)));
        let (incidents, months) = found.await?;
        let hosts = self.board.lock().of_shop(&shop);
        let uptime = Uptime {
            shop,
            hosts,
            incidents,
            months,
        };
        Ok(json(StatusCode::OK, &uptime))
    }

    async fn judge(
        &self,
        shop: String,
        name: Fingerprint,
        body: Incoming,
    ) -> Result<Answer, Refused> {
        self.known(&shop)?;
        let body = read(body, BODY).await?;
        let change: StateChange = serde_json::from_slice(&body).map_err(|error| {
            Refused::Body(format!(
                "expected {{\"state\": \"resolved\"}}, or ignored, or open: {error}"
            ))
        })?;
        let judged = self
            .store
            .call(move |db| groups::judge(db, &shop, name, change.state));
        let group = judged.await?.ok_or(Refused::NoGroup(name))?;
        Ok(json(StatusCode::OK, &group))
    }

    async fn performance(&self, shop: String, minutes: u32) -> Result<Answer, Refused> {
        self.known(&shop)?;
        let of = shop.clone();
        let found = self
            .store
            .call(move |db| groups::of_shop(db, &of, groups::GroupFilter::Open));
        let mut slow = found.await?;
        slow.retain(|group| group.source == Source::Slow);
        let (now, performance) = (Timestamp::now(), self.performance.lock());
        let answer = Performance {
            busy_workers: performance.busy_workers(&shop, now),
            releases: performance.releases(&shop, minutes, now),
            shop,
            minutes,
            slow,
        };
        Ok(json(StatusCode::OK, &answer))
    }

    async fn evidence(&self, body: Incoming) -> Result<Answer, Refused> {
        let body = read(body, TRIAL).await?;
        let trial: Trial = serde_json::from_slice(&body)
            .map_err(|error| Refused::Body(format!("expected a sequence and shops: {error}")))?;
        let moved: BTreeSet<String> = trial.moved.into_iter().collect();
        let (of, sequence) = (moved.clone(), trial.sequence);
        let fatal = self
            .store
            .call(move |db| fatal::of_release(db, sequence, &of))
            .await?;
        let moved: BTreeSet<&str> = moved.iter().map(String::as_str).collect();
        let [canaries, control] = [&trial.canaries, &trial.control]
            .map(|shops| shops.iter().map(String::as_str).collect::<BTreeSet<_>>());
        let now = Timestamp::now();
        // Agents' answers are not kept waiting while it is judged.
        let traffic: BTreeMap<&str, Traffic> = {
            let mut performance = self.performance.lock();
            let all = moved.union(&control).copied();
            performance.judge(all.clone(), now);
            all.map(|shop| (shop, performance.traffic(shop, sequence, now)))
                .collect()
        };
        let requests = moved
            .iter()
            .filter_map(|shop| traffic.get(shop))
            .fold(0, |all: u64, traffic| all.saturating_add(traffic.with()));
        let as_of = moved.iter().filter_map(|shop| self.pods.as_of(shop)).min();
        let shops = evidence::Shops {
            moved: &moved,
            canaries: &canaries,
            control: &control,
        };
        let against = evidence::against(shops, &fatal, &traffic, now);
        Ok(json(
            StatusCode::OK,
            &Evidence {
                as_of,
                requests,
                against,
            },
        ))
    }

    fn known(&self, shop: &str) -> Result<(), Refused> {
        match self.fleet.lock().has(shop) {
            Some(true) => Ok(()),
            Some(false) => Err(Refused::NoShop(shop.to_owned())),
            None => Err(Refused::NotYet),
        }
    }
}

/// A body of at most `limit` bytes.
async fn read(body: Incoming, limit: usize) -> Result<Bytes, Refused> {
    match timeout(PATIENCE, Limited::new(body, limit).collect()).await {
        Err(_elapsed) => Err(Refused::Body("the body does not come".to_owned())),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refused::Large(limit)),
        Ok(Err(error)) => Err(Refused::Body(error.to_string())),
        Ok(Ok(body)) => Ok(body.to_bytes()),
    }
}

/// What is wrong with a shop in one line: that it does not answer comes before its errors.
fn with_errors(shop: ShopSummary) -> ShopSummary {
    let fatal = shop
        .open
        .get(&observe::Severity::Fatal)
        .copied()
        .unwrap_or(0);
    let errors = match fatal {
        0 => None,
        1 => Some("one fatal error is open".to_owned()),
        many => Some(format!("{many} fatal errors are open")),
    };
    ShopSummary {
        problem: shop.problem.or(errors),
        ..shop
    }
}

impl From<DatabaseError> for Refused {
    fn from(error: DatabaseError) -> Self {
        Self::Store(error.to_string())
    }
}

fn text(code: StatusCode, kind: &'static str, text: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = code;
    let kind = HeaderValue::from_static(kind);
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

fn json(code: StatusCode, value: &impl Serialize) -> Answer {
    // Texts, numbers and lists of them always become JSON.
    let body = serde_json::to_string(value).unwrap_or_default();
    text(code, "application/json", body)
}
