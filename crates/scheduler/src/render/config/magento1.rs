//! `app/etc/local.xml` of Magento 1 and OpenMage: a template, which is filled with the shop's secrets in the pod.

use super::values::{self, Node};
use crate::render::{RenderError, frame::Frame};
use std::{collections::BTreeMap, fmt::Write as _};

const LOCAL: &str = include_str!("template/local.xml");
const CACHE: &str = include_str!("template/local-cache.xml");
const SESSION: &str = include_str!("template/local-session.xml");
/// In the shop's own database, where no other shop looks.
const SESSION_OWN: &str = "        <session_save>db</session_save>";

pub(super) fn local_xml(frame: &Frame<'_>) -> Result<String, RenderError> {
    let (host, port, database) = frame
        .database
        .map_or((String::new(), 0, String::new()), |(server, wanted)| (server.host.clone(), server.port, wanted.name.clone()));
    let cache = frame.cache.map_or_else(String::new, |(server, wanted)| {
        CACHE
            .replace("@HOST@", &escaped(&server.host))
            .replace("@PORT@", &server.port.to_string())
            .replace("@PREFIX@", &escaped(&wanted.prefix))
    });
    let session = frame.sessions().map_or_else(
        || SESSION_OWN.to_owned(),
        |(server, database)| {
            SESSION
                .replace("@HOST@", &escaped(&server.host))
                .replace("@PORT@", &server.port.to_string())
                .replace("@DATABASE@", &database.to_string())
        },
    );
    let mut values = String::new();
    write_tree(&mut values, &values::tree(frame)?, 1);
    Ok(LOCAL
        .replace("@HOST@", &escaped(&host))
        .replace("@PORT@", &port.to_string())
        .replace("@DATABASE@", &escaped(&database))
        .replace("@SESSION@", session.trim_end())
        .replace("@CACHE@", cache.trim_end())
        .replace("@VALUES@", values.trim_end()))
}

/// A file among those that declare modules: OpenMage has loaded these, and decided which are active, before it reads `local.xml` again.
/// It merges them in the order of their names, so that the last one decides, and keeps what the others say of code pools and dependencies.
pub(super) fn modules_xml(frame: &Frame<'_>) -> String {
    format!("<?xml version=\"1.0\"?>\n<config>\n    <modules>{}\n    </modules>\n</config>\n", modules(frame))
}

fn modules(frame: &Frame<'_>) -> String {
    let (enable, disable) = (frame.spec.modules.enable.iter(), frame.spec.modules.disable.iter());
    let all: BTreeMap<_, _> = enable.map(|module| (module, true)).chain(disable.map(|module| (module, false))).collect();
    let line = |(module, active): (&String, bool)| format!("\n        <{module}><active>{active}</active></{module}>");
    all.into_iter().map(line).collect()
}

fn write_tree(out: &mut String, tree: &BTreeMap<&str, Node<'_>>, depth: usize) {
    let indent = "    ".repeat(depth);
    for (name, node) in tree {
        // Writing to a String never fails.
        match node {
            Node::Value(text) => writeln!(out, "{indent}<{name}>{}</{name}>", escaped(text)).ok(),
            Node::Below(below) => {
                writeln!(out, "{indent}<{name}>").ok();
                write_tree(out, below, depth + 1);
                writeln!(out, "{indent}</{name}>").ok()
            }
        };
    }
}

/// Text between tags. A value that looks like what is filled into templates stays a text.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace("@secret:", "&#64;secret:")
        .replace("@release@", "&#64;release@")
}
