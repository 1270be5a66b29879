//! How a store is asked: deadlines, timeouts, the floor of its speed, and what a test sets.

use std::{fmt, num::NonZeroUsize, time::Duration};

/// How a store is asked.
///
/// The defaults suit a pod that boots: they rather wait than fail. A person at a terminal wants a
/// shorter `patience`.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long everything together may take, counted from [`open`](crate::open) or from the last
    /// [`begin`](crate::ObjectStore::begin). Default: 10 min.
    pub deadline: Duration,
    /// How long one call goes on asking a store that does not answer at all (no connection, or
    /// silence). A store that asks us to slow down, or sends bytes too slowly, is not silent: only
    /// the deadline ends that. Default: 10 min.
    pub patience: Duration,
    /// How long a TCP and TLS connection may take. Default: 3.1 s, that of the AWS SDKs: one
    /// repeated SYN (RFC 6298: 1 s, then 2 s).
    pub connect_timeout: Duration,
    /// How long a store may think before its answer starts, besides the time that an upload takes
    /// at the floor. Default: 10 s.
    pub answer_timeout: Duration,
    /// The floor in bytes per second: an answer that is slower over a `window` is abandoned and
    /// resumed on another connection. Default: 16 KiB/s, a quarter of what each of 32 streams gets
    /// on a line of 2 MiB/s.
    pub floor: u64,
    /// Over which time the floor is measured. Default: 10 s.
    pub window: Duration,
    /// How many retries the store's budget holds when it is full. Default: 100, the AWS SDKs' 500
    /// units at 5 a retry.
    pub retry_burst: u32,
    /// How many retries a second the budget gains; an empty budget makes retries wait, it does not
    /// make them fail. Default: 10.
    pub retry_rate: u32,
    /// How many existence checks or parts of one upload are in flight. Parts are never more than
    /// 4. Default: 32.
    pub parallel: NonZeroUsize,
    /// Overrides of what aws-config finds.
    pub s3: S3Settings,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            deadline: Duration::from_mins(10),
            patience: Duration::from_mins(10),
            connect_timeout: Duration::from_millis(3100),
            answer_timeout: Duration::from_secs(10),
            floor: 16 << 10,
            window: Duration::from_secs(10),
            retry_burst: 100,
            retry_rate: 10,
            parallel: NonZeroUsize::new(32).unwrap_or(NonZeroUsize::MIN),
            s3: S3Settings::default(),
        }
    }
}

/// Overrides of what aws-config finds in the environment, the profile and the machine's metadata.
/// The test harness uses them.
#[derive(Debug, Clone, Default)]
pub struct S3Settings {
    /// The endpoint, such as `http://127.0.0.1:9000`; asked path-style.
    pub endpoint: Option<String>,
    /// The region to sign for.
    pub region: Option<String>,
    /// The identity.
    pub credentials: Option<Credentials>,
}

/// A fixed identity. Its `Debug` shows the public part only.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The access key's id, which is not secret.
    pub access_key: String,
    /// The secret key.
    pub secret_key: String,
    /// The token of temporary credentials.
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key", &self.access_key)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let credentials = Credentials {
            access_key: "AKIA".to_owned(),
            secret_key: "hush".to_owned(),
            session_token: Some("hush".to_owned()),
        };
        let shown = format!(
            "{:?}",
            S3Settings {
                credentials: Some(credentials),
                ..S3Settings::default()
            }
        );
        assert!(shown.contains("AKIA") && !shown.contains("hush"), "{shown}");
    }
}
