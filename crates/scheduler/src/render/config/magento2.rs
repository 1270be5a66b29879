//! `app/etc/env.php` of Magento 2: PHP, which reads the shop's secrets from their files when it runs.

use super::values::{self, Node};
use crate::render::{RenderError, frame::Frame};
use std::{collections::BTreeMap, fmt::Write as _};

const ENV: &str = include_str!("template/env.php");
const CACHE: &str = include_str!("template/env-cache.php");
const SESSION: &str = include_str!("template/env-session.php");
/// In the shop's own database, where no other shop looks.
const SESSION_OWN: &str = "    'session' => ['save' => 'db'],";

pub(super) fn env_php(frame: &Frame<'_>) -> Result<String, RenderError> {
    let (host, database) = frame
        .database
        .map_or((String::new(), String::new()), |(server, wanted)| (format!("{}:{}", server.host, server.port), wanted.name.clone()));
    let cache = frame.cache.map_or_else(String::new, |(server, wanted)| {
        CACHE
            .replace("@HOST@", &quoted(&server.host))
            .replace("@PORT@", &quoted(&server.port.to_string()))
            .replace("@PREFIX@", &quoted(&wanted.prefix))
    });
    let session = frame.sessions().map_or_else(
        || SESSION_OWN.to_owned(),
        |(server, database)| {
            SESSION
                .replace("@HOST@", &quoted(&server.host))
                .replace("@PORT@", &quoted(&server.port.to_string()))
                .replace("@DATABASE@", &database.to_string())
        },
    );
    let mut values = String::new();
    write_tree(&mut values, &values::tree(frame)?, 2);
    Ok(ENV
        .replace("@HOST@", &quoted(&host))
        .replace("@DATABASE@", &quoted(&database))
        .replace("@SESSION@", session.trim_end())
        .replace("@CACHE@", cache.trim_end())
        .replace("@MODULES@", &modules(frame))
        .replace("@VALUES@", values.trim_end()))
}

/// These win over the release's config.php, which Magento reads first.
fn modules(frame: &Frame<'_>) -> String {
    let (enable, disable) = (frame.spec.modules.enable.iter(), frame.spec.modules.disable.iter());
    let all: BTreeMap<_, _> = enable.map(|module| (module, 1)).chain(disable.map(|module| (module, 0))).collect();
    let lines: Vec<_> = all.into_iter().map(|(module, on)| format!("\n        {} => {on},", quoted(module))).collect();
    lines.concat()
}

fn write_tree(out: &mut String, tree: &BTreeMap<&str, Node<'_>>, depth: usize) {
    let indent = "    ".repeat(depth);
    for (name, node) in tree {
        // Writing to a String never fails.
        match node {
            Node::Value(text) => writeln!(out, "{indent}{} => {},", quoted(name), quoted(text)).ok(),
            Node::Below(below) => {
                writeln!(out, "{indent}{} => [", quoted(name)).ok();
                write_tree(out, below, depth + 1);
                writeln!(out, "{indent}],").ok()
            }
        };
    }
}

/// A text of PHP in single quotes, in which only the quote and the backslash mean something. One that looks like what is filled into
/// templates stays a text.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('\'', "\\'");
    format!("'{}'", text.replace("@secret:", "@' . 'secret:").replace("@release@", "@' . 'release@"))
}
