//! Tests that `make test` leaves out: each says which target runs it.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Those that write golden files are run by hand, for a new version of a format.
const BY_HAND: &str = "writes the golden files";

pub(crate) fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory)
        .unwrap()
        .map(|it| it.unwrap().path());
    entries
        .flat_map(|path| match path.extension() {
            _ if path.is_dir() => sources(&path),
            Some(extension) if extension == "rs" => vec![path],
            _ => vec![],
        })
        .collect()
}

#[test]
fn each_ignored_test_names_a_target_that_runs_it() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let makefile = fs::read_to_string(top.join("Makefile")).unwrap();
    let all = makefile.lines().find(|it| it.starts_with("test-all: "));
    let (all, _) = all.unwrap().split_once(" ##").unwrap();
    let all = all.replace("test-cluster", "test-scheduler test-platform");
    // It measures, too, and is no test of a change.
    let runs = |target: &str| target == "bench-watch" || all.split(' ').any(|it| it == target);
    let attribute = concat!("#[", "ignore");
    let (mut seen, mut wrong) = (0, Vec::new());
    for path in ["crates", "tests"]
        .iter()
        .flat_map(|it| sources(&top.join(it)))
    {
        let text = fs::read_to_string(&path).unwrap();
        for line in text.lines().filter(|it| it.trim().starts_with(attribute)) {
            seen += 1;
            let target = line.split_once("make ").map(|(_, rest)| rest);
            let target = target.and_then(|it| it.split(['`', '"', ' ']).next());
            if !line.contains(BY_HAND) && !target.is_some_and(runs) {
                wrong.push(format!("{}: {}", path.display(), line.trim()));
            }
        }
    }
    assert!(seen > 40, "{seen} were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
