//! How far one log was read, whoever wrote it and however fast.
//!
//! A round reads a share of what is new, where many short records count as if they were longer.
//! What is too much for the next rounds, too, is left out, so that what comes next is read when it
//! is new; it is counted, as far as that costs little.

use crate::errors::{ErrorLocation, Errors};
use observe::{Event, Record, Records, Source, begins};
use std::{fs::File, io, os::unix::fs::FileExt as _};

/// Bytes that wait to be read at most: more of them are left out. At the pace of a full share, that
/// is four seconds' reading.
const BACKLOG: u64 = 4 << 20;
/// Bytes of what is left out that are looked at to count it; the rest is like them.
const COUNTED: u64 = 1 << 20;
/// What a record costs at least, in bytes that are read: many short ones would take longer than a
/// few long ones.
const COST: u64 = 350;
/// Bytes that are read at once: of records, and of what is only counted.
const STEP: usize = 4 << 10;
const COUNT_STEP: usize = 64 << 10;

/// A log that is followed.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) file: File,
    pub(super) identity: (u64, u64),
    pub(super) offset: u64,
    source: Source,
    records: Records,
}

/// Whom to tell of a record, and where it was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Teller<'a> {
    pub(super) errors: &'a Errors,
    pub(super) place: ErrorLocation<'a>,
}

impl Teller<'_> {
    pub(super) fn tell(&self, source: Source, record: &Record) {
        if let Some(event) = Event::from_record(source, record) {
            self.errors.take(&event, self.place);
        }
    }
}

impl Tail {
    pub(super) const fn new(file: File, identity: (u64, u64), offset: u64, source: Source) -> Self {
        Self {
            file,
            identity,
            offset,
            source,
            records: Records::new(source),
        }
    }

    /// Reads on to `size`, `share` bytes at most; whether there is more to do in another round.
    pub(super) fn round(&mut self, size: u64, share: u64, teller: Teller<'_>) -> io::Result<bool> {
        if size < self.offset {
            // Emptied by the shop: it begins anew.
            self.end(teller);
            self.offset = 0;
        }
        if size == self.offset {
            let source = self.source;
            self.records.pause(|record| teller.tell(source, &record));
            return Ok(false);
        }
        if size - self.offset > BACKLOG {
            // The first of them are told: they are where it began.
            self.read(self.offset + share.min(BACKLOG), teller)?;
            self.skip(size, teller)?;
        } else {
            self.read(size.min(self.offset + share), teller)?;
        }
        Ok(self.offset < size || self.records.waiting() > 0)
    }

    /// Leaves out what is there up to `size`.
    pub(super) fn skip(&mut self, size: u64, teller: Teller<'_>) -> io::Result<()> {
        let bytes = size.saturating_sub(self.offset);
        if bytes == 0 {
            return Ok(());
        }
        let source = self.source;
        self.records.pause(|record| teller.tell(source, &record));
        let counted = self.count(bytes.min(COUNTED))?;
        // The rest is like it.
        let events = counted.saturating_mul(bytes) / bytes.min(COUNTED);
        teller.errors.skip(events, bytes);
        let mut last = [0];
        let whole = self.file.read_at(&mut last, size - 1)? == 1 && last == *b"\n";
        if whole {
            self.records.restart();
        } else {
            self.records.restart_in_the_middle();
        }
        self.offset = size;
        Ok(())
    }

    /// It was emptied.
    pub(super) fn emptied(&mut self) {
        self.records.restart();
        self.offset = 0;
    }

    /// Tells what has no end yet: it will get none.
    pub(super) fn end(&mut self, teller: Teller<'_>) {
        let source = self.source;
        self.records.end(|record| teller.tell(source, &record));
    }

    /// Bytes that are kept of it.
    pub(super) const fn waiting(&self) -> usize {
        self.records.waiting()
    }

    fn read(&mut self, end: u64, teller: Teller<'_>) -> io::Result<()> {
        let source = self.source;
        let (mut buffer, mut extra) = ([0; STEP], 0);
        while self.offset + extra < end {
            let read = read_at(&self.file, &mut buffer, self.offset, end)?;
            if read == 0 {
                break;
            }
            self.offset += read as u64;
            self.records.take(&buffer[..read], |record| {
                extra += COST.saturating_sub(record.bytes.len() as u64);
                teller.tell(source, &record);
            });
        }
        Ok(())
    }

    // How many records there are in what comes next.
    fn count(&self, bytes: u64) -> io::Result<u64> {
        let (mut at, end) = (self.offset, self.offset + bytes);
        let (mut dated, mut lines) = (0, 0);
        let mut buffer = vec![0; COUNT_STEP];
        while at < end {
            let read = read_at(&self.file, &mut buffer, at, end)?;
            if read == 0 {
                break;
            }
            at += read as u64;
            for line in buffer[..read].split(|byte| *byte == b'\n') {
                lines += 1;
                dated += u64::from(begins(self.source, line));
            }
        }
        Ok(if dated > 0 { dated } else { lines })
    }
}

fn read_at(file: &File, buffer: &mut [u8], at: u64, end: u64) -> io::Result<usize> {
    let wanted = usize::try_from(end - at).unwrap_or(usize::MAX);
    let wanted = wanted.min(buffer.len());
    file.read_at(&mut buffer[..wanted], at)
}
