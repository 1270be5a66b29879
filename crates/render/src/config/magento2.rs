//! `app/etc/env.php` of Magento 2: PHP, which reads the shop's secrets from their files when it
//! runs.

use super::{
    prefix,
    values::{self, Node, Value},
};
use crate::{RenderError, shop_context::ShopContext};
use api::{Scheme, SearchEngine};
use std::{collections::BTreeMap, fmt::Write as _};

const ENV: &str = include_str!("template/env.php");
const CACHE: &str = include_str!("template/env-cache.php");
const SESSION: &str = include_str!("template/env-session.php");
const QUEUE: &str = include_str!("template/env-queue.php");
/// In the shop's own database, if no other shop looks.
const SESSION_OWN: &str = "    'session' => ['save' => 'db'],";

pub(super) fn env_php(context: &ShopContext<'_>) -> Result<String, RenderError> {
    let (host, database) =
        context
            .database
            .map_or((String::new(), String::new()), |(server, wanted)| {
                (
                    format!("{}:{}", server.host, server.port),
                    wanted.name.clone(),
                )
            });
    let session = context.sessions().map_or_else(
        || SESSION_OWN.to_owned(),
        |(server, database)| {
            SESSION
                .replace("@SERVER@", &quoted(&prefix::server(server)))
                .replace("@PORT@", &quoted(&server.port.to_string()))
                .replace("@DATABASE@", &database.to_string())
        },
    );
    let cache = context.cache.map_or_else(String::new, |(server, _)| {
        let user = context
            .cache_user()
            .map(|user| format!("'username' => {}, ", quoted(user)))
            .unwrap_or_default();
        CACHE
            .replace("@SERVER@", &quoted(&prefix::server(server)))
            .replace("@PORT@", &quoted(&server.port.to_string()))
            .replace("@USER@", &user)
    });
    let search = search(context);
    let given = search
        .iter()
        .map(|(path, value)| (path.as_str(), value.borrowed()));
    let mut values = String::new();
    write_tree(&mut values, &values::tree(context, given)?, 2);
    let file = ENV
        .replace("@ADMIN@", &quoted(context.admin_path()))
        .replace("@TABLE_PREFIX@", &quoted(context.table_prefix()))
        .replace("@HOST@", &quoted(&host))
        .replace("@DATABASE@", &quoted(&database))
        .replace("@DATABASE_TLS@", &database_tls(context))
        .replace(
            "@DOMAINS@",
            &list(
                context
                    .spec
                    .domains
                    .iter()
                    .map(|domain| quoted(&domain.host)),
            ),
        )
        .replace("@HTTP_CACHES@", &http_caches(context))
        .replace("@QUEUE@", queue(context).trim_end())
        .replace("@CACHE_TYPES@", &cache_types(context))
        .replace("@SESSION@", session.trim_end())
        .replace("@CACHE@", cache.trim_end())
        .replace("@MODULES@", &modules(context));
    let prefix = prefix::template(context, &[&file, &values]);
    // Last what people wrote, in which a text of ours may stand.
    Ok(file
        .replace("@PREFIX@", &format!("'{prefix}'"))
        .replace("@VALUES@", values.trim_end()))
}

/// Numbers, which are the same in each PHP: the constants' names move with PHP 8.5, and need an
/// extension to be loaded.
fn database_tls(context: &ShopContext<'_>) -> String {
    let Some(tls) = context.database.and_then(|(server, _)| server.tls.as_ref()) else {
        return String::new();
    };
    let indent = "\n                ";
    format!(
        "{indent}// PDO::MYSQL_ATTR_SSL_CA, \
         PDO::MYSQL_ATTR_SSL_VERIFY_SERVER_CERT{indent}'driver_options' => [1009 => {}, 1014 => \
         true],",
        quoted(&tls.ca_file)
    )
}

/// Those of modules, after Magento's own.
fn cache_types(context: &ShopContext<'_>) -> String {
    let lines: Vec<_> = context
        .spec
        .config
        .cache_types
        .iter()
        .map(|kind| format!("\n        {} => 1,", quoted(kind)))
        .collect();
    lines.concat()
}

fn http_caches(context: &ShopContext<'_>) -> String {
    let caches = context.class.backends.http_caches.iter();
    list(caches.map(|cache| {
        format!(
            "['host' => {}, 'port' => {}]",
            quoted(&cache.host),
            quoted(&cache.port.to_string())
        )
    }))
}

fn queue(context: &ShopContext<'_>) -> String {
    let Some((server, wanted)) = context.queue else {
        return String::new();
    };
    let tls = server.tls.as_ref();
    QUEUE
        .replace("@SERVER@", &quoted(&server.host))
        .replace("@PORT@", &quoted(&server.port.to_string()))
        .replace("@VIRTUAL_HOST@", &quoted(&wanted.virtual_host))
        .replace("@TLS@", if tls.is_some() { "'true'" } else { "''" })
        .replace(
            "@TLS_OPTIONS@",
            &tls.map(|tls| {
                format!(
                    "'cafile' => {}, 'verify_peer' => true, 'verify_peer_name' => true",
                    quoted(&tls.ca_file)
                )
            })
            .unwrap_or_default(),
        )
}

/// A value of ours, which the shop's own ones win over.
enum Given {
    Text(String),
    Secret(&'static str),
}

impl Given {
    fn borrowed(&self) -> Value<'_> {
        match self {
            Self::Text(text) => Value::Text(text),
            Self::Secret(key) => Value::Secret(key),
        }
    }
}

/// Settings of the search engine, as the admin has them under Catalog.
fn search(context: &ShopContext<'_>) -> Vec<(String, Given)> {
    let Some((server, wanted)) = context.search else {
        return Vec::new();
    };
    let engine = match server.engine {
        SearchEngine::Opensearch => "opensearch",
        SearchEngine::Elasticsearch7 => "elasticsearch7",
        SearchEngine::Elasticsearch8 => "elasticsearch8",
    };
    let scheme = match server.scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    let text = |value: &str| Given::Text(value.to_owned());
    let of = |name: &str, value: Given| (format!("default/catalog/search/{engine}_{name}"), value);
    vec![
        ("default/catalog/search/engine".to_owned(), text(engine)),
        of(
            "server_hostname",
            Given::Text(format!("{scheme}://{}", server.host)),
        ),
        of("server_port", Given::Text(server.port.to_string())),
        of("index_prefix", text(&wanted.prefix)),
        of("server_timeout", text("15")),
        // PHP says whether the Secret has a user.
        of("enable_auth", Given::Secret("search-user?")),
        of("username", Given::Secret("search-user")),
        of("password", Given::Secret("search-password")),
    ]
}

/// These win over the release's config.php, which Magento reads first.
fn modules(context: &ShopContext<'_>) -> String {
    let (enable, disable) = (
        context.spec.modules.enable.iter(),
        context.spec.modules.disable.iter(),
    );
    let all: BTreeMap<_, _> = enable
        .map(|module| (module, 1))
        .chain(disable.map(|module| (module, 0)))
        .collect();
    let lines: Vec<_> = all
        .into_iter()
        .map(|(module, on)| format!("\n        {} => {on},", quoted(module)))
        .collect();
    lines.concat()
}

fn write_tree(out: &mut String, tree: &BTreeMap<&str, Node<'_>>, depth: usize) {
    let indent = "    ".repeat(depth);
    for (name, node) in tree {
        // Writing to a String never fails.
        match node {
            Node::Value(Value::Text(text)) => {
                writeln!(out, "{indent}{} => {},", quoted(name), quoted(text)).ok()
            }
            Node::Value(Value::Secret(key)) => {
                let (key, whether) = key
                    .strip_suffix('?')
                    .map_or((*key, false), |key| (key, true));
                let secret = format!("$secret({})", quoted(key));
                let value = if whether {
                    format!("{secret} === '' ? '0' : '1'")
                } else {
                    secret
                };
                writeln!(out, "{indent}{} => {value},", quoted(name)).ok()
            }
            Node::Below(below) => {
                writeln!(out, "{indent}{} => [", quoted(name)).ok();
                write_tree(out, below, depth + 1);
                writeln!(out, "{indent}],").ok()
            }
        };
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

/// A text of PHP in single quotes, in which only the quote and the backslash mean something. What
/// the pod would fill in is taken apart, and so stays a text.
pub(super) fn quoted(text: &str) -> String {
    let quoted = text.replace('\\', "\\\\").replace('\'', "\\'");
    format!(
        "'{}'",
        quoted
            .replace("@release@", "@' . 'release@")
            .replace("@secret:", "@' . 'secret:")
    )
}
