//! The process: settings from the environment, telemetry, the request to stop, and the last line
//! with its exit code.
//!
//! The `main` of a binary uses these, in this order:
//!
//! 1. [`Env::from_process`] takes every `LONGSHORE_*` variable once; the binary's `config.rs` reads
//!    its settings from it, and [`Env::finish`] returns all problems together.
//! 2. [`telemetry::start`] sends events to standard error, as text or as JSON.
//! 3. [`Stop::listen`] turns SIGTERM, SIGQUIT and SIGINT into a future.
//! 4. [`Tasks`] start and end together, if a program has more than one.
//! 5. [`caught`] turns a panic into an ordinary error: a bug of Longshore, exit code 70.
//! 6. [`FailureReport::failure`] prints the last line, leaves the termination message for
//!    Kubernetes, and gives the exit code.
//!
//! The settings themselves are data, in [`variable`]: error messages, `--help` and the reference
//! page ([`reference()`]) all come from that one table.

mod arguments;
#[cfg(feature = "arguments")]
pub mod command_line;
#[cfg(feature = "pages")]
pub mod connections;
#[cfg(feature = "dashboards")]
pub mod dashboard;
mod descriptors;
mod env;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
mod memory;
mod open_metrics;
#[cfg(feature = "pages")]
mod pages;
mod panicked;
mod pull_settings;
mod quantity;
mod reference;
mod report;
mod setting;
mod stop;
mod tasks;
pub mod telemetry;
pub mod threads;
mod trust_file;
pub mod variable;

pub use arguments::{ArgumentError, answer};
pub use descriptors::more_descriptors;
pub use env::{ConfigError, Env};
pub use memory::{peak_memory, processor_time, resident_memory};
pub use open_metrics::{OPEN_METRICS, OpenMetrics};
#[cfg(feature = "pages")]
pub use pages::{Page, PageServer, Pages};
pub use panicked::{Panicked, caught};
pub use pull_settings::{MEMORY_FLOOR, PullSettings, Templates};
pub use quantity::ByteSize;
pub use reference::{help, reference};
pub use report::{Chain, FailureReport, TERMINATION_LIMIT, TERMINATION_LOG};
pub use setting::{AbsolutePath, Setting};
pub use stop::{Signal, Stop};
pub use tasks::{TaskError, Tasks};
pub use trust_file::{TrustFileError, read_trust};
