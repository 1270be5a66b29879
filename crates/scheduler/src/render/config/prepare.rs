//! What `prepare` does, as a short program and the list of its work.

use crate::crd::Engine;
use crate::render::{frame::Frame, path};
use serde_json::json;

/// Reads `prepare.json`, makes links, and fills secrets into templates.
pub(super) const PROGRAM: &str = include_str!("template/prepare.php");

pub(super) fn json(frame: &Frame<'_>) -> String {
    let mut links: std::collections::BTreeMap<String, String> =
        frame.shared().into_iter().map(|shared| (shared.to_owned(), format!("{}/{shared}", path::SHARED))).collect();
    let mut templates = std::collections::BTreeMap::new();
    if let Some(file) = frame.configured() {
        let source = format!("{}/{}", path::APP, super::last(file));
        // PHP reads secrets itself; XML has to be filled.
        match frame.class.engine {
            Engine::Magento1 => drop(templates.insert(file, source)),
            _ => drop(links.insert(file.to_owned(), source)),
        }
    }
    links.extend(frame.declared().map(|file| (file.to_owned(), format!("{}/{}", path::APP, super::last(file)))));
    format!("{:#}\n", json!({ "into": path::STORAGE, "secrets": path::SECRET, "links": links, "templates": templates }))
}
