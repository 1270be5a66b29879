//! One directory with logs.
//!
//! The shop writes there: it may cut, rename and remove files while they are read, write without
//! end, and put a link, a pipe or a directory in the place of a log. A file is opened by its name
//! in the directory that is held open, through no link and without waiting; only regular files
//! count, and all that is read and kept has a bound. So has what is on the disk: a log that grew is
//! emptied, and of reports the first go.

use super::{
    place::inside,
    report::beginning,
    rotated,
    tail::{Tail, Teller},
};
use crate::errors::{ErrorLocation, Errors};
use observe::{RECORD, Record, Source, text::one_line};
use release::RelativePath;
use rustix::{
    fs::{AtFlags, Dir, FileType, OFlags, Stat},
    io::Errno,
};
use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    time::Instant,
};
use tracing::{debug, warn};

/// Files of a directory that are looked at, and logs of it that are followed: the first that it
/// lists, if there are more.
const FILES: usize = 2000;
const LOGS: usize = 500;
/// Bytes that a round reads of a directory's logs.
const ROUND: u64 = 256 << 10;
/// A log that grew beyond this is emptied: it was told by then, and the volume is bounded.
const FILE_LIMIT: u64 = 16 << 20;
/// Bytes of all logs of a directory; if they are more, each has its part of this.
const LOGS_LIMIT: u64 = 64 << 20;
/// Reports of a directory that are kept.
const REPORTS: usize = 400;
/// Reports that a round reads; it counts others.
const REPORTS_A_ROUND: u64 = 16;
/// Bytes of lines without an end that are kept of a directory's logs.
const WAITING: usize = 512 << 10;

type Identity = (u64, u64);

/// A directory that is followed.
#[derive(Debug)]
pub(super) struct Directory {
    of: Of,
    handle: File,
    logs: BTreeMap<OsString, Tail>,
    // When it was last looked at what rotation left.
    pruned: Option<Instant>,
    // Reports that were told, by name: which file it was, and the how manieth.
    seen: BTreeMap<OsString, (u64, u64)>,
}

/// Whose logs they are.
#[derive(Debug)]
pub(super) enum Of {
    /// Those of the pod's servers, each by its name.
    Pod,
    /// Those that the shop's code writes at a path of its tree.
    Tree {
        /// The short name of the tree; several have the same directory if it is missing.
        release: Option<String>,
        /// The path.
        path: RelativePath,
    },
}

/// Where a directory that is found begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// What is there was there before the agent, which may have told it already.
    Now,
    /// All of it is new.
    Start,
}

// By name: what they are, and their inodes.
type Files = BTreeMap<OsString, (Source, u64)>;

impl Of {
    fn source(&self, name: &[u8]) -> Option<Source> {
        match self {
            Self::Pod => match name {
                b"php.log" => Some(Source::Php),
                b"php-fpm.log" => Some(Source::Fpm),
                b"slow.log" => Some(Source::Slow),
                b"nginx.log" => Some(Source::Nginx),
                _ => None,
            },
            Self::Tree { .. } if name.ends_with(b".log") => Some(Source::Log),
            // Every file in a directory for reports is one, but for logs.
            Self::Tree { path, .. } => (path.name() == "report").then_some(Source::Report),
        }
    }

    fn tree(&self) -> Option<&str> {
        match self {
            Self::Tree { release, .. } => release.as_deref(),
            Self::Pod => None,
        }
    }

    fn file(&self, name: &OsStr) -> Option<String> {
        match self {
            Self::Tree { path, .. } => Some(format!("{path}/{}", one_line(name.as_bytes()))),
            Self::Pod => None,
        }
    }
}

impl Directory {
    pub(super) const fn new(of: Of, handle: File) -> Self {
        Self {
            of,
            handle,
            logs: BTreeMap::new(),
            pruned: None,
            seen: BTreeMap::new(),
        }
    }

    /// Another tree has the same directory: what is in it is of the release that runs.
    pub(super) fn is_shared(&mut self) {
        if let Of::Tree { release, .. } = &mut self.of {
            *release = None;
        }
    }

    /// Tells what is new; how many bytes of logs that were, and whether there is more to do.
    pub(super) fn round(&mut self, begin: Begin, errors: &Errors) -> io::Result<(u64, bool)> {
        let found = self.list()?;
        // What has another name now, or none, is read to its end first.
        let gone: Vec<_> = self
            .logs
            .keys()
            .filter(|name| !found.contains_key(*name))
            .cloned()
            .collect();
        for name in gone {
            self.leave(&name, errors);
        }
        let mut logs = Vec::new();
        let followed = found
            .iter()
            .filter(|(_, (source, _))| *source != Source::Report);
        for (name, _) in followed.take(LOGS) {
            match self.open(name, OFlags::RDONLY)? {
                Some((file, stat)) => {
                    self.follow(name, file, &stat, begin, errors);
                    logs.push((name, stat));
                }
                None => self.leave(name, errors),
            }
        }
        self.reports(&found, begin, errors)?;
        let due = self.pruned.is_none_or(|at| at.elapsed() >= rotated::EVERY);
        if due && matches!(self.of, Of::Tree { .. }) {
            self.pruned = Some(Instant::now());
            rotated::prune(&self.handle)?;
        }
        self.read(&logs, errors)
    }

    /// The last round: what has no end yet gets none.
    pub(super) fn end(&mut self, errors: &Errors) {
        if let Err(error) = self.round(Begin::Start, errors) {
            debug!(%error, "the last lines of a log are not read");
        }
        for name in self.logs.keys().cloned().collect::<Vec<_>>() {
            self.leave(&name, errors);
        }
    }

    fn list(&self) -> io::Result<Files> {
        let mut found = Files::new();
        for entry in Dir::read_from(&self.handle)?.take(FILES) {
            let entry = entry?;
            let regular = matches!(entry.file_type(), FileType::RegularFile | FileType::Unknown);
            let name = entry.file_name().to_bytes();
            if let Some(source) = self.of.source(name).filter(|_| regular) {
                found.insert(OsString::from_vec(name.to_vec()), (source, entry.ino()));
            }
        }
        Ok(found)
    }

    // `None` if there is no regular file of that name.
    fn open(&self, name: &OsStr, how: OFlags) -> io::Result<Option<(File, Stat)>> {
        // A pipe would wait for somebody at its other end.
        match inside(
            &self.handle,
            name,
            how | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC,
        ) {
            Ok(file) => {
                let stat = rustix::fs::fstat(&file)?;
                Ok(
                    (FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
                        .then_some((file, stat)),
                )
            }
            // Gone meanwhile, a link, a pipe without a reader, or not for us.
            Err(
                Errno::NOENT
                | Errno::LOOP
                | Errno::NXIO
                | Errno::ACCESS
                | Errno::PERM
                | Errno::XDEV
                | Errno::ISDIR
                | Errno::OPNOTSUPP,
            ) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn follow(&mut self, name: &OsStr, file: File, stat: &Stat, begin: Begin, errors: &Errors) {
        let identity = identity(stat);
        if self
            .logs
            .get(name)
            .is_some_and(|tail| tail.identity != identity)
        {
            self.leave(name, errors);
        }
        let offset = if begin == Begin::Now { size(stat) } else { 0 };
        if let Some(source) = self.of.source(name.as_bytes()) {
            self.logs
                .entry(name.to_owned())
                .or_insert_with(|| Tail::new(file, identity, offset, source));
        }
    }

    fn read(&mut self, logs: &[(&OsString, Stat)], errors: &Errors) -> io::Result<(u64, bool)> {
        let (mut news, mut writers, mut all) = (0, 0, 0);
        for (name, stat) in logs {
            let read = self.logs.get(*name).map_or(0, |tail| tail.offset);
            let new = size(stat).saturating_sub(read);
            news += new;
            writers += u64::from(new > 0);
            all += size(stat);
        }
        let share = ROUND / writers.max(1);
        let limit = if all > LOGS_LIMIT {
            LOGS_LIMIT / logs.len() as u64
        } else {
            FILE_LIMIT
        };
        let (mut more, mut waiting) = (false, 0);
        for (name, stat) in logs {
            let file = self.of.file(name);
            let teller = teller(errors, &self.of, file.as_deref());
            let Some(tail) = self.logs.get_mut(*name) else {
                continue;
            };
            more |= tail.round(size(stat), share, teller)?;
            waiting += tail.waiting();
            if waiting > WAITING {
                tail.end(teller);
            }
            if size(stat) > limit {
                self.empty(name, stat, errors)?;
            }
        }
        Ok((news, more))
    }

    fn empty(&mut self, name: &OsString, stat: &Stat, errors: &Errors) -> io::Result<()> {
        let file = self.of.file(name);
        let teller = teller(errors, &self.of, file.as_deref());
        // Under another name, too, it may be no log. And it may be another by now.
        let ours = self
            .open(name, OFlags::WRONLY)?
            .filter(|(_, now)| now.st_nlink == 1 && identity(now) == identity(stat));
        let Some(tail) = self.logs.get_mut(name) else {
            return Ok(());
        };
        let now = ours.as_ref().map_or(stat, |(_, now)| now);
        // What a round did not come to is too much for anybody.
        tail.skip(size(now), teller)?;
        if let Some((opened, now)) = ours {
            rustix::fs::ftruncate(&opened, 0)?;
            tail.emptied();
            warn!(file, bytes = size(&now), "a log of the shop was emptied");
        }
        Ok(())
    }

    fn leave(&mut self, name: &OsStr, errors: &Errors) {
        let Some(mut tail) = self.logs.remove(name) else {
            return;
        };
        let file = self.of.file(name);
        let teller = teller(errors, &self.of, file.as_deref());
        let size = rustix::fs::fstat(&tail.file).map_or(0, |stat| size(&stat));
        let read = tail
            .round(size, ROUND, teller)
            .and_then(|_more| tail.skip(size, teller));
        if let Err(error) = read {
            debug!(%error, "the end of a log is not read");
        }
        tail.end(teller);
    }

    fn reports(&mut self, found: &Files, begin: Begin, errors: &Errors) -> io::Result<()> {
        self.seen.retain(|name, _| found.contains_key(name));
        let mut told = 0;
        let mut next = self
            .seen
            .values()
            .map(|(_, order)| order + 1)
            .max()
            .unwrap_or(0);
        for (name, (source, inode)) in found {
            if *source != Source::Report {
                continue;
            }
            if self.seen.get(name).is_some_and(|(known, _)| known == inode) {
                continue;
            }
            let Some((file, stat)) = self.open(name, OFlags::RDONLY)? else {
                continue;
            };
            // It is written in the next moment.
            if stat.st_size == 0 {
                continue;
            }
            self.seen.insert(name.clone(), (*inode, next));
            next += 1;
            if begin == Begin::Now {
                continue;
            }
            told += 1;
            if told > REPORTS_A_ROUND {
                errors.skip(1, size(&stat));
            } else {
                let (bytes, cut) = beginning(&file, RECORD)?;
                let path = self.of.file(name);
                teller(errors, &self.of, path.as_deref())
                    .tell(Source::Report, &Record { bytes, cut });
            }
        }
        self.prune();
        Ok(())
    }

    // The first go. Only what has the name that Magento gives: a number, or a hash.
    fn prune(&mut self) {
        let mut surplus = self.seen.len().saturating_sub(REPORTS);
        let mut oldest: Vec<_> = self
            .seen
            .iter()
            .map(|(name, (_, order))| (*order, name.clone()))
            .collect();
        oldest.sort_unstable();
        for (_, name) in oldest {
            if surplus == 0 {
                break;
            }
            if !name.as_bytes().iter().all(u8::is_ascii_hexdigit) {
                continue;
            }
            surplus -= 1;
            match rustix::fs::unlinkat(&self.handle, &name, AtFlags::empty()) {
                Ok(()) => drop(self.seen.remove(&name)),
                Err(error) => debug!(%error, "an old report stays"),
            }
        }
    }
}

fn teller<'a>(errors: &'a Errors, of: &'a Of, file: Option<&'a str>) -> Teller<'a> {
    Teller {
        errors,
        place: ErrorLocation {
            tree: of.tree(),
            file,
        },
    }
}

fn identity(stat: &Stat) -> Identity {
    (stat.st_dev, stat.st_ino)
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}
