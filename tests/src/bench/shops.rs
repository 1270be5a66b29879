//! What is pulled: the demo's shop, published, and its tarballs a second time under plain names for programs that know no releases.

#![allow(clippy::disallowed_methods, reason = "the harness makes its directories itself, and has no failpoints")]

use super::BenchError;
use crate::{
    corpus,
    interrupt::Interrupt,
    process::{Program, Running},
    s3,
    shop::{Shop, json},
};
use release::{Manifest, Sha256};
use std::{fs, path::PathBuf, time::Duration};

/// The server runs as long as the benchmark does.
const SERVER: Duration = Duration::from_hours(4);
const BUCKET: &str = "bench";
const REGION: &str = "us-east-1";
const ACCESS_KEY: &str = "AKIALONGSHORE";
const SECRET_KEY: &str = "longshore-secret";

/// A shop that a server has.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) shop: Shop,
    pub(super) tarballs: Vec<Tarball>,
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) packed: u64,
    pub(super) endpoint: String,
    pub(super) environment: Vec<(String, String)>,
    // A process of its own: what it takes is not in the programs' figures. Killed when this is dropped.
    _server: Running,
}

/// One module's tarball, as `peers/<name>` in the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tarball {
    pub(super) name: String,
    /// Where it is unpacked, below the tree; empty at the top.
    pub(super) target: String,
}

impl Served {
    /// `s3://bucket/` and this key.
    pub(super) fn location(key: &str) -> String {
        format!("s3://{BUCKET}/{key}")
    }

    pub(super) fn tree(&self) -> PathBuf {
        self.shop.path("tree")
    }
}

/// Takes the sources, publishes them, and starts a server that has them.
pub(super) fn serve(interrupt: &Interrupt) -> Result<Served, BenchError> {
    let shop = Shop::empty(String::new(), Vec::new());
    corpus::fill(&shop.path(""), interrupt)?;
    let store = shop.path("bucket/prod");
    fs::create_dir_all(&store)?;
    fs::create_dir_all(shop.path("bucket/peers"))?;
    let longshore = |arguments: &[&str]| {
        let program = shop.longshore_program(arguments).env("LONGSHORE_STORE", format!("file://{}", store.display()));
        program.deadline(Duration::from_mins(5)).run().expect(0)
    };
    drop(longshore(&["key", "generate", "ci"]));
    drop(longshore(&["trust", "new", "--key", "ci.pub", "--sign", "ci.key", "--out", "1.root.json"]));
    let published = json(&longshore(&["publish", "--sign", "ci.key", "--output", "json"]));
    interrupt.check()?;

    let unusable = |problem: &dyn std::fmt::Display| BenchError::Shop(problem.to_string());
    let digest: Sha256 = serde_json::from_value(published["manifest"].clone()).map_err(|error| unusable(&error))?;
    let blob = |digest: &Sha256| shop.path("bucket/prod").join(release::key::blob(digest));
    let manifest = Manifest::parse(&fs::read(blob(&digest))?).map_err(|error| unusable(&error))?;
    let mut tarballs = Vec::new();
    for (number, module) in manifest.modules.iter().enumerate() {
        let name = format!("{number:02}.tar.zst");
        fs::hard_link(blob(&module.sha256), shop.path("bucket/peers").join(&name))?;
        tarballs.push(Tarball { name, target: module.target.as_ref().map(ToString::to_string).unwrap_or_default() });
    }

    let arguments = ["--bucket", BUCKET, "--region", REGION, "--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY, "--directory"];
    let mut server = Program::ours("s3-server").args(arguments).arg(shop.path("bucket")).deadline(SERVER).start();
    let endpoint = server.first_line();
    let environment = s3::environment(&endpoint, REGION, ACCESS_KEY, SECRET_KEY);
    let packed = manifest.modules.iter().map(|module| module.size).sum();
    Ok(Served { shop, tarballs, files: manifest.files, bytes: manifest.bytes, packed, endpoint, environment, _server: server })
}
