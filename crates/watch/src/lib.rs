//! `longshore-watch`.

mod command;
mod run;
mod settings;

pub use command::run;
pub use settings::{Outside, Pace, Settings};
