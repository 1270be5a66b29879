//! Shops, classes and releases as files: YAML or JSON, with one or many documents, each with the
//! line at which it begins; and as lists in CSV.

mod document;
mod fleet;
pub mod list;
mod rules;
mod write;

pub use document::{Document, FileError, read, read_text};
pub use fleet::{FleetError, fleet, read_fleet};
pub use rules::Rules;
pub use write::{Form, text, write};
