//! Listing the objects of a directory.

use super::tree::{RESERVED, Tree};
use crate::{Listed, StoreError};
use jiff::Timestamp;
use rustix::{
    fs::{AtFlags, Dir, FileType, OFlags, statat},
    io::Errno,
};

/// Every regular file whose key starts with `prefix`, sorted. Names that are no keys are passed
/// over.
pub(super) fn list(tree: &Tree, prefix: &str) -> Result<Vec<Listed>, StoreError> {
    let above = prefix.rsplit_once('/').map_or("", |(above, _)| above);
    let mut found = Vec::new();
    let mut waiting = vec![above.to_owned()];
    while let Some(path) = waiting.pop() {
        let shown = if path.is_empty() { "." } else { &path };
        let Some(opened) = tree.descend(shown, OFlags::RDONLY | OFlags::DIRECTORY)? else {
            continue;
        };
        for entry in Dir::read_from(&opened).map_err(|errno| tree.error(shown, errno))? {
            let entry = entry.map_err(|errno| tree.error(shown, errno))?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if matches!(name, "." | "..") || (path.is_empty() && name == RESERVED) {
                continue;
            }
            let key = if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}/{name}")
            };
            let stat = match statat(&opened, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                // Removed since its name was read.
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(tree.error(&key, errno)),
            };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile if key.starts_with(prefix) => {
                    let nanoseconds = i32::try_from(stat.st_mtime_nsec).unwrap_or(0);
                    let modified =
                        Timestamp::new(stat.st_mtime, nanoseconds).unwrap_or(Timestamp::UNIX_EPOCH);
                    found.push(Listed {
                        key,
                        size: super::tree::size(&stat),
                        modified,
                    });
                }
                FileType::Directory if key.starts_with(prefix) || prefix.starts_with(&key) => {
                    waiting.push(key);
                }
                _ => {}
            }
        }
    }
    found.sort_unstable_by(|one, other| one.key.cmp(&other.key));
    Ok(found)
}
