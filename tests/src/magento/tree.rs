//! A complete tree: copied, installed into a database, split into modules, and changed from release
//! to release.

use super::{Built, Kind, text::filled};
use crate::process::Program;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// Where our own stand-in is.
const STAND_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/stand-in");
/// How long an installer may take: those of real engines make three hundred tables.
const INSTALL: Duration = Duration::from_mins(20);

/// What one release has that another has not.
#[derive(Debug, Clone, Copy)]
pub struct Version {
    /// Letters and digits: a method's name ends with it.
    pub name: &'static str,
    /// The version of the module that changes the database.
    pub module: &'static str,
    /// What is wrong with it: nothing, `throws` or `empty`.
    pub fault: &'static str,
}

/// A tree that is installed.
#[derive(Debug)]
pub struct Tree {
    kind: &'static Kind,
    directory: PathBuf,
}

impl Tree {
    /// A copy of `from`, or of the stand-in, with the module that says what a page is of.
    ///
    /// # Errors
    ///
    /// The disk refuses.
    pub fn copy(
        kind: &'static Kind,
        from: Option<&Path>,
        directory: PathBuf,
        version: Version,
    ) -> io::Result<Self> {
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        fs::create_dir_all(&directory)?;
        let tree = Self { kind, directory };
        if let Some(from) = from {
            copied(from, &tree.directory)?;
        } else {
            copied(
                &Path::new(STAND_IN).join(kind.engine.to_lowercase()),
                &tree.directory,
            )?;
            copied(
                &Path::new(STAND_IN).join("lib"),
                &tree.directory.join("lib"),
            )?;
        }
        for needed in [kind.media, "var"] {
            fs::create_dir_all(tree.directory.join(needed))?;
        }
        let target = |module: &str| {
            kind.modules
                .iter()
                .find(|(name, _)| *name == module)
                .map_or("", |(_, target)| target)
        };
        write_probe(kind, version, |module| tree.directory.join(target(module)))?;
        Ok(tree)
    }

    /// What has to be built of it in the cluster, where that was not done.
    #[must_use]
    pub fn unbuilt(&self) -> Option<Built> {
        self.kind
            .built
            .filter(|built| !self.directory.join(built.proof).exists())
    }

    /// Runs the engine's own installer, and fills the shop; what is to be built in the cluster is
    /// not built here. Gives what it printed last.
    ///
    /// # Errors
    ///
    /// What the installer printed.
    pub fn install(
        &self,
        variables: &BTreeMap<String, String>,
        unbuilt: Option<Built>,
    ) -> Result<String, String> {
        let run = |words: &[String]| {
            let program = Program::new(&words[0])
                .args(&words[1..])
                .directory(&self.directory)
                .deadline(INSTALL);
            let outcome = program.run();
            let text = format!("{}{}", outcome.stdout, outcome.stderr);
            // The installer of Magento 1 ends with 0 in any case.
            if outcome.code() == Some(0) && !text.contains("FAILED") {
                Ok(text)
            } else {
                Err(format!("{}: {text}", words[0..2].join(" ")))
            }
        };
        let words = |line: &str| {
            line.split_whitespace()
                .map(|word| filled(word, variables))
                .collect::<Vec<_>>()
        };
        let php = |code: &str, step: &str| {
            run(&[
                "php",
                "-d",
                "memory_limit=-1",
                "-r",
                &filled(code, variables),
                step,
            ]
            .map(str::to_owned))
        };
        if !self.kind.compile.is_empty() {
            php(
                self.kind.compile,
                if unbuilt.is_some() { "modules" } else { "all" },
            )?;
        }
        let said = run(&words(self.kind.install))?;
        if !self.directory.join("lib/StandIn").is_dir() {
            php(self.kind.seed, "")?;
        }
        if let Some(unbuilt) = unbuilt {
            php(self.kind.compile, "scopes")?;
            let mut left = unbuilt
                .leftovers
                .iter()
                .map(|left| self.directory.join(left))
                .filter(|left| left.exists());
            left.try_for_each(fs::remove_dir_all)
                .map_err(|error| error.to_string())?;
        }
        Ok(said
            .lines()
            .rfind(|line| !line.trim().is_empty())
            .unwrap_or_default()
            .to_owned())
    }

    /// Moves its modules to where a tenant's sources are, and its media to where the shop's are.
    /// Gives the modules that it has.
    ///
    /// # Errors
    ///
    /// The disk refuses.
    pub fn split(
        &self,
        media: &Path,
        place: impl Fn(&str) -> PathBuf,
    ) -> io::Result<Vec<(&'static str, &'static str)>> {
        moved(&self.directory.join(self.kind.media), media)?;
        owned_by_pods(media)?;
        for left in self.kind.not_published {
            let left = self.directory.join(left);
            match fs::metadata(&left) {
                Ok(found) if found.is_dir() => fs::remove_dir_all(&left)?,
                Ok(_) => fs::remove_file(&left)?,
                Err(_) => {}
            }
        }
        let mut modules = Vec::new();
        // What is deeper first: the rest of the tree is the module at its top.
        for (name, target) in self.kind.modules.iter().rev() {
            let from = self.directory.join(target);
            if from.is_dir() {
                moved(&from, &place(name))?;
                modules.insert(0, (*name, *target));
            }
        }
        Ok(modules)
    }
}

/// Writes the module that says of which release a page's parts are.
///
/// # Errors
///
/// The disk refuses.
pub fn write_probe(
    kind: &Kind,
    version: Version,
    place: impl Fn(&str) -> PathBuf,
) -> io::Result<()> {
    for (module, path, text) in kind.probe {
        let text = text
            .replace("@RELEASE@", version.name)
            .replace("@VERSION@", version.module)
            .replace("@FAULT@", version.fault);
        let path = place(module).join(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        fs::write(path, text)?;
    }
    Ok(())
}

/// Moves a directory to where another one may be.
///
/// # Errors
///
/// The disk refuses.
pub fn moved(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::create_dir_all(to.parent().unwrap_or(Path::new("/")))?;
    fs::rename(from, to).or_else(|_| copied(from, to).and_then(|()| fs::remove_dir_all(from)))
}

/// Uploads belong to the user as which pods run.
///
/// # Errors
///
/// The disk refuses, or we are not root.
pub fn owned_by_pods(directory: &Path) -> io::Result<()> {
    ran(Program::new("chown")
        .args(["--recursive", "10001:10001"])
        .arg(directory))
}

fn copied(from: &Path, to: &Path) -> io::Result<()> {
    ran(Program::new("cp")
        .args([
            "--recursive",
            "--no-dereference",
            "--preserve=mode,timestamps",
            "--no-target-directory",
        ])
        .arg(from)
        .arg(to))
}

fn ran(program: Program) -> io::Result<()> {
    let outcome = program.deadline(INSTALL).run();
    if outcome.code() == Some(0) {
        Ok(())
    } else {
        Err(io::Error::other(outcome.stderr))
    }
}
