//! What a description probably does not mean: keys in what is shipped, patterns and paths that
//! match nothing.

use crate::{
    CommandError, Progress,
    compose::{Claim, Claims},
    spec::{ModuleSpec, Spec},
};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};
use tarball::{Kind, Source};

/// Bytes of a file in which a private key is looked for: the first line, with some text before it.
const HEAD: u64 = 4096;

/// Refuses to ship one of the `keys`, and tells of other files that look like a private key.
///
/// # Errors
///
/// If a module holds one of them, by whatever name or link.
pub(super) fn keys(
    module: &ModuleSpec,
    source: &Source,
    keys: &[PathBuf],
    progress: &Progress,
) -> Result<(), CommandError> {
    let identity = |path: &Path| {
        fs::metadata(path)
            .ok()
            .map(|found| (found.dev(), found.ino()))
    };
    let own: BTreeSet<_> = keys.iter().filter_map(|key| identity(key)).collect();
    let sizes: BTreeSet<u64> = keys
        .iter()
        .filter_map(|key| Some(fs::metadata(key).ok()?.len()))
        .collect();
    for entry in source.entries() {
        let Kind::File { size, .. } = entry.kind else {
            continue;
        };
        let path = module.source.join(&entry.path);
        // One look at each file of a key's size: a shop has few of these.
        if sizes.contains(&size) && identity(&path).is_some_and(|found| own.contains(&found)) {
            return Err(CommandError::OwnKey {
                path,
                module: module.name.clone(),
            });
        }
        let extension = Path::new(entry.path.name())
            .extension()
            .and_then(|extension| extension.to_str());
        let named =
            matches!(extension, Some("key" | "pem")) || entry.path.name().starts_with("id_");
        if named && holds_private_key(&path).unwrap_or(false) {
            progress.warn(&format!(
                "module {} ships {}, which looks like a private key, to every pod; exclude it \
                 unless it is meant to",
                module.name, entry.path
            ));
        }
    }
    Ok(())
}

fn holds_private_key(path: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD).read_to_end(&mut head)?;
    Ok(head
        .windows(b"PRIVATE KEY-----".len())
        .any(|part| part == b"PRIVATE KEY-----"))
}

/// Tells which patterns leave nothing out.
pub(super) fn excludes(module: &ModuleSpec, source: &Source, progress: &Progress) {
    let unused = source
        .unused()
        .iter()
        .map(|pattern| format!("{pattern:?}"))
        .collect::<Vec<_>>();
    if !unused.is_empty() {
        progress.warn(&format!(
            "module {}: nothing in {} matches exclude {}",
            module.name,
            module.source.display(),
            unused.join(", ")
        ));
    }
}

/// Tells which scripts to compile no module has.
pub(super) fn warm(spec: &Spec, modules: &[Claims<'_>], progress: &Progress) {
    let Some(php) = &spec.php else { return };
    let has = |claims: &Claims<'_>, script: &release::RelativePath| {
        let within = match claims.target {
            None => Some(script.as_str()),
            Some(target) => script
                .as_str()
                .strip_prefix(target.as_str())
                .and_then(|rest| rest.strip_prefix('/')),
        };
        within.is_some_and(|within| {
            claims
                .entries
                .iter()
                .any(|(path, claim)| path.as_str() == within && !matches!(claim, Claim::Directory))
        })
    };
    for script in php
        .warm
        .iter()
        .filter(|script| !modules.iter().any(|claims| has(claims, script)))
    {
        progress.warn(&format!("php.warm names {script}, which no module has"));
    }
}
