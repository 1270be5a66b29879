//! What one would do without Longshore, as scripts.

use super::{contenders::Scene, serve::Server};
use crate::peers;
use std::fmt::Write as _;

/// The name and the directory of each module, a line each, made before anything is unpacked into
/// it.
fn modules(scene: &Scene<'_>) -> String {
    scene
        .shop
        .modules
        .iter()
        .fold(String::new(), |mut list, module| {
            // Writing to a string cannot fail.
            writeln!(
                list,
                "{} {}",
                module.name,
                scene.tree().join(&module.target).display()
            )
            .unwrap_or_default();
            list
        })
}

/// Runs `script` with $0 as a module's name and $1 as its directory, for so many modules at once.
fn each(scene: &Scene<'_>, at_once: usize, script: &str) -> String {
    format!(
        "xargs -P {at_once} -n 2 bash -eu -o pipefail -c '{script}' <<'END'\n{}END\n",
        modules(scene)
    )
}

/// What most people write: AWS's tool into zstd into tar.
pub(super) fn aws(scene: &Scene<'_>) -> String {
    let aws = peers::required("aws");
    let get = format!(
        "{} s3 cp --only-show-errors {} -",
        aws.display(),
        Server::location("peers/$0.tar.zst")
    );
    each(
        scene,
        1,
        &format!(r#"mkdir -p "$1"; {get} | zstd -dcq | tar -x -C "$1""#),
    )
}

/// The same with the fastest downloader.
pub(super) fn s5cmd(scene: &Scene<'_>, at_once: usize) -> String {
    let s5cmd = format!(
        "{} --endpoint-url {} --log error",
        peers::required("s5cmd").display(),
        scene.server.endpoint
    );
    let get = format!("{s5cmd} cat {}", Server::location("peers/$0.tar.zst"));
    each(
        scene,
        at_once,
        &format!(r#"mkdir -p "$1"; {get} | zstd -dcq | tar -x -C "$1""#),
    )
}

/// The strongest script that we could write: everything at once, then as many modules at a time as
/// the issue's machine has cores.
pub(super) fn s5cmd_copy(scene: &Scene<'_>) -> String {
    let s5cmd = format!(
        "{} --endpoint-url {} --log error",
        peers::required("s5cmd").display(),
        scene.server.endpoint
    );
    let copy = format!("{s5cmd} cp '{}*' packed/\n", Server::location("peers/"));
    copy + &each(
        scene,
        2,
        r#"mkdir -p "$1"; zstd -dcq "packed/$0.tar.zst" | tar -x -C "$1""#,
    )
}

/// Each module's repository, without a network between.
pub(super) fn git(scene: &Scene<'_>) -> String {
    let repositories = scene.shop.path("repositories");
    let clone = format!(
        "git clone --quiet --depth 1 file://{}/$0.git \"$1\"",
        repositories.display()
    );
    // Git clones into empty directories only; modules that share one get it through links.
    let shared = format!(r#"{clone}.more; cp -aln "$1.more/." "$1"; rm -rf "$1.more""#);
    each(
        scene,
        1,
        &format!(r#"if [ -n "$(ls -A "$1" 2>/dev/null)" ]; then {shared}; else {clone}; fi"#),
    )
}
