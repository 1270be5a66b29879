//! Why a store did not do what it was asked.

use release::{PathError, Reason};
use std::{error::Error, fmt, io, path::PathBuf, sync::Arc, time::Duration};

/// A cause from a library that callers do not branch on.
pub type Cause = Box<dyn Error + Send + Sync>;

/// What was asked of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// To open it.
    Open,
    /// To send an object or a part of it.
    Read,
    /// To say whether an object is there.
    Look,
    /// To keep an object.
    Write,
    /// To list keys.
    List,
    /// To remove an object.
    Delete,
}

/// Which call failed: what was asked, for which key, of which store. Holds no secret.
#[derive(Debug, Clone)]
pub struct Subject {
    /// What was asked.
    pub action: Action,
    /// The key, or the prefix of a listing; empty if the store itself is meant.
    pub key: String,
    /// The store: bucket and endpoint, or directory.
    pub store: Arc<str>,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, store, .. } = self;
        match self.action {
            Action::Open => write!(f, "cannot open {store}"),
            Action::Read => write!(f, "cannot read {key} from {store}"),
            Action::Look => write!(f, "cannot look up {key} in {store}"),
            Action::Write => write!(f, "cannot write {key} to {store}"),
            Action::List if key.is_empty() => write!(f, "cannot list {store}"),
            Action::List => write!(f, "cannot list {key} in {store}"),
            Action::Delete => write!(f, "cannot delete {key} from {store}"),
        }
    }
}

/// Why a store did not do what it was asked. "Missing", "forbidden" and "could not ask" are never
/// the same variant.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store answered that it holds no object of this key.
    #[error("{subject}: the object does not exist")]
    Missing {
        /// Which call.
        subject: Subject,
    },
    /// The bucket or the directory itself does not exist.
    #[error("{subject}: the store itself does not exist")]
    Bucket {
        /// Which call.
        subject: Subject,
    },
    /// The store refused this identity.
    #[error("{subject}: permission denied ({code}){}", without_list(subject, code))]
    Forbidden {
        /// Which call.
        subject: Subject,
        /// The store's own word for it.
        code: String,
    },
    /// No credentials were found to ask with.
    #[error("{subject}: no credentials found")]
    NoCredentials {
        /// Which call.
        subject: Subject,
        /// Where they were looked for.
        source: Cause,
    },
    /// The bucket is in another region than the one that was asked, or no region is known.
    #[error("{subject}: {}", region(asked.as_deref(), actual.as_deref()))]
    Region {
        /// Which call.
        subject: Subject,
        /// The region that was asked, if one is known.
        asked: Option<String>,
        /// The region that holds the bucket, if the store said it.
        actual: Option<String>,
    },
    /// The store could not be asked: no connection, or no answer on it.
    #[error("{subject}: no answer")]
    Unreachable {
        /// Which call.
        subject: Subject,
        /// Why.
        source: Cause,
    },
    /// The store answered that it cannot answer now.
    #[error("{subject}: the store is not available now ({code})")]
    Unavailable {
        /// Which call.
        subject: Subject,
        /// The store's own word for it, such as `503 SlowDown`.
        code: String,
    },
    /// Bytes came more slowly than the floor.
    #[error("{subject}: fewer than {floor} bytes/s over {window:?}, at byte {at}")]
    Stalled {
        /// Which call.
        subject: Subject,
        /// The floor, in bytes per second.
        floor: u64,
        /// Over which time it was measured.
        window: Duration,
        /// The first byte that did not come.
        at: u64,
    },
    /// The answer ended before its announced end.
    #[error("{subject}: the answer broke off at byte {at}")]
    Broken {
        /// Which call.
        subject: Subject,
        /// The first byte that did not come.
        at: u64,
        /// Why, if the connection said it.
        source: Option<Cause>,
    },
    /// The store's overall deadline leaves no time for another attempt.
    #[error("{subject}: not done within {limit:?}")]
    Deadline {
        /// Which call.
        subject: Subject,
        /// The deadline, counted from the opening of the store.
        limit: Duration,
        /// What went wrong last.
        source: Option<Box<StoreError>>,
    },
    /// The condition of a write does not hold: the object is there already, or it is not in the
    /// expected state.
    #[error("{subject}: the object is not in the expected state")]
    Condition {
        /// Which call.
        subject: Subject,
    },
    /// The object changed while it was being read, or is not the one that was asked for.
    #[error("{subject}: the object was replaced while it was being read")]
    Replaced {
        /// Which call.
        subject: Subject,
    },
    /// The object is larger than the caller accepts.
    #[error("{subject}: the object is larger than {limit} bytes")]
    TooLarge {
        /// Which call.
        subject: Subject,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The object ends before the end of the range that was asked for.
    #[error("{subject}: the object ends before byte {end}")]
    Short {
        /// Which call.
        subject: Subject,
        /// The end of the range that was asked for.
        end: u64,
    },
    /// The key is not one that a store can hold.
    #[error("{subject}: not a key")]
    Key {
        /// Which call.
        subject: Subject,
        /// What is wrong with it.
        source: PathError,
    },
    /// The store's clock and ours differ by more than the store accepts.
    #[error("{subject}: the store refuses our clock ({code})")]
    Clock {
        /// Which call.
        subject: Subject,
        /// The store's own word for it.
        code: String,
    },
    /// A setting of the environment, or of the profile, cannot be one.
    #[error("{subject}: {name} {problem}")]
    Setting {
        /// Which call.
        subject: Subject,
        /// The variable.
        name: &'static str,
        /// The rest of the sentence.
        problem: String,
    },
    /// The object lies in an archive, and reading it needs a restore first.
    #[error(
        "{subject}: the object is archived ({code}); restore it, and keep lifecycle rules that \
         archive away from this prefix"
    )]
    Archived {
        /// Which call.
        subject: Subject,
        /// The store's own word for it.
        code: String,
    },
    /// The store refused in a way that no other variant says; asking again gives the same.
    #[error("{subject}: refused ({code})")]
    Refused {
        /// Which call.
        subject: Subject,
        /// The store's own word for it.
        code: String,
    },
    /// The local disk refused: a directory that is a store, or a file that is sent to one.
    #[error("cannot use {}", path.display())]
    Disk {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

// S3 hides from an identity without s3:ListBucket whether a key exists (Amazon S3 API Reference,
// GetObject, Permissions).
fn without_list(subject: &Subject, code: &str) -> &'static str {
    let hidden = matches!(subject.action, Action::Read | Action::Look)
        && matches!(code, "AccessDenied" | "403");
    if hidden {
        "; without s3:ListBucket S3 says this of a missing key, too"
    } else {
        ""
    }
}

fn region(asked: Option<&str>, actual: Option<&str>) -> String {
    match (asked, actual) {
        (None, _) => "no region is set".to_owned(),
        (Some(asked), Some(actual)) => {
            format!("the bucket is in region {actual}, and {asked} was asked")
        }
        (Some(asked), None) => format!("the bucket is not in region {asked}"),
    }
}

impl StoreError {
    /// The stable reason code.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Missing { .. } => Reason::ObjectMissing,
            Self::Bucket { .. } => Reason::StoreMissing,
            Self::Forbidden { .. } | Self::NoCredentials { .. } => Reason::Forbidden,
            Self::Region { .. } => Reason::Region,
            Self::Unreachable { .. } | Self::Unavailable { .. } | Self::Broken { .. } => {
                Reason::Unreachable
            }
            Self::Stalled { .. } => Reason::Stalled,
            Self::Deadline { source: None, .. } => Reason::Deadline,
            Self::Deadline {
                source: Some(last), ..
            } => last.reason(),
            Self::Condition { .. } => Reason::Conflict,
            Self::Replaced { .. } => Reason::Replaced,
            Self::TooLarge { .. } => Reason::TooLarge,
            Self::Short { .. } => Reason::Truncated,
            Self::Key { source, .. } => source.reason(),
            Self::Clock { .. } => Reason::Clock,
            Self::Refused { .. } | Self::Archived { .. } | Self::Setting { .. } => Reason::Config,
            Self::Disk { .. } => Reason::Disk,
        }
    }

    /// Whether the same call may succeed later without anyone changing anything.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Unavailable { .. }
                | Self::Stalled { .. }
                | Self::Broken { .. }
                | Self::Deadline { .. }
        )
    }

    /// Whether the store answered that the object is not there; never true where it could not be
    /// asked.
    #[must_use]
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(action: Action) -> Subject {
        Subject {
            action,
            key: "k".to_owned(),
            store: "bucket shop at http://localhost:1".into(),
        }
    }

    #[test]
    fn a_refusal_to_read_says_that_the_key_may_be_missing() {
        let read = StoreError::Forbidden {
            subject: subject(Action::Read),
            code: "AccessDenied".to_owned(),
        };
        assert_eq!(
            read.to_string(),
            "cannot read k from bucket shop at http://localhost:1: permission denied \
             (AccessDenied); without s3:ListBucket S3 says this of a missing key, too"
        );
        let write = StoreError::Forbidden {
            subject: subject(Action::Write),
            code: "AccessDenied".to_owned(),
        };
        assert!(!write.to_string().contains("ListBucket"));
    }

    #[test]
    fn a_deadline_has_the_reason_of_what_went_wrong_last() {
        let last = StoreError::Stalled {
            subject: subject(Action::Read),
            floor: 1,
            window: Duration::from_secs(1),
            at: 0,
        };
        let deadline = |source| StoreError::Deadline {
            subject: subject(Action::Read),
            limit: Duration::from_secs(9),
            source,
        };
        assert_eq!(deadline(Some(Box::new(last))).reason(), Reason::Stalled);
        assert_eq!(deadline(None).reason(), Reason::Deadline);
    }
}
