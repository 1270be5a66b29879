//! In the disposable child: the calls that may block for as long as a server is silent.
//!
//! Nothing here needs a deadline: whoever started the child has one, and kills it.

use crate::{
    child_request::{ChildRequest, ChildResult, Fault, How, Thing},
    file::Directory,
};
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{AtFlags, CWD, Gid, Mode, OFlags, RawDir, Uid},
    io::Errno,
    mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, UnmountFlags},
};
use std::{
    ffi::{CString, OsStr},
    io::Write as _,
    mem::MaybeUninit,
    path::{Component, Path},
    process::ExitCode,
};

/// The file that a writing probe leaves: always the same one, so that killed probes leave no more.
pub const PROBE_FILE: &str = ".longshore-probe";
/// The mode of a directory that is still without its owner; one that a killed child left like this
/// is finished by the next.
const UNFINISHED: u32 = 0o1700;

/// What a program does that was started with [`Options::child`](crate::Options): `request` is the
/// last argument.
///
/// Prints its answer on standard output, for the parent.
#[must_use]
pub fn child_main(request: &OsStr) -> ExitCode {
    let Some(request) = request
        .to_str()
        .and_then(|text| serde_json::from_str(text).ok())
    else {
        return ExitCode::from(64);
    };
    let printed = serde_json::to_vec(&carry_out(&request))
        .is_ok_and(|answer| std::io::stdout().write_all(&answer).is_ok());
    if printed {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(70)
    }
}

fn carry_out(request: &ChildRequest) -> ChildResult {
    match request {
        ChildRequest::Mount {
            path,
            what,
            flags,
            read_only,
        } => {
            descend(&root(path)?, path, usize::MAX, &|_| Ok(()))
                .map_err(|errno| Fault::new("make the mount point", path, errno))?;
            let mut all = MountFlags::NOSUID | MountFlags::NODEV | mount_flags(flags);
            all.set(MountFlags::RDONLY, *read_only);
            mount(path, what, all)
        }
        ChildRequest::Directories { path, directories } => make_all(path, directories),
        ChildRequest::Unmount { path, how } => {
            let flags = match how {
                How::Plainly => UnmountFlags::empty(),
                How::Forcibly => UnmountFlags::FORCE,
                How::Lazily => UnmountFlags::DETACH,
            };
            rustix::mount::unmount(path, flags | UnmountFlags::NOFOLLOW)
                .map_err(|errno| Fault::new("unmount", path, errno))
        }
        ChildRequest::Probe { path, write } => probe(path, *write),
    }
}

fn mount_flags(words: &[String]) -> MountFlags {
    words.iter().fold(MountFlags::empty(), |flags, word| {
        flags
            | match word.as_str() {
                "noatime" => MountFlags::NOATIME,
                "nodiratime" => MountFlags::NODIRATIME,
                "relatime" => MountFlags::RELATIME,
                "strictatime" => MountFlags::STRICTATIME,
                "noexec" => MountFlags::NOEXEC,
                _ => MountFlags::empty(),
            }
    })
}

fn mount(path: &Path, what: &Thing, flags: MountFlags) -> ChildResult {
    match what {
        Thing::Nfs {
            device,
            export,
            subdirectory,
            data,
        } => {
            let words = CString::new(data.as_str())
                .map_err(|_| Fault::new("use the options of", path, Errno::INVAL))?;
            let attempt = || rustix::mount::mount(device, path, "nfs4", flags, words.as_c_str());
            let fault = |errno| Fault::new("mount", Path::new(device), errno);
            match (attempt(), subdirectory) {
                (Err(Errno::NOENT), Some(below)) => {
                    make_on_server(export, below, data)
                        .map_err(|errno| Fault::new("make", Path::new(device), errno))?;
                    attempt().map_err(fault)
                }
                (done, _) => done.map_err(fault),
            }
        }
        Thing::Bind { source, made } => {
            descend(&root(source)?, source, *made, &|_| Ok(()))
                .map_err(|errno| Fault::new("open", source, errno))?;
            rustix::mount::mount_bind(source, path)
                .map_err(|errno| Fault::new("mount", source, errno))?;
            // A bind mount takes no flags when it is made, but when it is changed.
            rustix::mount::mount_remount(path, MountFlags::BIND | flags, "").map_err(|errno| {
                let fault = Fault::new("set the flags of", path, errno);
                match rustix::mount::unmount(path, UnmountFlags::DETACH) {
                    Ok(()) => fault,
                    Err(errno) => Fault::new("set the flags of, or unmount,", path, errno),
                }
            })
        }
    }
}

/// Makes a directory below an export. The export is mounted for that, but nowhere: only this
/// process has it, by a descriptor, so that no other container sees the other shops for a moment.
fn make_on_server(export: &str, below: &str, data: &str) -> Result<(), Errno> {
    let context = rustix::mount::fsopen("nfs4", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_set_string(&context, "source", export)?;
    for word in data.split(',') {
        match word.split_once('=') {
            Some((name, value)) => rustix::mount::fsconfig_set_string(&context, name, value)?,
            None => rustix::mount::fsconfig_set_flag(&context, word)?,
        }
    }
    rustix::mount::fsconfig_create(&context)?;
    let mounted = rustix::mount::fsmount(
        &context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::empty(),
    )?;
    let top = rustix::fs::openat(&mounted, ".", FLAGS, Mode::empty())?;
    descend(&top, Path::new(below), usize::MAX, &|_| Ok(())).map(drop)
}

const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

fn root(path: &Path) -> Result<OwnedFd, Fault> {
    rustix::fs::openat(CWD, "/", FLAGS, Mode::empty())
        .map_err(|errno| Fault::new("open the root for", path, errno))
}

/// Opens `path` below `start`, name by name and never through a link, and makes those of its last
/// `made` names that are missing. `finish` is called for each that was made, now or by a child that
/// was killed before it could.
fn descend(
    start: &OwnedFd,
    path: &Path,
    made: usize,
    finish: &dyn Fn(&OwnedFd) -> Result<(), Errno>,
) -> Result<OwnedFd, Errno> {
    let names: Vec<_> = path
        .components()
        .filter(|part| matches!(part, Component::Normal(_)))
        .collect();
    let mut here = start
        .try_clone()
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    for (index, name) in names.iter().enumerate() {
        let name = name.as_os_str();
        let next = match rustix::fs::openat(&here, name, FLAGS, Mode::empty()) {
            Err(Errno::NOENT) if names.len() - index <= made => {
                match rustix::fs::mkdirat(&here, name, Mode::from_raw_mode(UNFINISHED)) {
                    // Another pod of the shop was faster.
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(errno),
                }
                rustix::fs::openat(&here, name, FLAGS, Mode::empty())?
            }
            opened => opened?,
        };
        // Set-group-ID comes from the parent and is not of our making.
        let unfinished = |mode: u32| mode & 0o5777 == UNFINISHED;
        if unfinished(rustix::fs::fstat(&next)?.st_mode) {
            finish(&next)?;
            let now = rustix::fs::fstat(&next)?.st_mode;
            if unfinished(now) {
                rustix::fs::fchmod(&next, Mode::from_raw_mode(0o755 | now & 0o2000))?;
            }
        }
        here = next;
    }
    Ok(here)
}

fn make_all(path: &Path, directories: &[Directory]) -> ChildResult {
    let top = rustix::fs::openat(CWD, path, FLAGS, Mode::empty())
        .map_err(|errno| Fault::new("open", path, errno))?;
    for directory in directories {
        let finish = |made: &OwnedFd| {
            let now = rustix::fs::fstat(made)?;
            // Asked for only where it changes something: an access point, or a server that squashes
            // root, refuses it.
            if (now.st_uid, now.st_gid) != (directory.uid, directory.gid) {
                rustix::fs::fchown(
                    made,
                    Some(Uid::from_raw(directory.uid)),
                    Some(Gid::from_raw(directory.gid)),
                )?;
            }
            // Last, as it says that all is done.
            rustix::fs::fchmod(made, Mode::from_raw_mode(directory.mode))
        };
        descend(&top, Path::new(&directory.path), usize::MAX, &finish)
            .map_err(|errno| Fault::new("make", &path.join(&directory.path), errno))?;
    }
    Ok(())
}

fn probe(path: &Path, write: bool) -> ChildResult {
    // Of all calls this one is never answered from the client's cache.
    rustix::fs::statfs(path).map_err(|errno| Fault::new("ask for the figures of", path, errno))?;
    let top = rustix::fs::openat(CWD, path, FLAGS, Mode::empty())
        .map_err(|errno| Fault::new("open", path, errno))?;
    let mut space = [MaybeUninit::uninit(); 4096];
    if let Some(Err(errno)) = RawDir::new(&top, &mut space).next() {
        return Err(Fault::new("list", path, errno));
    }
    if write {
        write_byte(&top).map_err(|errno| Fault::new("write to", &path.join(PROBE_FILE), errno))
    } else {
        Ok(())
    }
}

fn write_byte(top: impl AsFd) -> Result<(), Errno> {
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&top, PROBE_FILE, flags, Mode::from_raw_mode(0o600))?;
    // The shop can write here, too: nothing but a plain file is written to.
    let found = rustix::fs::statat(&top, PROBE_FILE, AtFlags::SYMLINK_NOFOLLOW)?;
    if rustix::fs::FileType::from_raw_mode(found.st_mode) != rustix::fs::FileType::RegularFile {
        return Err(Errno::EXIST);
    }
    rustix::io::pwrite(&file, b"1", 0)?;
    rustix::fs::fsync(&file)
}
