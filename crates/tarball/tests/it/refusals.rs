//! What is not packed or not unpacked, and how it is named.

use crate::{
    archive::{module, scratch},
    round::{noise, noisy_module, options, packed},
};
use release::Reason;
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    io::{self, Write},
    os::unix::{ffi::OsStrExt as _, fs::symlink, net::UnixListener},
    path::Path,
    process::Command,
    thread,
    time::Duration,
};
use tarball::{ChunkTarget, PackError, Unpacker, pack, scan};

/// Puts something into a module that cannot be packed.
type Make = Box<dyn Fn(&Path)>;

#[test]
fn what_cannot_be_packed_is_named() {
    let mkfifo = |at: &Path| assert!(Command::new("mkfifo").arg(at).status().unwrap().success());
    let rows: Vec<(&str, Make, Reason, &str)> = vec![
        (
            "FIFO",
            Box::new(move |d| mkfifo(&d.join("pipe"))),
            Reason::TypeForbidden,
            "pipe is a FIFO",
        ),
        (
            "socket",
            Box::new(|d| drop(UnixListener::bind(d.join("s")).unwrap())),
            Reason::TypeForbidden,
            "s is a socket",
        ),
        (
            "absolute link",
            Box::new(|d| symlink("/etc", d.join("l")).unwrap()),
            Reason::LinkEscape,
            "l is a link that leads to an absolute path",
        ),
        (
            "escaping link",
            Box::new(|d| symlink("../x", d.join("l")).unwrap()),
            Reason::LinkEscape,
            "l is a link that leads out of its module",
        ),
        (
            "escaping chain",
            Box::new(|d| {
                fs::create_dir(d.join("a")).unwrap();
                symlink("..", d.join("a/b")).unwrap();
                symlink("a/b/../x", d.join("l")).unwrap();
            }),
            Reason::LinkEscape,
            "l is a link that leads out of its module",
        ),
        (
            "loop",
            Box::new(|d| symlink("l", d.join("l")).unwrap()),
            Reason::LinkEscape,
            "l is a link whose chain does not end, or has over 40 links",
        ),
        (
            "control byte",
            Box::new(|d| fs::write(d.join("a\nb"), "").unwrap()),
            Reason::NameEncoding,
            "a\\nb",
        ),
        (
            "not UTF-8",
            Box::new(|d| fs::write(d.join(OsStr::from_bytes(b"a\xff")), "").unwrap()),
            Reason::NameEncoding,
            "is not UTF-8",
        ),
        (
            "deep",
            Box::new(|d| fs::create_dir_all(d.join("d/".repeat(65))).unwrap()),
            Reason::PathTooLong,
            "is deeper than 64 names",
        ),
    ];
    for (case, make, reason, says) in rows {
        let source = scratch();
        make(source.path());
        let error = scan(source.path(), &[]).expect_err(case);
        assert_eq!(error.reason(), reason, "{case}");
        let chain = format!(
            "{error} {}",
            std::error::Error::source(&error)
                .map(ToString::to_string)
                .unwrap_or_default()
        );
        assert!(chain.contains(says), "{case}: {chain}");
        let everything = scan(source.path(), &["**".to_owned()]).unwrap();
        assert!(
            everything.entries().is_empty(),
            "{case}: what is excluded may be anything"
        );
    }
    assert_eq!(
        scan(Path::new("/nowhere/at/all"), &[])
            .unwrap_err()
            .reason(),
        Reason::Config
    );
}

#[test]
fn what_is_excluded_is_left_out_with_everything_below() {
    let source = scratch();
    module(source.path());
    let exclude = ["app/code", "n*", "long-link"].map(str::to_owned);
    let kept: Vec<_> = scan(source.path(), &exclude)
        .unwrap()
        .entries()
        .iter()
        .map(|entry| entry.path.as_str().to_owned())
        .collect();
    assert_eq!(
        kept,
        [
            "app",
            "app/block",
            "app/empty",
            "app/hard",
            "app/stra\u{df}e \u{4f60}\u{597d} \u{1f6a2}",
            "app/up",
            "cron.sh",
            "dangling",
            "index.php",
            "link"
        ]
    );
}

#[test]
fn a_file_that_changed_since_the_scan_is_named() {
    type Change = fn(&Path);
    let changes: [Change; 5] = [
        |file| fs::write(file, "shorter").unwrap(),
        |file| fs::write(file, vec![b'y'; 10 << 20]).unwrap(),
        |file| {
            fs::OpenOptions::new()
                .append(true)
                .open(file)
                .unwrap()
                .write_all(b"more")
                .unwrap();
        },
        |file| fs::remove_file(file).unwrap(),
        |file| {
            fs::remove_file(file).unwrap();
            symlink("other", file).unwrap();
        },
    ];
    for size in [100, 10 << 20] {
        for (number, change) in changes.iter().enumerate() {
            let source = scratch();
            let file = source.path().join("changing");
            fs::write(&file, vec![b'x'; size]).unwrap();
            let scanned = scan(source.path(), &[]).unwrap();
            // So that the clock of the file system's times has moved on.
            thread::sleep(Duration::from_millis(12));
            change(&file);
            let error = pack(&scanned, &mut Vec::new(), options(2))
                .expect_err(&format!("change {number} of {size}"));
            assert!(
                matches!(&error, PackError::Changed { path } if *path == file),
                "{number} {size}: {error:?}"
            );
        }
    }
}

#[test]
fn a_full_disk_under_the_tarball_stops_all_threads() {
    #[derive(Debug)]
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self
                .0
                .checked_sub(bytes.len())
                .ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let source = scratch();
    noisy_module(source.path(), 800);
    fs::write(source.path().join("large"), noise(3, 20 << 20)).unwrap();
    let scanned = scan(source.path(), &[]).unwrap();
    for space in [0, 3 << 20, 30 << 20] {
        let error = pack(&scanned, &mut Full(space), options(3)).unwrap_err();
        assert!(
            matches!(&error, PackError::Write(source) if source.kind() == io::ErrorKind::StorageFull),
            "{error:?}"
        );
        assert_eq!(error.reason(), Reason::Disk);
    }
}

#[test]
fn a_disk_that_refuses_is_named() {
    let source = scratch();
    module(source.path());
    let (bytes, packed) = packed(source.path(), 1);
    let tree = scratch();
    let gone = tree.path().join("gone");
    assert_eq!(Unpacker::new(&gone).unwrap_err().reason(), Reason::Disk);
    fs::create_dir(&gone).unwrap();
    let unpacker = Unpacker::new(&gone).unwrap();
    fs::remove_dir(&gone).unwrap();
    let place = ChunkTarget {
        target: None,
        replaced: &BTreeSet::new(),
        last: true,
    };
    let error = unpacker
        .worker()
        .chunk(&bytes, &packed.chunks[0], &place)
        .unwrap_err();
    assert_eq!(error.reason(), Reason::Disk);
    assert!(
        error
            .to_string()
            .contains(gone.join("app").to_str().unwrap()),
        "{error}"
    );
}
