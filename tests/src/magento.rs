//! `make test-magento`: a complete Magento on the test cluster, as a host would run it, and a table
//! of what works there.
//!
//! ```text
//!  tree       a copy of the user's own tree, or our stand-in; installed into a database, and split into modules
//!  stage      a class, a shop, its pods, and its releases
//!  magento1   the rows of an engine, as data: addresses, forms, programs
//!  walk       does a row's steps on the running shop
//!  switches   what changes below the visitors: releases, bad ones, roll backs, pods
//! ```

#![allow(
    clippy::disallowed_methods,
    reason = "the harness makes its files itself, and has no failpoints"
)]

pub mod browser;
pub mod magento1;
pub mod magento2;
mod picture;
pub mod row;
mod stage;
mod switches;
pub mod table;
pub mod text;
pub mod tree;
pub mod walk;

use self::stage::Stage;
pub use self::table::Table;

use crate::{
    cluster::Cluster,
    platform::{Platform, server::SEARCH_PORT},
};
use row::Row;
use std::{collections::BTreeMap, path::Path, time::Duration};

/// What an engine needs in particular.
#[derive(Debug)]
pub struct Kind {
    /// As a class names it.
    pub engine: &'static str,
    /// The modules, each with where it lands; a tree need not have all of them.
    pub modules: &'static [(&'static str, &'static str)],
    /// The files of the module that says of which release a page's parts are: the module that has
    /// it, its path there, its text.
    pub probe: &'static [(&'static str, &'static str, &'static str)],
    /// What the class lists as shared; the engine's own where it is empty.
    pub shared: &'static [&'static str],
    /// A longshore.toml, of which the lines count that say what is shared and written.
    pub spec: &'static str,
    /// The directory of uploads.
    pub media: &'static str,
    /// What is left behind of an installed tree.
    pub not_published: &'static [&'static str],
    /// PHP that builds the code, where that has to be built; with an argument, only what a build
    /// in the cluster needs.
    pub compile: &'static str,
    /// A file that a tree has once it is built, and what a build adds to a tree: module and
    /// directory.
    pub built: Option<Built>,
    /// The engine's installer.
    pub install: &'static str,
    /// PHP that makes a category, a product, a customer and a user of the API; the stand-in has
    /// its own.
    pub seed: &'static str,
    /// The rows, in their order.
    pub rows: &'static [&'static [Row]],
    /// Pages that visitors ask for all the time.
    pub visits: &'static [&'static str],
}

/// What a build makes of a tree.
#[derive(Debug, Clone, Copy)]
pub struct Built {
    /// A file that no tree has before.
    pub proof: &'static str,
    /// The modules that it fills: each with where it lands.
    pub modules: &'static [(&'static str, &'static str)],
    /// What only an installer leaves there, and a build would take for its own.
    pub leftovers: &'static [&'static str],
}

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// How often releases are switched and taken back in the end.
    pub switches: usize,
    /// From a rollout's beginning until every pod serves a release that changes no database, which
    /// the pods have or pull meanwhile.
    pub switch: Duration,
    /// Whether rows run that make all pods anew.
    pub slow: bool,
}

/// Tries a tree, or the stand-in if none is given, and gives the table.
///
/// # Panics
///
/// The platform does not start.
#[must_use]
pub fn tried(cluster: &Cluster, kind: &'static Kind, tree: Option<&Path>, extent: Extent) -> Table {
    let mut table = Table::default();
    let platform = Platform::install(cluster);
    let servers = stage::Servers::start(cluster);
    let mut stage = Stage::new(&platform, &servers, kind);
    let opened = stage.open(&mut table, tree);
    if opened {
        stage.walk(&mut table);
        switches::all(&stage, &mut table, extent);
    }
    if !table.bad().is_empty() {
        table.tell(stage.tell());
    }
    table
}

/// What rows and installers may say of a shop: its names, its database, and who may log in.
#[must_use]
pub fn variables(
    name: &str,
    (host, port): (&str, u16),
    password: &str,
) -> BTreeMap<String, String> {
    let variables = [
        ("host", format!("{name}.example")),
        ("schema", name.to_owned()),
        ("database", format!("{host}:{port}")),
        ("search_host", host.to_owned()),
        ("search_port", SEARCH_PORT.to_string()),
        ("password", password.to_owned()),
        ("crypt_key", "0123456789abcdef0123456789abcdef".to_owned()),
        ("admin", "admin".to_owned()),
        ("admin_password", "Chairs-and-tables-1".to_owned()),
        ("customer", "ana@shop.example".to_owned()),
        ("customer_password", "chairs-and-tables-1".to_owned()),
        ("api_user", "standin".to_owned()),
        ("api_key", "chairs-and-tables-1".to_owned()),
    ];
    variables
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
