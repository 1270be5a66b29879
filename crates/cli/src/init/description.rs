//! The text of a new `longshore.toml`. No IO.

use super::split::Part;
use release::{ChannelName, Engine};
use std::fmt::{self, Display};
use toml::Value;

/// What the file says.
#[derive(Debug)]
pub(super) struct Description<'a> {
    /// What it describes.
    pub engine: Engine,
    /// Where releases go.
    pub channel: &'a ChannelName,
    /// The PHP version that the tree asks for.
    pub php: Option<&'a str>,
    /// The version of the rest.
    pub version: &'a str,
    /// Modules of their own.
    pub parts: &'a [Part],
    /// What no release needs.
    pub exclude: &'a [String],
}

impl Display for Description<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            engine,
            channel,
            php,
            version,
            parts,
            exclude,
        } = self;
        writeln!(
            f,
            "# Written by `longshore init --engine {engine}`. Run it again with --force when \
             packages come or go; what it does not know of"
        )?;
        writeln!(
            f,
            "# stays in the module `core`, so that nothing is lost meanwhile."
        )?;
        writeln!(f, "channel = {}\n", quoted(channel))?;
        let shared: Vec<_> = engine.storage().iter().chain(engine.configured()).collect();
        if shared.is_empty() {
            writeln!(
                f,
                "# Directories that all pods of the shop share, such as uploads; the class lists \
                 the same as `storage.shared`.\n# shared = [\"uploads\"]"
            )?;
            writeln!(
                f,
                "# Directories that each pod writes for itself, empty for each release.\n# \
                 writable = [\"cache\"]\n"
            )?;
        } else {
            let last = if engine.configured().is_empty() {
                ""
            } else {
                "; the last ones are files that the cluster makes for each shop"
            };
            writeln!(
                f,
                "# The shop's own, on its storage, whatever release runs{last}."
            )?;
            list(f, "shared", &shared)?;
            writeln!(f, "# Local to each pod, and empty for each release.")?;
            list(f, "writable", engine.writable())?;
            writeln!(f)?;
        }
        writeln!(
            f,
            "# What the release does to the database: none | additive | breaking.\nmigration = \
             \"none\""
        )?;
        if *engine == Engine::Magento2 {
            writeln!(
                f,
                "# The DI compiler makes names that differ in case only.\ncase_sensitive = true"
            )?;
        }
        if let Some(php) = php {
            writeln!(f, "\n[php]\nversion = {}", quoted(php))?;
        }
        writeln!(
            f,
            "\n# Everything that no other module has.\n[[module]]\nname = \"core\"\nversion = \
             {}\nsource = \".\"",
            quoted(version)
        )?;
        let own = engine
            .storage()
            .iter()
            .chain(engine.configured())
            .chain(engine.writable())
            .map(|path| (*path).to_owned());
        // A directory covers what is below it.
        let mut own: Vec<String> = own.collect();
        let all = own.clone();
        own.retain(|path| {
            !all.iter().any(|outer| {
                path.strip_prefix(outer.as_str())
                    .is_some_and(|rest| rest.starts_with('/'))
            })
        });
        let exclude: Vec<_> = exclude
            .iter()
            .cloned()
            .chain(own)
            .chain(parts.iter().map(|part| part.path.to_string()))
            .collect();
        list(f, "exclude", &exclude)?;
        for part in *parts {
            let (name, version, path) = (
                quoted(&part.name),
                quoted(&part.version),
                quoted(&part.path),
            );
            writeln!(
                f,
                "\n[[module]]\nname = {name}\nversion = {version}\nsource = {path}\ntarget = \
                 {path}\nexclude = [\"**/.git\"]"
            )?;
        }
        Ok(())
    }
}

/// A list, in lines of several values where it is long.
fn list(f: &mut fmt::Formatter<'_>, key: &str, values: &[impl Display]) -> fmt::Result {
    let values: Vec<_> = values.iter().map(quoted).collect();
    let line = format!("{key} = [{}]", values.join(", "));
    if line.len() <= 120 {
        return writeln!(f, "{line}");
    }
    writeln!(f, "{key} = [")?;
    values
        .iter()
        .try_for_each(|value| writeln!(f, "    {value},"))?;
    writeln!(f, "]")
}

/// A string of TOML.
fn quoted(value: impl Display) -> String {
    Value::String(value.to_string()).to_string()
}
