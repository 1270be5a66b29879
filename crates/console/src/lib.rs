//! `longshore-console`: the shops of a cluster in a browser.
//!
//! ```text
//!  API server ── Shops, classes, Releases, Rollouts ──► follow ─► registry ─┬─► web: pages
//!             ── ConfigMap longshore-halt ────────────► follow ──┘          └─► live: what changed
//!  browser ── form ──► guard ─► web ─► operations, as the person who clicks ──► API server
//!  browser ── login ─► provider ── ID token ──► session, a cookie
//!  longshore-watch ── errors, uptime, performance ──► web
//! ```
//!
//! It stores nothing: what it shows is what the API server has, and what it does, `longshore` does
//! as well. Each write is made with the rights of the person who asks for it, and is one line of
//! the log.
//!
//! | file | gives |
//! |---|---|
//! | `registry`, `follow` | what is known of the cluster |
//! | `login`, `session` | how people log in, and what is remembered of them |
//! | `person`, `rights`, `view` | who asks, what that person may do, and what that person sees |
//! | `impersonation` | whether the program may act as people |
//! | `guard` | which requests are answered at all, and with which headers |
//! | `begun` | what is done to its end, whoever still waits for it |
//! | `shops`, `planned`, `form` | rows, plans and forms: decisions, without IO |
//! | `text` | every text of a page that no template has |
//! | `web` | the pages, and what is done |
//! | `metrics`, `health` | what is counted, for Prometheus, and whether it works, for the kubelet |
//! | `live` | which parts of an open page have to be fetched again |

mod address;
mod begun;
mod command;
mod dashboard;
mod desk;
mod follow;
mod form;
mod guard;
mod health;
mod impersonation;
mod live;
mod login;
mod metrics;
mod page;
mod person;
mod planned;
mod registry;
mod rights;
mod run;
mod session;
mod settings;
mod shops;
mod text;
mod view;
mod web;

pub use command::run;
pub use dashboard::dashboard;
pub use metrics::reference;
pub use run::ConsoleError;
