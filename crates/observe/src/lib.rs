//! What is observed of shops, and how programs tell each other. Pure.
//!
//! ```text
//!  PHP, nginx, Magento's files ─► agent: records ─► mask ─► event ─► groups ─► Page ─► longshore-watch
//!                                                             │        │                   │
//!                                                          the log ◄─ limits  longshore errors, uptime ◄─ v1
//! ```
//!
//! | file | gives |
//! |---|---|
//! | `kind` | where an error was written, and how bad it is |
//! | `records` | errors out of a log that grows, each with its trace |
//! | `text` | text that somebody else wrote, harmless and bounded |
//! | `mask` | text without secrets and personal data |
//! | `event` | what is known of one error |
//! | `fingerprint` | the name of a group: the same error has the same one in every release |
//! | `groups` | what a pod saw, which of it is told, and the page of it |
//! | `page` | what an agent says of its pod's errors |
//! | `requests` | how fast a pod answers, by release |
//! | `evidence` | what is held against a release that is on its way |
//! | `v1` | the answers of `longshore-watch` |

mod event;
pub mod evidence;
mod fingerprint;
mod frames;
mod groups;
mod kind;
mod mask;
pub mod page;
mod read;
mod records;
pub mod requests;
mod stamp;
pub mod text;
pub mod v1;
mod values;

pub use event::Event;
pub use fingerprint::{Fingerprint, NotAFingerprint};
pub use groups::{Groups, LogAction, Summary};
pub use kind::{Severity, Source};
pub use mask::masked;
pub use records::{RECORD, Record, Records, begins};
