//! `longshore-edge`: visitors' requests get to the pods of their shop, over TLS.
//!
//! ```text
//!  visitor ──► HAProxy ──► pod of a shop            HAProxy's own configuration never changes
//!                 ▲
//!                 │ files, then its socket
//!      longshore-edge agent   (beside each HAProxy) ◄── maps, EndpointSlices, certificates
//!      longshore-edge issue   (one leads)           ──► certificates, by ACME
//! ```
//!
//! Neither reads Shops: the scheduler writes what they have to know into ConfigMaps of the
//! namespace `edge`, and `issue` writes certificates into Secrets there.

pub mod agent;
pub mod certificate;
mod command;
pub mod issue;
mod why;

pub use agent::dashboard::dashboard;
pub use command::run;
pub use issue::dashboard as issuer_dashboard;

/// The page that lists the metrics of both, in Markdown.
#[must_use]
pub fn reference() -> String {
    agent::metrics::reference() + &issue::reference()
}
