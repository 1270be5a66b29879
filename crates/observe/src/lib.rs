//! What is observed of shops, and how programs tell each other. Pure.
//!
//! ```text
//!  PHP, nginx, Magento's files ─► agent: events, grouped by fingerprint ─► Page ─► longshore-watch
//!                                                                                     │
//!                                                        longshore errors, uptime ◄─ v1
//! ```
//!
//! | file | gives |
//! |---|---|
//! | `fingerprint` | the name of a group: the same error has the same one in every release |
//! | `kind` | where an error was written, and how bad it is |
//! | `page` | what an agent says of its pod's errors |
//! | `requests` | how fast a pod answers, by release |
//! | `v1` | the answers of `longshore-watch` |

mod fingerprint;
mod kind;
pub mod page;
pub mod requests;
pub mod v1;

pub use fingerprint::{Fingerprint, NotAFingerprint};
pub use kind::{Severity, Source};
