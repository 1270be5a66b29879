//! How fast a pod's requests are answered, by release: `GET /requests` of an agent.
//!
//! nginx tells the agent of each request that PHP answered, in a line of a datagram:
//! `STATUS SECONDS TREE`, such as `200 0.042 /srv/shop/releases/b507a84d`.

use serde::{Deserialize, Serialize};

/// The version of the format.
pub const VERSION: u32 = 1;
/// Bytes of a page at most.
pub const LIMIT: usize = 16 << 10;
/// Releases that a page has at most: those that were asked last.
pub const RELEASES: usize = 4;
/// Where each bucket ends, in seconds. The last one, which has no end, is not among them. Dense
/// around what shops promise: a page within half a second.
pub const BOUNDS: [f64; 10] = [0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0];

/// What a pod has answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    /// [`VERSION`].
    pub version: u32,
    /// Names this run of the agent, in which counts only grow.
    pub run: String,
    /// php-fpm's workers, if it says how many there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<Workers>,
    /// What each release has answered.
    pub releases: Vec<Answered>,
}

impl Page {
    /// Whether a page is one that an agent writes: a shop's code may answer in its place.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.version == VERSION
            && self.run.len() <= 64
            && self.releases.len() <= RELEASES
            && self
                .releases
                .iter()
                .all(|it| it.seconds.is_finite() && it.seconds >= 0.0)
    }
}

/// php-fpm's workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workers {
    /// Those that answer a request.
    pub busy: u32,
    /// As many as there may be.
    pub most: u32,
}

/// What a release has answered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answered {
    /// Its sequence, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// Answers by the first digit of their status, from 1 to 5.
    pub statuses: [u64; 5],
    /// Answers by how long they took: those within the first of [`BOUNDS`], those within the next,
    /// and so on; the last are slower than all.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// How long all of them took together.
    pub seconds: f64,
}

/// A line of nginx.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line<'a> {
    /// The status of the answer.
    pub status: u16,
    /// How long it took.
    pub seconds: f64,
    /// The directory of the release that answered.
    pub tree: &'a str,
}

impl<'a> Line<'a> {
    /// Reads what follows the tag in a datagram of syslog; a shop's code may send anything, and
    /// `None` is what is no such line.
    #[must_use]
    pub fn read(datagram: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(datagram).ok()?;
        let (_, line) = text.split_once(": ")?;
        let mut words = line.split(' ');
        let status: u16 = words.next()?.parse().ok()?;
        let seconds: f64 = words.next()?.parse().ok()?;
        let tree = words.next()?;
        let sound = (100..600).contains(&status)
            && (0.0..=86_400.0).contains(&seconds)
            && words.next().is_none();
        sound.then_some(Self {
            status,
            seconds,
            tree,
        })
    }
}

impl Answered {
    /// Counts an answer.
    pub fn count(&mut self, status: u16, seconds: f64) {
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        let bucket = BOUNDS.partition_point(|bound| *bound < seconds);
        self.statuses[class] = self.statuses[class].saturating_add(1);
        self.buckets[bucket] = self.buckets[bucket].saturating_add(1);
        self.seconds += seconds;
    }

    /// How many answers there were.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.buckets
            .iter()
            .fold(0, |all, count| all.saturating_add(*count))
    }

    /// How many were errors of the server.
    #[must_use]
    pub const fn failed(&self) -> u64 {
        self.statuses[4]
    }

    /// Adds what another one has.
    pub fn add(&mut self, other: &Self) {
        for (sum, count) in self.statuses.iter_mut().zip(other.statuses) {
            *sum = sum.saturating_add(count);
        }
        for (sum, count) in self.buckets.iter_mut().zip(other.buckets) {
            *sum = sum.saturating_add(count);
        }
        self.seconds += other.seconds;
    }

    /// What was answered since `before`, of the same run; nothing where counts fell, which no
    /// agent's do.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut new = Self {
            sequence: self.sequence,
            ..Self::default()
        };
        let fell = |pairs: &[(u64, u64)]| pairs.iter().any(|(now, then)| now < then);
        let statuses: Vec<_> = self.statuses.into_iter().zip(before.statuses).collect();
        let buckets: Vec<_> = self.buckets.into_iter().zip(before.buckets).collect();
        if fell(&statuses) || fell(&buckets) {
            return new;
        }
        for (sum, (now, then)) in new.statuses.iter_mut().zip(statuses) {
            *sum = now - then;
        }
        for (sum, (now, then)) in new.buckets.iter_mut().zip(buckets) {
            *sum = now - then;
        }
        new.seconds = (self.seconds - before.seconds).max(0.0);
        new
    }

    /// Within how many seconds this share of the answers came, from 0 to 1, as Prometheus'
    /// `histogram_quantile` estimates it: within a bucket they are taken to be spread evenly, and
    /// beyond the last bound nothing is known but that. `None` if there was no answer.
    #[must_use]
    #[allow(
        clippy::cast_precision_loss,
        reason = "counts of requests are far below 2^52"
    )]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let all = self.all();
        if all == 0 {
            return None;
        }
        let rank = share.clamp(0.0, 1.0) * all as f64;
        let mut below = 0.0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            let count = *count as f64;
            if below + count >= rank && count > 0.0 {
                let begin = bucket.checked_sub(1).map_or(0.0, |before| BOUNDS[before]);
                let Some(end) = BOUNDS.get(bucket) else {
                    return Some(begin);
                };
                return Some(begin + (end - begin) * ((rank - below) / count));
            }
            below += count;
        }
        BOUNDS.last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_nginx_writes_it_and_nothing_else_is() {
        let tree = "/srv/shop/releases/b507a84d";
        let datagram = format!("<190>Dec  1 04:00:00 nginx: 200 0.042 {tree}");
        assert_eq!(
            Line::read(datagram.as_bytes()),
            Some(Line {
                status: 200,
                seconds: 0.042,
                tree
            })
        );
        for bad in [
            "",
            "200 0.042 /srv",
            "nginx: 200 0.042",
            "nginx: 99 0.042 /srv",
            "nginx: 600 0.042 /srv",
            "nginx: 200 -1 /srv",
            "nginx: 200 NaN /srv",
            "nginx: 200 inf /srv",
            "nginx: 200 0.042 /srv more",
        ] {
            assert_eq!(Line::read(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Line::read(b"nginx: 200 0.1 \xff"), None);
    }

    #[test]
    fn a_quantile_lies_in_its_bucket() {
        let mut answered = Answered::default();
        assert_eq!(answered.quantile(0.95), None);
        for _ in 0..90 {
            answered.count(200, 0.15);
        }
        for _ in 0..10 {
            answered.count(503, 30.0);
        }
        assert_eq!((answered.all(), answered.failed()), (100, 10));
        let half = answered.quantile(0.5).unwrap();
        assert!((0.1..=0.2).contains(&half), "{half}");
        assert_eq!(answered.quantile(0.95), Some(10.0));
        assert_eq!(answered.quantile(0.0), Some(0.1));
    }

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let mut answered = Answered::default();
        answered.count(200, 0.0);
        answered.count(200, 0.05);
        answered.count(200, 0.050_1);
        answered.count(200, 10.0);
        answered.count(200, 10.1);
        assert_eq!(answered.buckets, [2, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
    }

    #[test]
    fn what_is_new_is_the_difference_and_never_less_than_nothing() {
        let mut before = Answered {
            sequence: Some(7),
            ..Answered::default()
        };
        before.count(200, 0.2);
        let mut after = before.clone();
        after.count(500, 0.3);
        let new = after.since(&before);
        assert_eq!((new.all(), new.failed(), new.sequence), (1, 1, Some(7)));
        assert!((new.seconds - 0.3).abs() < 1e-9);
        assert_eq!(before.since(&after).all(), 0);
        let mut sum = before.clone();
        sum.add(&new);
        assert_eq!(sum.buckets, after.buckets);
    }
}
