//! Images that pods of the tests run: imported on every node, and never pulled.

#![allow(clippy::disallowed_methods, reason = "the harness makes its files itself, and has no failpoints")]

use super::Cluster;
use std::{
    collections::BTreeSet,
    env, fs,
    os::unix::fs::symlink,
    path::Path,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

/// Commands of busybox that tests use.
const APPLETS: [&str; 12] = ["cat", "grep", "httpd", "ls", "mkdir", "mount", "rm", "sh", "sleep", "stat", "touch", "wget"];

/// An image's name on the nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image(String);

impl Image {
    /// As `image:` of a container says it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
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
            symlink("busybox", tree.join("bin").join(applet)).expect("a scratch directory is writable");
        }
        let (archive, name) = (scratch.path().join("busybox.tar"), "localhost/busybox:1");
        let (tree, archive) = (tree.display().to_string(), archive.display().to_string());
        cluster.script(["image", name, &tree, &archive, "/bin/sh"]).run().expect(0);
        load(cluster, Path::new(&archive));
        Image(name.to_owned())
    })
}

/// An image that `make images` has built, such as `longshore-shop`; its version is that of the workspace.
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
    let archive = test.ancestors().map(|directory| directory.join(&file)).find(|archive| archive.is_file());
    // Held while it is imported, so that a second test waits and does not import it again.
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if !loaded.contains(name) {
        load(cluster, &archive.unwrap_or_else(|| panic!("{file} is not built; run `make images`")));
        loaded.insert(name.to_owned());
    }
    Image(format!("localhost/{name}:{}", env!("CARGO_PKG_VERSION")))
}

#[track_caller]
fn load(cluster: &Cluster, archive: &Path) {
    cluster.script(["load", &archive.display().to_string()]).deadline(Duration::from_mins(3)).run().expect(0);
}
