//! The sources of a shop, and its `longshore.toml`.

#![allow(
    clippy::disallowed_methods,
    reason = "the harness makes its directories itself, and has no failpoints"
)]

use super::{BenchError, recipe::Recipe};
use crate::{
    process::Program,
    shop::CHANNEL,
    tree::{self, Kind, Shape},
};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    time::Duration,
};

const PATIENCE: Duration = Duration::from_mins(5);
/// Modules of a generated shop.
const GENERATED: usize = 24;

/// `longshore.toml`, as far as it is needed here.
#[derive(Debug, Serialize, Deserialize)]
struct Spec {
    channel: String,
    module: Vec<Described>,
}

/// A module of `longshore.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Described {
    pub(super) name: String,
    version: String,
    /// Relative to the file.
    pub(super) source: String,
    target: String,
    #[serde(default)]
    pub(super) exclude: Vec<String>,
}

/// The modules of the shop in `directory`.
pub(super) fn described(directory: &Path) -> Result<Vec<Described>, BenchError> {
    let text = fs::read_to_string(directory.join("longshore.toml"))?;
    let spec: Spec = toml::from_str(&text).map_err(|error| BenchError::Shop(error.to_string()))?;
    Ok(spec.module)
}

fn describe(directory: &Path, module: Vec<Described>) -> Result<(), BenchError> {
    let text = toml::to_string(&Spec {
        channel: CHANNEL.into(),
        module,
    })
    .map_err(|error| BenchError::Shop(error.to_string()))?;
    Ok(fs::write(directory.join("longshore.toml"), text)?)
}

/// Moves the modules of the recipe out of the `library`, or copies and changes them, into a shop of
/// their own.
pub(super) fn choose(recipe: Recipe, library: &Path, shop: &Path) -> Result<(), BenchError> {
    let known = described(library)?;
    fs::create_dir_all(shop.join("src"))?;
    let mut modules = Vec::new();
    let mut parts = recipe.parts(known.iter().map(|module| module.name.as_str()));
    // The copies first: the original is moved.
    parts.sort_by_key(|part| std::cmp::Reverse(part.copy));
    for part in parts {
        let found = known.iter().find(|module| module.name == part.module);
        let found =
            found.ok_or_else(|| BenchError::Shop(format!("the corpus has no {}", part.module)))?;
        let original = library.join(&found.source);
        let exclude = part.exclude.iter().map(ToString::to_string).collect();
        if part.copy == 1 {
            let source = format!("src/{}", found.name);
            run(Program::new("mv").arg(original).arg(shop.join(&source)));
            modules.push(Described {
                source,
                exclude,
                ..found.clone()
            });
        } else {
            let name = format!("{}-{}", found.name, part.copy);
            let source = format!("src/{name}");
            run(Program::new("cp")
                .arg("-a")
                .arg(original)
                .arg(shop.join(&source)));
            differ(&shop.join(&source), part.copy)?;
            let target = format!(
                "copies/{}/{}",
                part.copy,
                if found.target.is_empty() {
                    "top"
                } else {
                    &found.target
                }
            );
            modules.push(Described {
                name,
                source,
                target,
                exclude,
                ..found.clone()
            });
        }
    }
    describe(shop, modules)
}

/// Fills the shop with generated modules of `files` files in all.
pub(super) fn generate(shop: &Path, files: usize) -> Result<(), BenchError> {
    let mut modules = Vec::new();
    for number in 0..GENERATED {
        let source = format!("src/module{number}");
        tree::generate(
            &shop.join(&source),
            Shape {
                seed: number as u64,
                files: files / GENERATED,
            },
        )?;
        let (name, target) = (
            format!("module{number}"),
            format!("app/code/module{number}"),
        );
        modules.push(Described {
            name,
            version: "1".into(),
            source,
            target,
            exclude: Vec::new(),
        });
    }
    describe(shop, modules)
}

/// Gives each file that is not empty one line more.
fn differ(module: &Path, copy: u32) -> io::Result<()> {
    for (path, entry) in tree::snapshot(module)? {
        if matches!(entry.kind, Kind::File { len: 1.., .. }) {
            let mut file = fs::OpenOptions::new()
                .append(true)
                .open(module.join(path))?;
            writeln!(file, "// copy {copy}")?;
        }
    }
    Ok(())
}

fn run(program: Program) {
    drop(program.deadline(PATIENCE).run().expect(0));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes in bytes of the 47,604 files of `tests/tools/corpus DIRECTORY more` (Debian 12,
    /// November 2026): a share of the files is at most as large.
    const QUANTILES: [(f64, u64); 5] = [
        (0.25, 419),
        (0.5, 1_249),
        (0.75, 4_302),
        (0.9, 15_985),
        (0.99, 238_453),
    ];
    /// A generated file may be so many times smaller or larger than a real one at the same place:
    /// the generator's log-normal sizes have fewer large files (83 kB is its 0.99).
    const TOLERANCE: u64 = 4;

    #[test]
    fn generated_files_have_the_sizes_of_real_ones() {
        let module = tempfile::tempdir().unwrap();
        tree::generate(
            module.path(),
            Shape {
                seed: 7,
                files: 2_000,
            },
        )
        .unwrap();
        let entries = tree::snapshot(module.path()).unwrap();
        let mut sizes: Vec<_> = entries
            .values()
            .filter_map(|entry| {
                if let Kind::File { len, .. } = entry.kind {
                    Some(len)
                } else {
                    None
                }
            })
            .collect();
        sizes.sort_unstable();
        for (share, real) in QUANTILES {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "an index of few"
            )]
            let size = sizes[(sizes.len() as f64 * share) as usize];
            assert!(
                (real / TOLERANCE..=real * TOLERANCE).contains(&size),
                "{share}: {size} bytes, real trees have {real}"
            );
        }
    }
}
