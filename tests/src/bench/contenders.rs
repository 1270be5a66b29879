//! Ours and the floor: what is compared with the peers.

use super::{peers, place::Place, prepare::Prepared, serve::Server};
use crate::{process, shop::CHANNEL};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// What a contender is to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Ours,
    /// Something that one would do without Longshore.
    Peer,
    /// The least that this machine can take.
    Floor,
}

/// A program that fills the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Contender {
    /// longshore-init in an empty root
    Cold,
    /// longshore-init on one core, the server on another
    ColdOneCore,
    /// longshore-init where one module changed since the release that is there
    UpdateModule,
    /// longshore-init where 50 files in 50 places changed
    UpdateFiles,
    /// longshore-init if nothing changed
    Warm,
    /// longshore-init in an empty root, on a node whose cache has all
    Cached,
    /// SHA-256, zstd and files only, from memory
    Floor,
    /// The same on one core
    FloorOneCore,
    /// aws s3 cp | zstd | tar, one module after the other
    Aws,
    /// s5cmd cat | zstd | tar, one module after the other
    S5cmd,
    /// s5cmd cat | zstd | tar, 8 modules at once
    S5cmdEight,
    /// s5cmd cp of all, then two zstd | tar at once
    S5cmdCopy,
    /// git clone of each module from a bare repository on the same machine
    Git,
}

/// Everything that a run needs to know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'s> {
    pub(super) shop: &'s Prepared,
    pub(super) server: &'s Server,
    pub(super) place: &'s Place,
    pub(super) cores: usize,
}

impl Scene<'_> {
    pub(super) fn tree(&self) -> PathBuf {
        self.place.path("tree")
    }
}

impl Contender {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Cold => "longshore-init",
            Self::ColdOneCore => "longshore-init, one core",
            Self::UpdateModule => "update, one module changed",
            Self::UpdateFiles => "update, 50 files changed",
            Self::Warm => "warm start",
            Self::Cached => "second pod on a node",
            Self::Floor => "floor",
            Self::FloorOneCore => "floor, one core",
            Self::Aws => "aws s3 cp, zstd, tar",
            Self::S5cmd => "s5cmd cat, zstd, tar",
            Self::S5cmdEight => "the same, 8 at once",
            Self::S5cmdCopy => "s5cmd cp, then 2 × zstd, tar",
            Self::Git => "git clone, depth 1",
        }
    }

    pub(super) const fn role(self) -> Role {
        match self {
            Self::Cold
            | Self::ColdOneCore
            | Self::UpdateModule
            | Self::UpdateFiles
            | Self::Warm
            | Self::Cached => Role::Ours,
            Self::Floor | Self::FloorOneCore => Role::Floor,
            Self::Aws | Self::S5cmd | Self::S5cmdEight | Self::S5cmdCopy | Self::Git => Role::Peer,
        }
    }

    pub(super) const fn is_on_one_core(self) -> bool {
        matches!(self, Self::ColdOneCore | Self::FloorOneCore)
    }

    /// The floor that it is compared with.
    pub(super) const fn floor(self) -> Self {
        if self.is_on_one_core() {
            Self::FloorOneCore
        } else {
            Self::Floor
        }
    }

    /// Whether bytes of it cross the network.
    pub(super) const fn downloads(self) -> bool {
        !matches!(self, Self::Floor | Self::FloorOneCore | Self::Git)
    }

    /// Whether the whole release crosses the network, so that the wire sets a limit.
    pub(super) const fn downloads_all(self) -> bool {
        self.downloads()
            && !matches!(
                self,
                Self::UpdateModule | Self::UpdateFiles | Self::Warm | Self::Cached
            )
    }

    /// What must have run before the clock starts.
    pub(super) fn before(self, scene: &Scene<'_>) -> Option<Command> {
        match self {
            Self::UpdateModule | Self::UpdateFiles | Self::Warm => {
                Some(init(scene, "prod", &scene.tree()))
            }
            Self::Cached => {
                let mut first = init(scene, "prod", &scene.place.path("first"));
                first.env("LONGSHORE_CACHE", scene.place.path("cache"));
                Some(first)
            }
            _ => None,
        }
    }

    pub(super) fn command(self, scene: &Scene<'_>) -> Command {
        match self {
            Self::Cold | Self::Warm => init(scene, "prod", &scene.tree()),
            Self::ColdOneCore => on_first_core(&init(scene, "prod", &scene.tree())),
            Self::UpdateModule => init(scene, "module", &scene.tree()),
            Self::UpdateFiles => init(scene, "edits", &scene.tree()),
            Self::Cached => {
                let mut second = init(scene, "prod", &scene.tree());
                second.env("LONGSHORE_CACHE", scene.place.path("cache"));
                second
            }
            Self::Floor => floor(scene, scene.cores),
            Self::FloorOneCore => on_first_core(&floor(scene, 1)),
            Self::Aws => shell(scene, &peers::aws(scene)),
            Self::S5cmd => shell(scene, &peers::s5cmd(scene, 1)),
            Self::S5cmdEight => shell(scene, &peers::s5cmd(scene, 8)),
            Self::S5cmdCopy => shell(scene, &peers::s5cmd_copy(scene)),
            Self::Git => shell(scene, &peers::git(scene)),
        }
    }

    /// Where the tree is afterwards.
    pub(super) fn top(self, scene: &Scene<'_>) -> PathBuf {
        if self.role() == Role::Ours {
            scene.tree().join("current")
        } else {
            scene.tree()
        }
    }
}

fn init(scene: &Scene<'_>, store: &str, root: &Path) -> Command {
    let mut command = command(scene, &process::binary("longshore-init"));
    command
        .env("LONGSHORE_STORE", Server::location(store))
        .env("LONGSHORE_CHANNEL", CHANNEL)
        .env("LONGSHORE_ROOT", root);
    command
        .env("LONGSHORE_TRUST", scene.shop.path("1.root.json"))
        .env("LONGSHORE_LOG", "warn");
    command
}

fn floor(scene: &Scene<'_>, threads: usize) -> Command {
    let mut command = command(scene, &process::binary("bench-floor"));
    command
        .arg("--store")
        .arg(scene.shop.path("bucket/prod"))
        .args(["--sync", "--threads", &threads.to_string()])
        .arg(scene.tree());
    command
}

fn shell(scene: &Scene<'_>, script: &str) -> Command {
    let mut command = command(scene, Path::new("/bin/bash"));
    // As durable as what longshore-init leaves; on tmpfs it does nothing.
    command.args([
        "-c",
        &format!(
            "set -eu -o pipefail\n{script}\nsync -f {}",
            scene.tree().display()
        ),
    ]);
    command
}

fn command(scene: &Scene<'_>, program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(scene.server.environment.iter().cloned());
    // AWS's tools keep caches at home.
    let work = scene.place.path("work");
    command
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", &work)
        .current_dir(work);
    command
}

/// The same command, kept to core 0.
fn on_first_core(command: &Command) -> Command {
    let mut pinned = Command::new("taskset");
    pinned
        .args(["-c", "0"])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear();
    pinned.envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    if let Some(directory) = command.get_current_dir() {
        pinned.current_dir(directory);
    }
    pinned
}
