//! The map in `crates/README.md` and the workspace say the same.

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

type Arrows = BTreeMap<String, BTreeSet<String>>;

const MAP: &str = include_str!("../../../crates/README.md");
const HARNESS: &str = "e2e";

/// The packages of the workspace as `cargo metadata` describes them.
fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "cargo metadata failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn name(package: &Value) -> String {
    package["name"].as_str().unwrap().to_owned()
}

/// The crates of the workspace that a package imports, in its code, its tests or its build.
fn imports(package: &Value) -> BTreeSet<String> {
    let dependencies = package["dependencies"].as_array().unwrap();
    dependencies
        .iter()
        .filter(|dependency| dependency["path"].is_string())
        .map(name)
        .collect()
}

fn is_binary(package: &Value) -> bool {
    let ships = |target: &Value| {
        target["kind"]
            .as_array()
            .unwrap()
            .iter()
            .any(|kind| kind == "bin")
    };
    name(package) != HARNESS && package["targets"].as_array().unwrap().iter().any(ships)
}

fn drawn() -> Arrows {
    let lines = MAP.lines().filter_map(|line| line.split_once("──►"));
    lines
        .map(|(from, to)| {
            (
                from.trim().to_owned(),
                to.split_whitespace().map(str::to_owned).collect(),
            )
        })
        .collect()
}

#[test]
fn each_crate_imports_what_the_map_says_and_nothing_else() {
    let built: Arrows = packages()
        .iter()
        .filter(|package| name(package) != HARNESS)
        .map(|package| (name(package), imports(package)))
        .collect();
    let drawn = drawn();
    let all: BTreeSet<_> = built.keys().chain(drawn.keys()).collect();
    let differ: Vec<_> = all
        .into_iter()
        .filter(|name| built.get(*name) != drawn.get(*name))
        .map(|name| {
            format!(
                "{name}: the map says {:?}, Cargo.toml says {:?}",
                drawn.get(name),
                built.get(name)
            )
        })
        .collect();
    assert!(
        differ.is_empty(),
        "crates/README.md and the workspace differ:\n{}",
        differ.join("\n")
    );
}

#[test]
fn no_crate_that_ships_imports_a_binary() {
    let packages = packages();
    let binaries: BTreeSet<_> = packages
        .iter()
        .filter(|package| is_binary(package))
        .map(name)
        .collect();
    assert!(
        binaries.contains("init") && binaries.contains("cli"),
        "{binaries:?}"
    );
    // The harness ships nothing.
    for package in packages.iter().filter(|package| name(package) != HARNESS) {
        assert!(
            imports(package).is_disjoint(&binaries),
            "{} imports a binary",
            name(package)
        );
    }
}

#[test]
fn the_pure_crate_and_the_process_stay_as_light_as_they_are_meant() {
    let drawn = drawn();
    assert!(drawn["release"].is_empty(), "release is pure");
    assert!(
        !drawn["runtime"].contains("store"),
        "a program without S3 must not link the AWS SDK"
    );
}

#[test]
fn every_crate_has_its_line_on_the_map() {
    for package in packages() {
        let line = format!("| [{}](", name(&package));
        assert_eq!(
            MAP.lines().filter(|row| row.starts_with(&line)).count(),
            1,
            "{line}"
        );
    }
}
