//! Other programs read what we write. A tool that is missing fails the test: what is not tried is
//! not known.

use crate::archive::{expected, module, scratch, snapshot};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tarball::{Kind, PackOptions, Source, pack, scan};

/// A tarball of several chunks, and what was packed.
fn packed(scratch: &Path) -> (Source, PathBuf, PathBuf) {
    let (source, file) = (scratch.join("module"), scratch.join("module.tar.zst"));
    module(&source);
    for number in 0..3_u8 {
        fs::write(
            source.join(format!("filler{number}")),
            vec![number; 2 << 20],
        )
        .unwrap();
    }
    let scanned = scan(&source, &[]).unwrap();
    let packed = pack(
        &scanned,
        &mut fs::File::create(&file).unwrap(),
        PackOptions::default(),
    )
    .unwrap();
    assert!(packed.chunks.len() > 1);
    (scanned, source, file)
}

fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} must be installed for this test: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.stderr.is_empty(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn gnu_tar_with_zstd_extracts_the_same_tree() {
    let scratch = scratch();
    let (_, source, file) = packed(scratch.path());
    let tree = scratch.path().join("tree");
    fs::create_dir(&tree).unwrap();
    run(Command::new("tar")
        .arg("--zstd")
        .arg("-xpf")
        .arg(&file)
        .arg("-C")
        .arg(&tree));
    assert_eq!(snapshot(&tree), expected(&source));
}

#[test]
fn the_zstd_tool_finds_every_frame_sound() {
    let scratch = scratch();
    let (_, _, file) = packed(scratch.path());
    run(Command::new("zstd").arg("-q").arg("-t").arg(&file));
}

/// Lists and extracts with Python's `tarfile`.
const PYTHON: &str = r#"
import sys, tarfile
with tarfile.open(sys.argv[1], "r:") as tar:
    for m in tar:
        kind = "file" if m.isreg() else "directory" if m.isdir() else "link" if m.issym() else "other"
        print(m.name, kind, m.size, oct(m.mode), m.mtime, m.uid, m.gid, repr(m.uname + m.gname), m.linkname, sep="|")
    tar.extractall(sys.argv[2])
"#;

#[test]
fn python_tarfile_reads_the_same_entries() {
    let scratch = scratch();
    let (scanned, source, file) = packed(scratch.path());
    let (plain, tree) = (
        scratch.path().join("plain.tar"),
        scratch.path().join("tree"),
    );
    fs::create_dir(&tree).unwrap();
    run(Command::new("zstd")
        .args(["-q", "-d"])
        .arg(&file)
        .arg("-o")
        .arg(&plain));
    let listed = run(Command::new("python3")
        .args(["-W", "ignore", "-X", "utf8", "-c", PYTHON])
        .arg(&plain)
        .arg(&tree));
    let expected_tree = expected(&source);
    let lines: Vec<String> = scanned
        .entries()
        .iter()
        .map(|entry| {
            let (mode, mtime, _) = &expected_tree[entry.path.as_str()];
            let (kind, size, target) = match &entry.kind {
                Kind::File { size, .. } => ("file", *size, ""),
                Kind::Directory => ("directory", 0, ""),
                Kind::Link { target } => ("link", 0, target.as_str()),
            };
            format!(
                "{}|{kind}|{size}|{:#o}|{mtime}|0|0|''|{target}",
                entry.path,
                mode & 0o7777
            )
        })
        .collect();
    assert_eq!(listed.lines().collect::<Vec<_>>(), lines);
    let mut extracted = snapshot(&tree);
    // Python does not set the times of links.
    extracted
        .values_mut()
        .filter(|(mode, ..)| mode & 0o170_000 == 0o120_000)
        .for_each(|(_, mtime, _)| *mtime = 1_000_000_000);
    assert_eq!(extracted, expected_tree);
}

#[test]
fn the_tar_crate_reads_the_same_entries() {
    let scratch = scratch();
    let (scanned, _, file) = packed(scratch.path());
    let mut archive =
        tar::Archive::new(zstd::stream::read::Decoder::new(fs::File::open(file).unwrap()).unwrap());
    let paths: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            String::from_utf8(entry.unwrap().path_bytes().into_owned())
                .unwrap()
                .trim_end_matches('/')
                .to_owned()
        })
        .collect();
    assert_eq!(
        paths,
        scanned
            .entries()
            .iter()
            .map(|entry| entry.path.as_str().to_owned())
            .collect::<Vec<_>>()
    );
}
