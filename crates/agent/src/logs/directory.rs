//! One directory with logs, and how far each of its files was read.
//!
//! The shop writes there: it may cut, rename and remove files while they are read, write without
//! end, and put a link, a pipe or a directory in the place of a log. A file is opened by its name
//! in the directory that is held open, through no link and without waiting; only regular files
//! count, and all that is read and kept has a bound.

use super::{
    budget::Budget,
    line::{LIMIT, Line, Lines, shown},
    place::inside,
    report::beginning,
};
use release::RelativePath;
use rustix::{
    fs::{Dir, FileType, OFlags, Stat},
    io::Errno,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs::File,
    io,
    os::unix::{ffi::OsStringExt as _, fs::FileExt as _},
};
use tracing::{debug, info, warn};

/// Files of a directory that are looked at: the first of its names, if there are more.
const FILES: usize = 500;
/// Bytes of one file that are read in one round, and in one call.
const ROUND: u64 = 1 << 20;
const STEP: usize = 64 << 10;
/// A log that grew beyond this is emptied once it is read: it is in the container's log then, and
/// the volume is bounded.
const FILE_LIMIT: u64 = 16 << 20;
/// Bytes of a report that are shown.
const REPORT: usize = LIMIT;

/// What tells one file from another that has its name later.
type Identity = (u64, u64);

/// A directory that is followed.
#[derive(Debug)]
pub(super) struct Directory {
    /// The short name of the tree.
    release: String,
    path: RelativePath,
    handle: File,
    // Every file in a directory for reports is one, but for logs.
    reports: bool,
    logs: BTreeMap<OsString, Tail>,
    seen: BTreeMap<OsString, Identity>,
}

#[derive(Debug)]
struct Tail {
    file: File,
    identity: Identity,
    offset: u64,
    lines: Lines,
}

/// Where a directory that is found begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// What is there was there before the agent, which may have told it already.
    Now,
    /// All of it is new.
    Start,
}

impl Directory {
    pub(super) fn new(release: &str, path: &RelativePath, handle: File) -> Self {
        let reports = path.name() == "report";
        Self {
            release: release.to_owned(),
            path: path.clone(),
            handle,
            reports,
            logs: BTreeMap::new(),
            seen: BTreeMap::new(),
        }
    }

    /// Passes on what is new; whether there is more than one round takes.
    pub(super) fn round(&mut self, begin: Begin, budget: &mut Budget) -> io::Result<bool> {
        let names = self.names()?;
        let mut more = false;
        // What has another name now, or none, is read to its end first.
        let gone: Vec<_> = self
            .logs
            .keys()
            .filter(|name| !names.contains(*name))
            .cloned()
            .collect();
        for name in gone {
            self.leave(&name, budget);
        }
        self.seen.retain(|name, _| names.contains(name));
        for name in names {
            let Some((file, stat)) = self.open(&name, OFlags::RDONLY)? else {
                self.leave(&name, budget);
                continue;
            };
            if name.as_encoded_bytes().ends_with(b".log") {
                more |= self.log(&name, file, &stat, begin, budget)?;
            } else if stat.st_size > 0 {
                let known =
                    self.seen.insert(name.clone(), identity(&stat)) == Some(identity(&stat));
                if !known && begin == Begin::Start {
                    self.report(&name, &file, budget)?;
                }
            }
        }
        Ok(more)
    }

    /// The last round: what has no end yet gets none.
    pub(super) fn end(&mut self, budget: &mut Budget) {
        if let Err(error) = self.round(Begin::Start, budget) {
            debug!(path = %self.path, %error, "the last lines of a log are not read");
        }
        for name in self.logs.keys().cloned().collect::<Vec<_>>() {
            self.leave(&name, budget);
        }
    }

    fn names(&self) -> io::Result<BTreeSet<OsString>> {
        let mut names = BTreeSet::new();
        for entry in Dir::read_from(&self.handle)? {
            let entry = entry?;
            let wanted = matches!(entry.file_type(), FileType::RegularFile | FileType::Unknown);
            let name = entry.file_name().to_bytes();
            if wanted && (self.reports || name.ends_with(b".log")) {
                names.insert(OsString::from_vec(name.to_vec()));
            }
            if names.len() >= FILES {
                break;
            }
        }
        Ok(names)
    }

    // `None` if there is no regular file of that name.
    fn open(&self, name: &OsString, how: OFlags) -> io::Result<Option<(File, Stat)>> {
        // A pipe would wait for somebody at its other end.
        match inside(
            &self.handle,
            name.as_os_str(),
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

    fn log(
        &mut self,
        name: &OsString,
        file: File,
        stat: &Stat,
        begin: Begin,
        budget: &mut Budget,
    ) -> io::Result<bool> {
        let (identity, size) = (identity(stat), size(stat));
        if self
            .logs
            .get(name)
            .is_some_and(|tail| tail.identity != identity)
        {
            self.leave(name, budget);
        }
        let offset = if begin == Begin::Now { size } else { 0 };
        let known = self.logs.entry(name.clone());
        let tail = known.or_insert_with(|| Tail {
            file,
            identity,
            offset,
            lines: Lines::default(),
        });
        if size < tail.offset {
            // Emptied by the shop: it begins anew.
            tail.offset = 0;
            tail.lines.restart(false);
        }
        let teller = Shown {
            release: &self.release,
            directory: &self.path,
            name,
        };
        let read = tail.read(size, &teller, budget)?;
        if size <= FILE_LIMIT {
            return Ok(read < size);
        }
        // What a round did not come to is too much for anybody.
        budget.dropped(size.saturating_sub(read));
        tail.offset = size;
        tail.lines.restart(true);
        // Under another name, too, it may be no log.
        if stat.st_nlink == 1 && self.empty(name, identity)? {
            warn!(
                release = self.release,
                path = %self.path,
                file = shown(name.as_encoded_bytes()),
                bytes = size,
                "a log of the shop was emptied"
            );
            if let Some(tail) = self.logs.get_mut(name) {
                tail.offset = 0;
                tail.lines.restart(false);
            }
        }
        Ok(false)
    }

    // `false` if it is another by now, or not ours to change.
    fn empty(&self, name: &OsString, identity: Identity) -> io::Result<bool> {
        let Some((file, _)) = self
            .open(name, OFlags::WRONLY)?
            .filter(|(_, stat)| self::identity(stat) == identity)
        else {
            return Ok(false);
        };
        rustix::fs::ftruncate(&file, 0)?;
        Ok(true)
    }

    fn leave(&mut self, name: &OsString, budget: &mut Budget) {
        let Some(mut tail) = self.logs.remove(name) else {
            return;
        };
        let teller = Shown {
            release: &self.release,
            directory: &self.path,
            name,
        };
        let size = rustix::fs::fstat(&tail.file).map_or(0, |stat| size(&stat));
        match tail.read(size, &teller, budget) {
            Ok(read) => budget.dropped(size.saturating_sub(read)),
            Err(error) => debug!(path = %self.path, %error, "the end of a log is not read"),
        }
        tail.lines.end(|line| teller.tell(&line, budget));
    }

    fn report(&self, name: &OsString, file: &File, budget: &mut Budget) -> io::Result<()> {
        let (bytes, cut) = beginning(file, REPORT)?;
        let text = shown(bytes.trim_ascii_end());
        if budget.admits(text.len() as u64) {
            let file = format!("{}/{}", self.path, shown(name.as_encoded_bytes()));
            warn!(
                source = super::SOURCE,
                release = self.release,
                file,
                line = text,
                cut,
                "shop report"
            );
        }
        Ok(())
    }
}

impl Tail {
    /// Reads on to `size`, a round at most, and says how far it is.
    fn read(&mut self, size: u64, teller: &Shown<'_>, budget: &mut Budget) -> io::Result<u64> {
        let end = size.min(self.offset.saturating_add(ROUND));
        let mut buffer =
            vec![0; STEP.min(usize::try_from(end.saturating_sub(self.offset)).unwrap_or(STEP))];
        while self.offset < end {
            if !budget.is_open() {
                budget.dropped(size - self.offset);
                self.offset = size;
                let mut last = [0];
                let whole = self.file.read_at(&mut last, size - 1)? == 1 && last == *b"\n";
                self.lines.restart(!whole);
                break;
            }
            let wanted = usize::try_from(end - self.offset)
                .unwrap_or(STEP)
                .min(buffer.len());
            let read = self.file.read_at(&mut buffer[..wanted], self.offset)?;
            if read == 0 {
                break;
            }
            self.offset += read as u64;
            self.lines
                .take(&buffer[..read], |line| teller.tell(&line, budget));
        }
        Ok(self.offset)
    }
}

// What an event says besides a line.
struct Shown<'a> {
    release: &'a str,
    directory: &'a RelativePath,
    name: &'a OsString,
}

impl Shown<'_> {
    fn tell(&self, line: &Line, budget: &mut Budget) {
        if budget.admits(line.text.len() as u64) {
            let file = format!("{}/{}", self.directory, shown(self.name.as_encoded_bytes()));
            info!(
                source = super::SOURCE,
                release = self.release,
                file,
                line = line.text,
                cut = line.cut,
                "shop log"
            );
        }
    }
}

fn identity(stat: &Stat) -> Identity {
    (stat.st_dev, stat.st_ino)
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}
