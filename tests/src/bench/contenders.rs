//! The programs that pull a shop.

use super::shops::Served;
use crate::{peers, process, shop::CHANNEL};
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

/// A program that fills the tree.
#[derive(Debug)]
pub(super) struct Contender {
    pub(super) name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(&'static str, String)>,
    /// Where the tree's top is afterwards.
    pub(super) top: PathBuf,
}

impl Contender {
    /// The command, which a deadline bounds.
    pub(super) fn command(&self, served: &Served) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--signal=KILL", "600"]).arg(&self.program).args(&self.arguments);
        command.env_clear().envs(served.environment.iter().cloned()).envs(self.variables.iter().cloned());
        // AWS's tools keep caches at home.
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", served.shop.path("work")).current_dir(served.shop.path("work"));
        command
    }
}

/// All of them; the first is what the others are compared with.
pub(super) fn all(served: &Served) -> Vec<Contender> {
    vec![longshore(served), awscli(served), s5cmd(served)]
}

fn longshore(served: &Served) -> Contender {
    let variables = [
        ("LONGSHORE_STORE", Served::location("prod")),
        ("LONGSHORE_CHANNEL", CHANNEL.into()),
        ("LONGSHORE_ROOT", served.tree().display().to_string()),
        ("LONGSHORE_TRUST", served.shop.path("1.root.json").display().to_string()),
        ("LONGSHORE_LOG", "warn".into()),
    ];
    let top = served.tree().join("current");
    Contender {
        name: "longshore-init",
        program: process::binary("longshore-init"),
        arguments: Vec::new(),
        variables: variables.into(),
        top,
    }
}

/// What most people write: download with AWS's tool, as parallel as it comes, then unpack one tarball after the other.
fn awscli(served: &Served) -> Contender {
    let aws = peers::required("aws");
    let mut script = format!("set -eu\n{} s3 cp --recursive --only-show-errors {} packed\n", aws.display(), Served::location("peers/"));
    for tarball in &served.tarballs {
        let target = served.tree().join(&tarball.target);
        // Writing to a string cannot fail.
        writeln!(script, "mkdir -p {0}\ntar --zstd -xf packed/{1} -C {0}", target.display(), tarball.name).unwrap_or_default();
    }
    shell("awscli, tar", script, served.tree())
}

/// The strongest script we could write: the fastest downloader, then as many modules at once as there are cores.
fn s5cmd(served: &Served) -> Contender {
    let s5cmd = peers::required("s5cmd");
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let copy = format!("{} --endpoint-url {} --log error cp '{}*' packed/", s5cmd.display(), served.endpoint, Served::location("peers/"));
    let mut script = format!("set -eu\n{copy}\n");
    let unpack = r#"mkdir -p "$1"; zstd -dcq "packed/$0" | tar -x -C "$1""#;
    writeln!(script, "xargs -P {cores} -n 2 sh -c '{unpack}' <<END").unwrap_or_default();
    for tarball in &served.tarballs {
        writeln!(script, "{} {}", tarball.name, served.tree().join(&tarball.target).display()).unwrap_or_default();
    }
    script += "END\n";
    shell("s5cmd, zstd, tar", script, served.tree())
}

fn shell(name: &'static str, script: String, top: PathBuf) -> Contender {
    let program = Path::new("/bin/sh").into();
    Contender { name, program, arguments: vec!["-c".into(), script], variables: Vec::new(), top }
}
