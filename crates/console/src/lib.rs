//! `longshore-console`: the shops of a cluster in a browser.
//!
//! ```text
//!  API server ── Shops, classes, Releases, Rollouts ──► follow ─► registry ─┬─► web: pages
//!             ── ConfigMap longshore-halt ────────────► follow ──┘          └─► live: what changed
//!  browser ── form ──► guard ─► web ─► operations, as the person who clicks ──► API server
//!  longshore-watch ── errors, uptime, performance ──► web
//! ```
//!
//! It stores nothing: what it shows is what the API server has, and what it does, `longshore` does
//! as well. Each write is made with the rights of the person who asks for it, and is one line of the
//! log.
//!
//! | file | gives |
//! |---|---|
//! | `registry`, `follow` | what is known of the cluster |
//! | `person`, `rights` | who asks, and what that person may do |
//! | `guard` | which requests are answered at all, and with which headers |
//! | `shops`, `planned`, `form` | rows, plans and forms: decisions, without IO |
//! | `text` | every text of a page that no template has |
//! | `web` | the pages, and what is done |
//! | `live` | which parts of an open page have to be fetched again |

mod command;
mod desk;
mod follow;
mod form;
mod guard;
mod live;
mod page;
mod person;
mod planned;
mod registry;
mod rights;
mod run;
mod shops;
mod text;
mod web;

pub use command::run;
pub use run::ConsoleError;
