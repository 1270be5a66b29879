//! The values of the file: what each field may hold, and which fields a kind needs.

use super::{
    Directory, FILE_LIMIT, Kind, MOUNTS_LIMIT, Mount, MountsFile, What,
    raw::{self, RawDirectory, RawMount},
};
use crate::mount_options::{MountOption, MountOptions};
use release::RelativePath;
use std::path::{Component, Path, PathBuf};

const ABSOLUTE: &str = "expected an absolute path without '..', such as /mnt/shop";
const RELATIVE: &str = "expected a path below the mount, such as var/import";

/// Reads and checks a whole file.
pub(super) fn file(text: &str) -> Result<MountsFile, Vec<String>> {
    if text.len() > FILE_LIMIT {
        return Err(vec![format!(
            "it has {} bytes; expected at most {FILE_LIMIT}",
            text.len()
        )]);
    }
    let raw = raw::read(text).map_err(|problem| vec![problem])?;
    let mut problems = Vec::new();
    if raw.mount.len() > MOUNTS_LIMIT {
        problems.push(format!(
            "it lists {} mounts; expected at most {MOUNTS_LIMIT}",
            raw.mount.len()
        ));
    }
    let mut mounts = Vec::new();
    for (index, fields) in raw.mount.into_iter().enumerate() {
        let name = fields.get("name").and_then(|name| name.as_str());
        let label = name.map_or_else(
            || format!("mount {}", index + 1),
            |name| format!("mount {name:?}"),
        );
        let mut check = Check {
            problems: Vec::new(),
        };
        let raw = raw::mount(fields, &mut check.problems);
        mounts.extend(check.mount(raw));
        problems.extend(
            check
                .problems
                .into_iter()
                .map(|problem| format!("{label}: {problem}")),
        );
    }
    problems.extend(together(&mounts));
    if problems.is_empty() {
        Ok(MountsFile { mounts })
    } else {
        Err(problems)
    }
}

/// What is wrong with mounts that are each right.
fn together(mounts: &[Mount]) -> Vec<String> {
    let mut problems = Vec::new();
    for (index, one) in mounts.iter().enumerate() {
        for other in &mounts[..index] {
            let (a, b) = (&one.name, &other.name);
            if a == b {
                problems.push(format!("mount {a:?}: name={a:?} is taken by another mount"));
            }
            if one.path.starts_with(&other.path) || other.path.starts_with(&one.path) {
                let (path, others) = (one.path.display(), other.path.display());
                problems.push(format!(
                    "mount {a:?}: path={path} and that of {b:?}, {others}, are one inside the \
                     other"
                ));
            }
            if let (What::Nfs4(one), What::Nfs4(other)) = (&one.what, &other.what)
                && (one.server.host(), one.port) == (other.server.host(), other.port)
                && one.tls.is_some() != other.tls.is_some()
            {
                // The client in the kernel finds out that both are one server, and may send
                // everything over either connection.
                problems.push(format!(
                    "mount {a:?}: tls={}: expected the same as {b:?} has, which is of the same \
                     server",
                    one.tls.is_some()
                ));
            }
        }
    }
    problems
}

pub(super) struct Check {
    pub(super) problems: Vec<String>,
}

/// Each method gives what it could read; whatever it says is wrong takes the whole mount away in
/// the end.
impl Check {
    fn mount(&mut self, raw: RawMount) -> Option<Mount> {
        let before = self.problems.len();
        let name = self.required("name", raw.name.clone()).unwrap_or_default();
        if !name.is_empty() && !is_name(&name) {
            self.say(
                "name",
                &name,
                "expected 1 to 32 of a-z, 0-9 and '-', starting with a letter",
            );
        }
        let path = self
            .required("path", raw.path.clone())
            .and_then(|path| self.absolute("path", &path));
        if path.as_deref() == Some(Path::new("/")) {
            self.say("path", "/", "expected a directory below it");
        }
        let kind = self.required("kind", raw.kind);
        let words: Vec<MountOption> = raw
            .options
            .iter()
            .flatten()
            .filter_map(|word| self.parsed("options", word))
            .collect();
        let options = MountOptions::from_iter(words);
        let read_only = raw.read_only.unwrap_or(false);
        let write_probe = raw.write_probe.unwrap_or(false);
        if read_only && write_probe {
            self.say(
                "write_probe",
                "true",
                "expected false, as read_only is true",
            );
        }
        let directories: Vec<_> = raw
            .directories
            .iter()
            .flatten()
            .filter_map(|directory| self.directory(directory))
            .collect();
        if read_only && !directories.is_empty() {
            self.problems
                .push("directories: expected none, as read_only is true".to_owned());
        }
        let (required, kind) = (raw.required.unwrap_or(true), kind?);
        self.fields_of_others(kind, &raw);
        if kind != Kind::Nfs4 {
            for word in options.for_nfs_only() {
                self.problems.push(format!(
                    "options={word:?}: expected only with kind=\"nfs4\""
                ));
            }
        }
        let what = match kind {
            Kind::Nfs4 => self.nfs(&raw).map(What::Nfs4),
            Kind::Bind => self.bind(raw),
            Kind::Adopt => Some(What::Adopt {
                fstype: raw.fstype,
                source: raw.source,
            }),
        };
        let mount = Mount {
            name,
            path: path?,
            what: what?,
            options,
            read_only,
            required,
            write_probe,
            directories,
        };
        (self.problems.len() == before).then_some(mount)
    }

    /// Fields that mean nothing to this kind would be silently without effect.
    fn fields_of_others(&mut self, kind: Kind, raw: &RawMount) {
        let (nfs4, bind, adopt) = (kind == Kind::Nfs4, kind == Kind::Bind, kind == Kind::Adopt);
        let fields = [
            ("file_system", raw.file_system.is_some(), nfs4),
            ("region", raw.region.is_some(), nfs4),
            ("address", raw.address.is_some(), nfs4),
            ("access_point", raw.access_point.is_some(), nfs4),
            ("iam", raw.iam.is_some(), nfs4),
            ("server", raw.server.is_some(), nfs4),
            ("export", raw.export.is_some(), nfs4),
            ("port", raw.port.is_some(), nfs4),
            ("tls", raw.tls.is_some(), nfs4),
            ("ca_file", raw.ca_file.is_some(), nfs4),
            ("server_name", raw.server_name.is_some(), nfs4),
            ("source", raw.source.is_some(), bind || adopt),
            ("fstype", raw.fstype.is_some(), adopt),
            ("subdirectory", raw.subdirectory.is_some(), nfs4 || bind),
            ("options", raw.options.is_some(), nfs4 || bind),
            ("directories", raw.directories.is_some(), nfs4 || bind),
        ];
        for (field, _, _) in fields.iter().filter(|(_, given, fits)| *given && !fits) {
            self.problems
                .push(format!("{field}: not a field of kind=\"{kind}\""));
        }
    }

    fn bind(&mut self, raw: RawMount) -> Option<What> {
        let source = self
            .required("source", raw.source)
            .and_then(|source| self.absolute("source", &source));
        let below = raw
            .subdirectory
            .map(|path| self.relative("subdirectory", &path));
        let source = source?;
        Some(match below {
            None => What::Bind { source, made: 0 },
            Some(below) => {
                let below = below?;
                What::Bind {
                    made: below.split('/').count(),
                    source: source.join(below),
                }
            }
        })
    }

    fn directory(&mut self, raw: &RawDirectory) -> Option<Directory> {
        let path = self.relative("directories.path", &raw.path)?;
        let text = raw.mode.as_deref().unwrap_or("0755");
        let mode = u32::from_str_radix(text, 8)
            .ok()
            .filter(|mode| *mode <= 0o2777 && !text.starts_with('+'));
        let mode = self.known(
            "directories.mode",
            text,
            mode,
            "expected octal digits up to 2777, such as \"0775\"",
        )?;
        Some(Directory {
            path,
            uid: raw.uid,
            gid: raw.gid,
            mode,
        })
    }

    pub(super) fn absolute(&mut self, field: &str, text: &str) -> Option<PathBuf> {
        let path = Path::new(text);
        let stays = path
            .components()
            .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        let good = path.is_absolute() && stays && !text.contains(char::is_control);
        // Components leave out doubled and trailing slashes, so that paths can be compared with
        // those of mountinfo.
        self.known(
            field,
            text,
            good.then(|| path.components().collect()),
            ABSOLUTE,
        )
    }

    pub(super) fn relative(&mut self, field: &str, text: &str) -> Option<String> {
        let path = text
            .parse::<RelativePath>()
            .ok()
            .map(|path| path.to_string());
        self.known(field, text, path, RELATIVE)
    }

    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
        &mut self,
        field: &str,
        text: &str,
    ) -> Option<T> {
        text.parse()
            .map_err(|error| self.problems.push(format!("{field}={text:?}: {error}")))
            .ok()
    }

    pub(super) fn required<T>(&mut self, field: &str, value: Option<T>) -> Option<T> {
        // A field of the wrong type was reported by now, and is not also missing.
        if value.is_none()
            && !self
                .problems
                .iter()
                .any(|problem| problem.starts_with(&format!("{field}=")))
        {
            self.problems.push(format!("{field} is missing"));
        }
        value
    }

    pub(super) fn known<T>(
        &mut self,
        field: &str,
        text: &str,
        value: Option<T>,
        expected: &str,
    ) -> Option<T> {
        if value.is_none() {
            self.say(field, text, expected);
        }
        value
    }

    pub(super) fn say(&mut self, field: &str, text: &str, expected: &str) {
        self.problems.push(format!("{field}={text:?}: {expected}"));
    }
}

fn is_name(text: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(rest)
}
