//! The files of HAProxy's directory, from which it starts when nobody else is there.

use super::{
    command_text::{LIST, server_line},
    issuers::{self, ISSUERS},
    pem::Pem,
    slots::Slots,
    snapshot::{Serving, Snapshot},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// The backends. HAProxy's container waits for it, so it is written last.
pub const SLOTS_FILE: &str = "slots.cfg";
/// What visitors of a host without a certificate get, and a warning of their browser with it.
pub const UNKNOWN: &str = "certificates/unknown.pem";

/// What this process wrote, so that nothing is written twice.
#[derive(Debug)]
pub struct Files {
    directory: PathBuf,
    written: BTreeMap<String, String>,
    /// Certificates that are there.
    certificates: BTreeSet<String>,
    /// Chains that are there, by file.
    chains: BTreeMap<String, String>,
    /// What a process before this one left was removed.
    swept: bool,
}

impl Files {
    /// Those of a directory, which is made where it is not there.
    ///
    /// # Errors
    ///
    /// The disk refuses.
    #[allow(
        clippy::disallowed_methods,
        reason = "before anything that could be lost"
    )]
    pub fn new(directory: PathBuf) -> io::Result<Self> {
        for part in ["certificates", ISSUERS] {
            fs::create_dir_all(directory.join(part))?;
        }
        Ok(Self {
            directory,
            written: BTreeMap::new(),
            certificates: BTreeSet::new(),
            chains: BTreeMap::new(),
            swept: false,
        })
    }

    /// Where they are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes those certificates that are not there yet. `pem` gives a host's.
    ///
    /// # Errors
    ///
    /// The disk refuses.
    pub fn write_certificates<'a>(
        &mut self,
        snapshot: &Snapshot,
        pem: impl Fn(&str) -> Option<&'a Pem>,
    ) -> io::Result<()> {
        for (file, host) in &snapshot.certificates {
            if let Some(pem) = pem(host).filter(|_| !self.certificates.contains(file)) {
                let apart = self.apart(pem)?;
                replace(
                    &self.directory,
                    file,
                    apart.as_deref().unwrap_or(pem.text()),
                )?;
                self.certificates.insert(file.clone());
            }
        }
        Ok(())
    }

    /// A certificate without its chain, once the chain is there; nothing if it has to be whole.
    fn apart(&mut self, pem: &Pem) -> io::Result<Option<String>> {
        let Some(split) = pem.split() else {
            return Ok(None);
        };
        // An authority may have several chains for one key, of which HAProxy takes any.
        let known = self.chains.get(&split.file);
        if known.is_some_and(|known| known != split.chain) {
            return Ok(None);
        }
        if known.is_none() {
            replace(&self.directory, &split.file, split.chain)?;
            self.chains
                .insert(split.file.clone(), split.chain.to_owned());
        }
        Ok(Some(split.text()))
    }

    /// Writes all others, once the certificates that the list names are there.
    ///
    /// # Errors
    ///
    /// The disk refuses.
    pub fn write(&mut self, snapshot: &Snapshot, slots: &Slots) -> io::Result<()> {
        self.put(LIST, lines(format!("{UNKNOWN}\n"), &snapshot.certificates))?;
        for (map, of) in &snapshot.maps {
            self.put(map, lines(String::new(), of))?;
        }
        self.put(SLOTS_FILE, backends(snapshot, slots))
    }

    /// Removes certificates that nobody needs any more.
    ///
    /// # Errors
    ///
    /// The disk refuses.
    pub fn sweep(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        if self.swept && self.certificates.len() == snapshot.certificates.len() {
            return Ok(());
        }
        for file in self.files_of("certificates")? {
            if file != UNKNOWN && !snapshot.certificates.contains_key(&file) {
                remove(&self.directory.join(&file))?;
                self.certificates.remove(&file);
            }
        }
        // This process has written every certificate once more, and the chains of these before.
        for file in self.files_of(ISSUERS)? {
            if !self.chains.contains_key(&file) {
                remove(&self.directory.join(&file))?;
            }
        }
        self.swept = true;
        Ok(())
    }

    fn files_of(&self, part: &str) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(self.directory.join(part))?;
        entries
            .map(|entry| Ok(format!("{part}/{}", entry?.file_name().to_string_lossy())))
            .collect()
    }

    /// Writes a file, unless it has this text.
    ///
    /// # Errors
    ///
    /// The disk refuses.
    pub fn put(&mut self, name: &str, text: String) -> io::Result<()> {
        if self.written.get(name) != Some(&text) {
            replace(&self.directory, name, &text)?;
            self.written.insert(name.to_owned(), text);
        }
        Ok(())
    }

    /// What HAProxy knew of shops and slots when the process before this one ended.
    #[must_use]
    pub fn known_slots(&self) -> (u32, BTreeMap<String, String>) {
        let read = |name: &str| fs::read_to_string(self.directory.join(name)).unwrap_or_default();
        let count = read(SLOTS_FILE)
            .lines()
            .filter(|line| line.starts_with("backend "))
            .count();
        let of = read(super::snapshot::SLOTS)
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(shop, slot)| (shop.to_owned(), slot.to_owned()))
            .collect();
        (u32::try_from(count).unwrap_or_default(), of)
    }

    /// The certificates that HAProxy has from a process before this one, by host.
    #[must_use]
    pub fn known_certificates(&self) -> BTreeMap<String, Pem> {
        let list = fs::read_to_string(self.directory.join(LIST)).unwrap_or_default();
        // The first one is for unknown hosts, and has none.
        let lines = list.lines().filter_map(|line| line.split_once(' '));
        lines
            .filter_map(|(file, host)| {
                let (text, issued) = issuers::read(&self.directory, file).ok()?;
                let pem = if issued { Pem::issued } else { Pem::new };
                Some((host.to_owned(), pem(text)))
            })
            .collect()
    }
}

/// Every slot, with the servers that get requests. One that only finishes what it has is none of a
/// HAProxy that starts.
fn backends(snapshot: &Snapshot, slots: &Slots) -> String {
    let mut text = String::new();
    for slot in slots.names() {
        line(&mut text, format_args!("backend {slot} from slot"));
        let servers = snapshot.servers_of(&slot);
        let servers = servers.filter(|(_, server)| server.serving == Serving::Yes);
        for ((_, name), server) in servers {
            line(
                &mut text,
                format_args!("    server {name} {}", server_line(server)),
            );
        }
    }
    text
}

/// A line each, after the head.
fn lines(head: String, lines: &BTreeMap<String, String>) -> String {
    let mut text = head;
    for (key, value) in lines {
        line(&mut text, format_args!("{key} {value}"));
    }
    text
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    writeln!(text, "{line}").unwrap_or_default();
}

/// The old file or the new one, whoever reads. HAProxy reads every file of some directories, so the
/// one that is being written is in none of these.
#[allow(
    clippy::disallowed_methods,
    reason = "this is the wrapper with failpoints"
)]
fn replace(directory: &Path, name: &str, text: &str) -> io::Result<()> {
    let new = directory.join("new");
    failpoint::hit("edge.file.write")?;
    let mut options = fs::OpenOptions::new();
    // Private keys are among them, and HAProxy runs as the same user.
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(&new)?.write_all(text.as_bytes())?;
    failpoint::hit("edge.file.rename")?;
    fs::rename(&new, directory.join(name))
}

#[allow(
    clippy::disallowed_methods,
    reason = "this is the wrapper with failpoints"
)]
fn remove(path: &Path) -> io::Result<()> {
    failpoint::hit("edge.file.remove")?;
    fs::remove_file(path)
}
