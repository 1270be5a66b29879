//! What goes wrong, to which requests, and how often.

use super::operation::{Call, Operation};
use parking_lot::Mutex;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Everything that is wrong with the server; the default is a server that works.
///
/// The JSON form is what `PUT /-/faults` and `s3-server --faults` take:
///
/// ```
/// let json = r#"{"bandwidth": 10000000, "faults": [{"effect": {"reset": {"after": 65536}}, "keys": "blobs/", "first_per_key": 2}]}"#;
/// let faults: e2e::s3::Faults = serde_json::from_str(json)?;
/// assert_eq!(faults.faults.len(), 1);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Bytes a second, each way, over all connections.
    pub bandwidth: Option<u64>,
    /// Bytes a second, each way, of one connection.
    pub connection_bandwidth: Option<u64>,
    /// Every new connection is reset at once, as by a host where nothing listens.
    pub refuse: bool,
    /// Seed of every probability.
    pub seed: u64,
    /// All that match a request apply to it.
    pub faults: Vec<Fault>,
}

/// One thing that goes wrong, and for which requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What happens.
    pub effect: Effect,
    /// Only these operations; empty means each.
    #[serde(default)]
    pub operations: Vec<Operation>,
    /// Only keys that contain this text.
    #[serde(default)]
    pub keys: String,
    /// Only requests signed with this access key.
    pub access_key: Option<String>,
    /// The first so many matching requests are spared.
    #[serde(default)]
    pub skip: u64,
    /// Only so many times in all.
    pub first: Option<u64>,
    /// Only so many times for each key.
    pub first_per_key: Option<u64>,
    /// Only in this time after the fault was set, in milliseconds.
    pub for_ms: Option<u64>,
    /// From 0 to 1; 1 if not given.
    pub probability: Option<f64>,
}

/// What happens to a request. "The body" is the request's body of an upload, else the answer's
/// body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The answer's first byte waits this long.
    Latency {
        /// Milliseconds.
        ms: u64,
    },
    /// S3 answers with an error and does nothing.
    Status {
        /// HTTP's number.
        status: u16,
        /// S3's error code.
        code: String,
    },
    /// 301 for every request that is not signed for this region.
    Redirect {
        /// Where the bucket is.
        region: String,
    },
    /// The connection is reset (RST) after so many bytes of the body.
    Reset {
        /// Bytes.
        after: u64,
    },
    /// The connection is closed (FIN) after so many bytes of the body, short of its announced
    /// length.
    Truncate {
        /// Bytes.
        after: u64,
    },
    /// The body stops after so many bytes, and the connection stays open.
    Stall {
        /// Bytes.
        after: u64,
    },
    /// The body goes on slowly after so many bytes.
    Trickle {
        /// Bytes.
        after: u64,
        /// The pace from then on.
        bytes_per_second: u64,
    },
    /// One bit of the object differs in the answer, not in the store.
    Flip {
        /// The byte's place in the object, also when only a range is asked for.
        offset: u64,
    },
    /// The answer announces and has so many more bytes than was asked for.
    Excess {
        /// Bytes, all zero.
        bytes: u64,
    },
    /// The object is replaced by another of the same size after so many bytes were read from it.
    Swap {
        /// Bytes.
        after: u64,
    },
    /// The request is carried out, and the connection closed instead of an answer.
    LostAnswer,
    /// A write is carried out whatever its `If-None-Match` or `If-Match` says.
    Unconditional,
    /// The answer's `Date` is of an earlier time.
    Clock {
        /// How much earlier.
        seconds: u32,
    },
}

impl Effect {
    /// 503 `SlowDown`.
    #[must_use]
    pub fn slow_down() -> Self {
        Self::Status {
            status: 503,
            code: "SlowDown".into(),
        }
    }

    /// 403 `AccessDenied`.
    #[must_use]
    pub fn access_denied() -> Self {
        Self::Status {
            status: 403,
            code: "AccessDenied".into(),
        }
    }

    /// 400 `ExpiredToken`, as for temporary credentials that were not renewed.
    #[must_use]
    pub fn expired_token() -> Self {
        Self::Status {
            status: 400,
            code: "ExpiredToken".into(),
        }
    }

    /// How it is counted.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Latency { .. } => "latency",
            Self::Status { .. } => "status",
            Self::Redirect { .. } => "redirect",
            Self::Reset { .. } => "reset",
            Self::Truncate { .. } => "truncate",
            Self::Stall { .. } => "stall",
            Self::Trickle { .. } => "trickle",
            Self::Flip { .. } => "flip",
            Self::Excess { .. } => "excess",
            Self::Swap { .. } => "swap",
            Self::LostAnswer => "lost_answer",
            Self::Unconditional => "unconditional",
            Self::Clock { .. } => "clock",
        }
    }
}

impl Fault {
    /// For every request, always.
    #[must_use]
    pub const fn new(effect: Effect) -> Self {
        Self {
            effect,
            operations: Vec::new(),
            keys: String::new(),
            access_key: None,
            skip: 0,
            first: None,
            first_per_key: None,
            for_ms: None,
            probability: None,
        }
    }

    /// Only for this operation; call again for more.
    #[must_use]
    pub fn on(mut self, operation: Operation) -> Self {
        self.operations.push(operation);
        self
    }

    /// Only for keys that contain `text`.
    #[must_use]
    pub fn keys(mut self, text: &str) -> Self {
        text.clone_into(&mut self.keys);
        self
    }

    /// Only for requests signed with this access key.
    #[must_use]
    pub fn signed_with(mut self, access_key: &str) -> Self {
        self.access_key = Some(access_key.to_owned());
        self
    }

    /// Spares the first `count` matching requests.
    #[must_use]
    pub const fn skip(mut self, count: u64) -> Self {
        self.skip = count;
        self
    }

    /// Happens `count` times in all.
    #[must_use]
    pub const fn first(mut self, count: u64) -> Self {
        self.first = Some(count);
        self
    }

    /// Happens `count` times for each key.
    #[must_use]
    pub const fn first_per_key(mut self, count: u64) -> Self {
        self.first_per_key = Some(count);
        self
    }

    /// Ends by itself after `span`.
    #[must_use]
    pub fn lasting(mut self, span: Duration) -> Self {
        self.for_ms = Some(span.as_millis().try_into().unwrap_or(u64::MAX));
        self
    }

    /// Happens with this probability, from 0 to 1.
    #[must_use]
    pub const fn probability(mut self, probability: f64) -> Self {
        self.probability = Some(probability);
        self
    }

    fn concerns(&self, call: &Call) -> bool {
        (self.operations.is_empty() || self.operations.contains(&call.operation))
            && call.key.contains(&self.keys)
            && self.access_key.as_ref().is_none_or(|wanted| {
                call.signer
                    .as_ref()
                    .is_some_and(|signer| signer.access_key == *wanted)
            })
    }
}

/// The faults in force, and how often each has happened.
#[derive(Debug)]
pub(super) struct Board(Mutex<State>);

#[derive(Debug)]
struct State {
    faults: Faults,
    since: Instant,
    tallies: Vec<Tally>,
    random: StdRng,
}

#[derive(Debug, Default, Clone)]
struct Tally {
    seen: u64,
    happened: u64,
    by_key: BTreeMap<String, u64>,
}

impl Board {
    pub(super) fn new(faults: Faults) -> Self {
        Self(Mutex::new(State::new(faults)))
    }

    /// Replaces all faults; counts and time start again.
    pub(super) fn set(&self, faults: Faults) {
        *self.0.lock() = State::new(faults);
    }

    pub(super) fn get(&self) -> Faults {
        self.0.lock().faults.clone()
    }

    /// What happens to this request, which is counted as seen.
    pub(super) fn effects(&self, call: &Call) -> Vec<Effect> {
        self.0.lock().effects(call)
    }
}

impl State {
    fn new(faults: Faults) -> Self {
        let tallies = vec![Tally::default(); faults.faults.len()];
        let random = StdRng::seed_from_u64(faults.seed);
        Self {
            faults,
            since: Instant::now(),
            tallies,
            random,
        }
    }

    fn effects(&mut self, call: &Call) -> Vec<Effect> {
        let age = self.since.elapsed();
        let mut effects = Vec::new();
        for (fault, tally) in self.faults.faults.iter().zip(&mut self.tallies) {
            if !fault.concerns(call)
                || fault
                    .for_ms
                    .is_some_and(|ms| age > Duration::from_millis(ms))
            {
                continue;
            }
            tally.seen += 1;
            let of_key = tally.by_key.get(&call.key).copied().unwrap_or_default();
            let spent = tally.seen <= fault.skip
                || fault.first.is_some_and(|limit| tally.happened >= limit)
                || fault.first_per_key.is_some_and(|limit| of_key >= limit);
            if spent
                || fault.probability.is_some_and(|probability| {
                    !self.random.random_bool(probability.clamp(0.0, 1.0))
                })
            {
                continue;
            }
            tally.happened += 1;
            tally.by_key.insert(call.key.clone(), of_key + 1);
            effects.push(fault.effect.clone());
        }
        effects
    }
}
