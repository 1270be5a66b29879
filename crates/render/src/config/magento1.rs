//! `app/etc/local.xml` of Magento 1 and OpenMage: a template, which is filled with the shop's
//! secrets for each release.

use super::{
    magento2::quoted,
    prefix,
    values::{self, Node, Value},
};
use crate::{RenderError, shop_context::ShopContext};
use std::{collections::BTreeMap, fmt::Write as _};

const LOCAL: &str = include_str!("template/local.xml");
const CACHE: &str = include_str!("template/local-cache.xml");
const SESSION: &str = include_str!("template/local-session.xml");
/// In the shop's own database, if no other shop looks.
const SESSION_OWN: &str = include_str!("template/local-session-own.xml");
const DATABASE_TLS: &str = include_str!("template/local-database-tls.xml");
const LOCKED: &str = include_str!("template/local-locked.xml");
const CONFIG_CLASS: &str = include_str!("template/LongshoreConfig.php");
const MYSQL_CLASS: &str = include_str!("template/LongshoreMysql.php");
/// Names of the files with classes of ours, as Magento's autoloader looks for them.
pub(super) const CONFIG_FILE: &str = "LongshoreConfig.php";
pub(super) const MYSQL_FILE: &str = "LongshoreMysql.php";

pub(super) fn local_xml(context: &ShopContext<'_>) -> Result<String, RenderError> {
    let (host, port, database) = context
        .database
        .map_or((String::new(), 0, String::new()), |(server, wanted)| {
            (server.host.clone(), server.port, wanted.name.clone())
        });
    let cache = context.cache.map_or_else(String::new, |(server, _)| {
        let user = context
            .cache_user()
            .map(|user| format!("<username>{user}</username>\n                "));
        // Without its password a shop would be anybody.
        let password = if user.is_some() {
            "@secret:cache-password@"
        } else {
            "@secret:cache-password?@"
        };
        CACHE
            .replace("@SERVER@", &escaped(&prefix::server(server)))
            .replace("@PORT@", &server.port.to_string())
            .replace("@USER@", &user.unwrap_or_default())
            .replace("@PASSWORD@", password)
    });
    let session = context.sessions().map_or_else(
        || SESSION_OWN.to_owned(),
        |(server, database)| {
            SESSION
                .replace("@SERVER@", &escaped(&prefix::server(server)))
                .replace("@PORT@", &server.port.to_string())
                .replace("@DATABASE@", &database.to_string())
        },
    );
    let classes = classes(context);
    let naming = |class: &str, text: &'static str| {
        if classes.contains_key(class) {
            text
        } else {
            ""
        }
    };
    let tree = values::tree(context, [])?;
    let mut values = String::new();
    // A website or a store that is named here would be one without a number: its values are the
    // class's to set.
    write_tree(
        &mut values,
        tree.iter()
            .filter(|(scope, _)| !["websites", "stores"].contains(scope)),
        1,
    );
    let file = LOCAL
        .replace("@TABLE_PREFIX@", context.table_prefix())
        .replace("@HOST@", &escaped(&host))
        .replace("@PORT@", &port.to_string())
        .replace("@DATABASE@", &escaped(&database))
        .replace("@ADMIN@", context.admin_path())
        .replace("@SESSION@", session.trim_end())
        .replace("@CACHE@", cache.trim_end())
        .replace("@DATABASE_TLS@\n", naming(MYSQL_FILE, DATABASE_TLS))
        .replace("@LOCKED@\n", naming(CONFIG_FILE, LOCKED));
    let modules = modules(context);
    let all: Vec<&str> = classes
        .values()
        .map(String::as_str)
        .chain([file.as_str(), &values, &modules])
        .collect();
    let prefix = prefix::template(context, &all);
    // Last what people wrote, in which a text of ours may stand.
    Ok(file
        .replace("@PREFIX@", &prefix)
        .replace("@VALUES@", values.trim_end()))
}

/// Classes of ours that `local.xml` names: PHP files by name, in a directory of PHP's
/// `include_path`.
pub(super) fn classes(context: &ShopContext<'_>) -> BTreeMap<String, String> {
    let mut classes = BTreeMap::new();
    let scoped = values::scoped(context);
    if !scoped.is_empty() {
        let line = |(scope, code, path, value): &(&str, &str, &str, &str)| {
            format!(
                "\n        [{}, {}, {}, {}],",
                quoted(scope),
                quoted(code),
                quoted(path),
                quoted(value)
            )
        };
        let lines: String = scoped.iter().map(line).collect();
        classes.insert(
            CONFIG_FILE.to_owned(),
            CONFIG_CLASS.replace("@LOCKED@", &lines),
        );
    }
    if let Some(tls) = context.database.and_then(|(server, _)| server.tls.as_ref()) {
        classes.insert(
            MYSQL_FILE.to_owned(),
            MYSQL_CLASS.replace("@CA_FILE@", &quoted(&tls.ca_file)),
        );
    }
    classes
}

/// A file among those that declare modules: OpenMage has loaded these, and decided which are
/// active, before it reads `local.xml` again. It merges them in the order of their names, so that
/// the last one decides, and keeps what the others say of code pools and dependencies.
pub(super) fn modules_xml(context: &ShopContext<'_>) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<config>\n    <modules>{}\n    </modules>\n</config>\n",
        modules(context)
    )
}

fn modules(context: &ShopContext<'_>) -> String {
    let (enable, disable) = (
        context.spec.modules.enable.iter(),
        context.spec.modules.disable.iter(),
    );
    let all: BTreeMap<_, _> = enable
        .map(|module| (module, true))
        .chain(disable.map(|module| (module, false)))
        .collect();
    let line = |(module, active): (&String, bool)| {
        format!("\n        <{module}><active>{active}</active></{module}>")
    };
    all.into_iter().map(line).collect()
}

fn write_tree<'a>(
    out: &mut String,
    tree: impl Iterator<Item = (&'a &'a str, &'a Node<'a>)>,
    depth: usize,
) {
    let indent = "    ".repeat(depth);
    for (name, node) in tree {
        // Writing to a String never fails.
        match node {
            Node::Value(Value::Text(text)) => {
                writeln!(out, "{indent}<{name}>{}</{name}>", escaped(text)).ok()
            }
            Node::Value(Value::Secret(key)) => {
                writeln!(out, "{indent}<{name}><![CDATA[@secret:{key}?@]]></{name}>").ok()
            }
            Node::Below(below) => {
                writeln!(out, "{indent}<{name}>").ok();
                write_tree(out, below.iter(), depth + 1);
                writeln!(out, "{indent}</{name}>").ok()
            }
        };
    }
}

/// Text between tags, as it is: XML would make one line break of two characters. What the pod would
/// fill in stays a text.
fn escaped(text: &str) -> String {
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\r', "&#13;");
    text.replace("@secret:", "&#64;secret:")
        .replace("@release@", "&#64;release@")
}
