//! Images that pods of the tests run: imported on every node, and never pulled.

#![allow(
    clippy::disallowed_methods,
    reason = "the harness makes its files itself, and has no failpoints"
)]

use super::Cluster;
use crate::process::Program;
use parking_lot::Mutex;
use serde_json::Value;
use std::{
    collections::BTreeSet, env, fs, os::unix::fs::symlink, path::Path, sync::OnceLock,
    time::Duration,
};

/// Commands of busybox that tests use.
const APPLETS: [&str; 12] = [
    "cat", "grep", "httpd", "ls", "mkdir", "mount", "rm", "sh", "sleep", "stat", "touch", "wget",
];

/// An image on the nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    name: String,
    pinned: String,
}

impl Image {
    fn new(name: String, archive: &Path) -> Self {
        let digest = digest(archive)
            .unwrap_or_else(|| panic!("{}: its index names no digest", archive.display()));
        let repository = name
            .rsplit_once(':')
            .map_or(name.as_str(), |(repository, _)| repository);
        let pinned = format!("{repository}@{digest}");
        Self { name, pinned }
    }

    /// As `image:` of a container says it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same by digest, as a ShopClass wants it.
    #[must_use]
    pub fn pinned(&self) -> &str {
        &self.pinned
    }

    /// The two halves of that: where it is, and its digest.
    #[must_use]
    pub fn by_digest(&self) -> (&str, &str) {
        self.pinned.split_once('@').unwrap_or((&self.pinned, ""))
    }
}

/// The digest of the one image in an OCI archive.
fn digest(archive: &Path) -> Option<String> {
    let archive = archive.display().to_string();
    let index = Program::new("tar")
        .args(["--extract", "--to-stdout", "--file", &archive, "index.json"])
        .run()
        .expect(0)
        .stdout;
    let index: Value = serde_json::from_str(&index).ok()?;
    Some(index["manifests"][0]["digest"].as_str()?.to_owned())
}

/// An image with busybox and nothing else.
///
/// # Panics
///
/// busybox is not installed, or a node does not take the image.
#[must_use]
#[track_caller]
pub fn busybox(cluster: &Cluster) -> &'static Image {
    static LOADED: OnceLock<Image> = OnceLock::new();
    LOADED.get_or_init(|| {
        let scratch = tempfile::tempdir().expect("a scratch directory can be made");
        let tree = scratch.path().join("tree");
        fs::create_dir_all(tree.join("bin")).expect("a scratch directory is writable");
        fs::create_dir_all(tree.join("tmp")).expect("a scratch directory is writable");
        fs::copy("/usr/bin/busybox", tree.join("bin/busybox"))
            .expect("busybox-static is installed by `tests/tools/tools DIRECTORY cluster`");
        for applet in APPLETS {
            symlink("busybox", tree.join("bin").join(applet))
                .expect("a scratch directory is writable");
        }
        let (archive, name) = (scratch.path().join("busybox.tar"), "localhost/busybox:1");
        let (tree, archive) = (tree.display().to_string(), archive.display().to_string());
        cluster
            .script(["image", name, &tree, &archive, "/bin/sh"])
            .run()
            .expect(0);
        load(cluster, Path::new(&archive));
        Image::new(name.to_owned(), Path::new(&archive))
    })
}

/// An image of one program that needs nothing but itself, such as one that Go builds.
///
/// # Panics
///
/// The program cannot be read, or a node does not take the image.
#[must_use]
#[track_caller]
pub fn of_program(cluster: &Cluster, program: &Path) -> Image {
    let scratch = tempfile::tempdir().expect("a scratch directory can be made");
    let tree = scratch.path().join("tree");
    let file = program
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    fs::create_dir_all(tree.join("tmp")).expect("a scratch directory is writable");
    fs::copy(program, tree.join(&file))
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let (archive, name) = (
        scratch.path().join("image.tar"),
        format!("localhost/{file}:1"),
    );
    let (tree, path) = (tree.display().to_string(), archive.display().to_string());
    cluster
        .script(["image", &name, &tree, &path, &format!("/{file}")])
        .run()
        .expect(0);
    load(cluster, &archive);
    Image::new(name, &archive)
}

/// An image that `make images` has built, such as `longshore-shop`; its version is that of the
/// workspace.
///
/// # Panics
///
/// It is not built, or a node does not take it.
#[must_use]
#[track_caller]
pub fn built(cluster: &Cluster, name: &str) -> Image {
    static LOADED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let test = env::current_exe().expect("a running program has a path");
    let file = format!("images/{name}.tar");
    let archive = test
        .ancestors()
        .map(|directory| directory.join(&file))
        .find(|archive| archive.is_file());
    let archive = archive.unwrap_or_else(|| panic!("{file} is not built; run `make images`"));
    // Held while it is imported, so that a second test waits and does not import it again.
    let mut loaded = LOADED.lock();
    if !loaded.contains(name) {
        load(cluster, &archive);
        loaded.insert(name.to_owned());
    }
    Image::new(
        format!("localhost/{name}:{}", env!("CARGO_PKG_VERSION")),
        &archive,
    )
}

#[track_caller]
fn load(cluster: &Cluster, archive: &Path) {
    cluster
        .script(["load", &archive.display().to_string()])
        .deadline(Duration::from_mins(3))
        .run()
        .expect(0);
}
