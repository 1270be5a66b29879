//! Makes a shop: sources, three releases in a store, and a Git repository for each module. What was
//! made once is kept.

#![allow(
    clippy::disallowed_methods,
    reason = "the harness makes its directories itself, and has no failpoints"
)]

use super::{BenchError, recipe::Recipe, sources};
use crate::{
    corpus,
    interrupt::Interrupt,
    process::{Outcome, Program},
    shop::{self, json},
    tree::{self, Kind},
};
use release::{Manifest, Sha256};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

const HARNESS: &str = env!("CARGO_MANIFEST_DIR");
/// What decides the bytes of a prepared shop: the packer, the formats, the versions of libraries,
/// and what is here.
const INPUTS: [&str; 8] = [
    "../Cargo.lock",
    "../crates/tarball/src",
    "../crates/release/src",
    "src/bench/prepare.rs",
    "src/bench/recipe.rs",
    "src/bench/sources.rs",
    "src/tree",
    "tools/corpus",
];
/// Publishing the largest shop takes 30 seconds on two cores.
const PATIENCE: Duration = Duration::from_mins(15);
/// How many files in as many places the second update changes.
const EDITS: usize = 50;
/// One file in so many of the changed module differs in the first update.
const CHANGED_SHARE: f64 = 0.2;

/// A shop that is ready to be served: `bucket/prod` has the first release, `bucket/module` and
/// `bucket/edits` each an update of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Prepared {
    #[serde(skip)]
    pub(super) directory: PathBuf,
    pub(super) modules: Vec<Unpackable>,
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) packed: u64,
}

/// A module as programs see it that know no releases: `bucket/peers/<name>.tar.zst` and
/// `repositories/<name>.git`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unpackable {
    pub(super) name: String,
    /// Where it belongs, below the tree; empty at the top.
    pub(super) target: String,
}

impl Prepared {
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// The shop, from the cache or newly made.
pub(super) fn prepare(
    recipe: Recipe,
    files: usize,
    interrupt: &Interrupt,
) -> Result<Prepared, BenchError> {
    let name = if recipe == Recipe::Generated {
        format!("{}-{files}", recipe.name())
    } else {
        recipe.name().to_owned()
    };
    let directory = cache().join(format!("bench-{name}-{}", version()?));
    if let Ok(description) = fs::read(directory.join("shop.json")) {
        let prepared: Prepared = serde_json::from_slice(&description)
            .map_err(|error| BenchError::Shop(error.to_string()))?;
        return Ok(Prepared {
            directory,
            ..prepared
        });
    }
    writeln!(
        io::stderr(),
        "preparing the {name} shop (once for each version)"
    )?;
    fs::create_dir_all(cache())?;
    for old in fs::read_dir(cache())? {
        let old = old?;
        if old
            .file_name()
            .to_string_lossy()
            .starts_with(&format!("bench-{name}-"))
        {
            fs::remove_dir_all(old.path())?;
        }
    }
    let scratch = shop::scratch();
    let sources = scratch.path();
    if recipe == Recipe::Generated {
        sources::generate(sources, files)?;
    } else {
        let library = shop::scratch();
        corpus::fill(library.path(), corpus::Extent::More, interrupt)?;
        sources::choose(recipe, library.path(), sources)?;
    }
    interrupt.check()?;
    let new = tempfile::Builder::new()
        .prefix("bench-new-")
        .tempdir_in(cache())?;
    let prepared = Prepared {
        directory: directory.clone(),
        ..publish(sources, new.path(), interrupt)?
    };
    fs::write(
        new.path().join("shop.json"),
        serde_json::to_vec_pretty(&prepared).unwrap_or_default(),
    )?;
    fs::rename(new.keep(), &directory)?;
    Ok(prepared)
}

fn cache() -> PathBuf {
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(home)
        .unwrap_or_else(env::temp_dir)
        .join("longshore")
}

/// Short, and another as soon as one of the inputs is.
fn version() -> io::Result<String> {
    fn add(path: &Path, digest: &mut sha2::Sha256) -> io::Result<()> {
        if path.is_dir() {
            let mut names: Vec<_> = fs::read_dir(path)?
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<Result<_, _>>()?;
            names.sort();
            return names.iter().try_for_each(|name| add(name, digest));
        }
        digest.update(fs::read(path)?);
        Ok(())
    }
    let mut digest = sha2::Sha256::new();
    INPUTS
        .iter()
        .try_for_each(|input| add(&Path::new(HARNESS).join(input), &mut digest))?;
    // Twelve digits tell versions apart.
    Ok(Sha256::from_bytes(digest.finalize().into()).to_string()[..12].to_owned())
}

fn unusable(problem: &dyn std::fmt::Display) -> BenchError {
    BenchError::Shop(problem.to_string())
}

/// The modules of a release as its makers and others have them: a tarball and a repository each.
fn unpackable(
    manifest: &Manifest,
    described: &[sources::Described],
    sources: &Path,
    into: &Path,
    interrupt: &Interrupt,
) -> Result<Vec<Unpackable>, BenchError> {
    let bucket = into.join("bucket");
    let mut modules = Vec::new();
    for (number, module) in manifest.modules.iter().enumerate() {
        interrupt.check()?;
        let name = format!("{number:02}");
        fs::hard_link(
            bucket.join("prod").join(release::key::blob(&module.sha256)),
            bucket.join("peers").join(format!("{name}.tar.zst")),
        )?;
        let source = described
            .iter()
            .find(|described| described.name == module.name.to_string());
        let source =
            source.ok_or_else(|| unusable(&format!("{} is not described", module.name)))?;
        repository(
            &sources.join(&source.source),
            &source.exclude,
            &into.join("repositories").join(format!("{name}.git")),
        );
        modules.push(Unpackable {
            name,
            target: module
                .target
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        });
    }
    // A target comes before what lies in it, as Git clones into empty directories only.
    modules.sort_by(|one, other| one.target.cmp(&other.target));
    Ok(modules)
}

/// The sources of the module that changes.
fn changed(described: &[sources::Described], sources: &Path) -> Result<PathBuf, BenchError> {
    let names: Vec<_> = described
        .iter()
        .map(|module| module.name.as_str())
        .collect();
    let changed = Recipe::changed(&names).ok_or_else(|| unusable(&"no modules"))?;
    let changed = described
        .iter()
        .find(|module| module.name == changed)
        .map(|module| sources.join(&module.source));
    Ok(changed.unwrap_or_default())
}

/// Publishes the sources three times: as they are, with one module changed, with files changed all
/// over.
fn publish(sources: &Path, into: &Path, interrupt: &Interrupt) -> Result<Prepared, BenchError> {
    let bucket = |name: &str| into.join("bucket").join(name);
    let longshore = |arguments: &[&str]| -> Outcome {
        Program::ours("longshore")
            .args(arguments)
            .directory(sources)
            .deadline(PATIENCE)
            .run()
            .expect(0)
    };
    let publish = |store: &str| {
        let store = format!("file://{}", bucket(store).display());
        longshore(&[
            "publish",
            "--sign",
            "ci.key",
            "--trust",
            "1.root.json",
            "--output",
            "json",
            "--store",
            &store,
        ])
    };
    fs::create_dir_all(bucket("prod"))?;
    fs::create_dir_all(bucket("peers"))?;
    fs::create_dir_all(into.join("repositories"))?;
    drop(longshore(&["key", "generate", "ci"]));
    drop(longshore(&[
        "trust",
        "new",
        "--key",
        "ci.pub",
        "--sign",
        "ci.key",
        "--out",
        "1.root.json",
    ]));
    fs::copy(sources.join("1.root.json"), into.join("1.root.json"))?;
    let published = json(&publish("prod"));
    let digest: Sha256 =
        serde_json::from_value(published["manifest"].clone()).map_err(|error| unusable(&error))?;
    let blob = |digest: &Sha256| bucket("prod").join(release::key::blob(digest));
    let manifest = Manifest::parse(&fs::read(blob(&digest))?).map_err(|error| unusable(&error))?;

    let described = sources::described(sources)?;
    let modules = unpackable(&manifest, &described, sources, into, interrupt)?;

    for update in ["module", "edits"] {
        interrupt.check()?;
        drop(
            Program::new("cp")
                .args(["-al", "prod", update])
                .directory(bucket(""))
                .run()
                .expect(0),
        );
    }
    let changed = changed(&described, sources)?;
    drop(
        Program::new("cp")
            .args(["-a".as_ref(), changed.as_os_str(), "unchanged".as_ref()])
            .directory(sources)
            .run()
            .expect(0),
    );
    tree::edit(&changed, 1, CHANGED_SHARE)?;
    drop(publish("module"));
    fs::remove_dir_all(&changed)?;
    fs::rename(sources.join("unchanged"), &changed)?;
    edit(&sources.join("src"))?;
    drop(publish("edits"));
    let packed = manifest.modules.iter().map(|module| module.size).sum();
    Ok(Prepared {
        directory: PathBuf::new(),
        modules,
        files: manifest.files,
        bytes: manifest.bytes,
        packed,
    })
}

/// What a module's makers would push: a bare repository with one commit, packed.
fn repository(source: &Path, exclude: &[String], repository: &Path) {
    let git = |arguments: &[&str]| {
        let program = Program::new("git")
            .arg("--git-dir")
            .arg(repository)
            .args(arguments)
            .env("HOME", repository);
        let author = [
            "GIT_AUTHOR_NAME",
            "GIT_AUTHOR_EMAIL",
            "GIT_COMMITTER_NAME",
            "GIT_COMMITTER_EMAIL",
        ]
        .map(|name| (name, "bench"));
        drop(
            program
                .envs(author)
                .directory(source)
                .deadline(PATIENCE)
                .run()
                .expect(0),
        );
    };
    git(&["init", "--quiet", "--bare"]);
    let without: Vec<_> = exclude
        .iter()
        .map(|pattern| format!(":!{pattern}"))
        .collect();
    let without: Vec<_> = without.iter().map(String::as_str).collect();
    let inside = [
        "--work-tree=.",
        "-c",
        "core.bare=false",
        "-c",
        "core.autocrlf=false",
    ];
    git(&[&inside[..], &["add", "--force", "--all", "."], &without].concat());
    git(&[&inside[..], &["commit", "--quiet", "--message=one"]].concat());
    git(&["repack", "-a", "-d", "-q"]);
}

/// One line more in so many files, spread evenly over the sorted tree.
fn edit(sources: &Path) -> io::Result<()> {
    let entries: BTreeMap<_, _> = tree::snapshot(sources)?;
    let php = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "php");
    let is_file = |path: &&PathBuf| matches!(entries[*path].kind, Kind::File { .. });
    let files: Vec<_> = entries.keys().filter(php).filter(is_file).collect();
    for path in files.iter().step_by(files.len().div_ceil(EDITS).max(1)) {
        let mut file = fs::OpenOptions::new()
            .append(true)
            .open(sources.join(path))?;
        file.write_all(b"// edited\n")?;
    }
    Ok(())
}
