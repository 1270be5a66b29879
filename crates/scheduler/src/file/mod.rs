//! Shops, classes and releases as files: YAML or JSON, one or many documents, each with the line where it begins.

mod document;
mod fleet;
mod write;

pub use document::{Document, FileError, read, read_text};
pub use fleet::{Fleet, FleetError};
pub use write::{Form, text, write};
