//! The floor of `make bench` makes what a pull makes, or it would be no floor.

use e2e::{
    bench::floor::{self, Arguments},
    shop::Shop,
    tree::{self, Entry, Kind},
};
use std::{collections::BTreeMap, path::PathBuf};

/// Names, contents and modes; the times of files. Directories that a pod has beside its release are
/// left out.
fn comparable(tree: BTreeMap<PathBuf, Entry>) -> Vec<(PathBuf, Entry)> {
    let own = |path: &PathBuf| !path.starts_with("media") && !path.starts_with("var/cache");
    let dated = |entry: Entry| {
        if matches!(entry.kind, Kind::File { .. }) {
            entry
        } else {
            Entry { mtime: 0, ..entry }
        }
    };
    tree.into_iter()
        .filter(|(path, _)| own(path))
        .map(|(path, entry)| (path, dated(entry)))
        .collect()
}

#[test]
fn the_floor_makes_the_tree_that_a_pull_makes() {
    let shop = Shop::on_disk(3, 300);
    shop.publish();
    shop.init("pod").run().expect(0);
    let root = shop.path("floor");
    for threads in [1, 3] {
        let arguments = Arguments {
            store: shop.path("store"),
            channel: e2e::shop::CHANNEL.parse().unwrap(),
            manifest: None,
            threads: threads.try_into().ok(),
            sync: true,
            root: root.clone(),
        };
        let figures = floor::run(&arguments).unwrap();
        assert_eq!(figures.files, 900);
        assert!(figures.create_cpu_seconds > 0.0, "{figures:?}");
        assert_eq!(
            comparable(tree::snapshot(&root).unwrap()),
            comparable(shop.current("pod"))
        );
        std::fs::remove_dir_all(&root).unwrap();
    }
}
