//! The report that a shop wrote about a request: Magento shows a visitor its number only, and what
//! happened is in the file.

use super::{
    Logs,
    place::{inside, reach},
};
use observe::{masked, text::one_line};
use rustix::fs::{Dir, FileType, OFlags};
use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::Path,
    time::{Duration, SystemTime},
};

/// Bytes of a report that a problem carries: its message comes first, and a trace after it.
const SHOWN: usize = 1 << 10;
/// The longest time between ticks.
const TICK: Duration = Duration::from_millis(10);
/// Files of a directory that are looked at.
const FILES: usize = 5000;

impl Logs {
    /// The beginning of the newest report that the code of `tree` wrote after `since`, with the
    /// path of its file.
    #[must_use]
    pub fn report(&self, tree: &Path, since: SystemTime) -> Option<String> {
        let tree = self.root.join("releases").join(tree.file_name()?);
        // Files have the time of the kernel's last tick, which may be before `since`.
        let since = since - TICK;
        let directories = self.paths.iter().filter(|path| path.name() == "report");
        let newest = directories.filter_map(|path| {
            let reached = reach(&self.root, &tree, self.writable.as_deref(), path).ok()??;
            let (written, name, file) = newest(&reached.directory, since)
                .ok()?
                .filter(|_| reached.whole)?;
            Some((written, format!("{path}/{name}"), file))
        });
        let (_, name, file) = newest.max_by_key(|(written, ..)| *written)?;
        let (bytes, cut) = beginning(&file, SHOWN).ok()?;
        Some(format!(
            "{name} says: {}{}",
            masked(&one_line(bytes.trim_ascii_end())),
            if cut { " …" } else { "" }
        ))
    }
}

// The shop writes there: whatever is no regular file is passed over.
fn newest(directory: &File, since: SystemTime) -> io::Result<Option<(SystemTime, String, File)>> {
    let mut newest: Option<(SystemTime, String, File)> = None;
    for entry in Dir::read_from(directory)?.take(FILES) {
        let entry = entry?;
        if !matches!(entry.file_type(), FileType::RegularFile | FileType::Unknown) {
            continue;
        }
        let flags =
            OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
        let Ok(file) = inside(directory, entry.file_name(), flags) else {
            continue;
        };
        let about = file.metadata()?;
        let written = about.modified()?;
        let is_newer = newest.as_ref().is_none_or(|(known, ..)| written > *known);
        if about.is_file() && about.len() > 0 && written >= since && is_newer {
            newest = Some((written, one_line(entry.file_name().to_bytes()), file));
        }
    }
    Ok(newest)
}

/// The first bytes of a file, `limit` at most, and whether there are more.
pub(super) fn beginning(file: &File, limit: usize) -> io::Result<(Vec<u8>, bool)> {
    let mut bytes = vec![0; limit + 1];
    let mut length = 0;
    while length < bytes.len() {
        match file.read_at(&mut bytes[length..], length as u64)? {
            0 => break,
            read => length += read,
        }
    }
    let cut = length > limit;
    bytes.truncate(length.min(limit));
    Ok((bytes, cut))
}
