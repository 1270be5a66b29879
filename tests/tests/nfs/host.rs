//! Outside of the guest.

use crate::guest::{MARK, PASSED};
use e2e::process::Program;
use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long a guest may take, from power on to power off; longer than it gives itself.
const LIFE: Duration = Duration::from_mins(6);
/// How much of a log is shown where a test fails.
const SHOWN: usize = 20_000;
/// The guest's memory. It is a file that is mapped, and as large as what the guest has used of it.
const MEMORY: &str = "mem=512M";
/// What its kernel needs on some processors.
const XSTATE: &str = include_str!("xstate.c");

/// Boots a guest that runs `test` and nothing else.
///
/// # Panics
///
/// The test fails in there, or there is no guest.
#[track_caller]
pub(crate) fn boot(test: &str) {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("nfs")
        .join(test.replace("::", "-"));
    if out.exists() {
        fs::remove_dir_all(&out).unwrap();
    }
    fs::create_dir_all(&out).unwrap();
    let linux = find("linux.uml");
    // Guests leave their memory and sockets there.
    let scratch = e2e::shop::scratch();
    let guest = Program::new(linux)
        .args([
            "root=/dev/root",
            "rootfstype=hostfs",
            "rootflags=/",
            "ro",
            MEMORY,
            "con=null",
            "con0=null,fd:1",
            "quiet",
            "panic=-1",
        ])
        .arg(format!("uml_dir={}/", scratch.path().display()))
        .arg(format!("{MARK}={}", out.display()))
        // What the kernel does not know becomes a variable of the first process, as this does.
        .arg("PATH=/usr/sbin:/usr/bin:/sbin:/bin")
        .arg(format!("init={}", env::current_exe().unwrap().display()))
        .args([
            "--",
            "--exact",
            test,
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env("TMPDIR", scratch.path())
        .env("LD_PRELOAD", preload(&out))
        .deadline(LIFE)
        .run();
    // How the kernel ends afterwards says nothing about the scenario: in one of some hundred guests
    // it aborts while it halts.
    let passed = fs::read_to_string(out.join("verdict")).is_ok_and(|verdict| verdict == PASSED);
    // Figures for people, shown with --nocapture.
    println!(
        "{test}: {:.0?}\n{}",
        guest.elapsed,
        fs::read_to_string(out.join("notes")).unwrap_or_default()
    );
    assert!(
        passed,
        "{test} failed in its guest, which ended with {:?} after {:.0?}\n--- console\n{}{}",
        guest.ended,
        guest.elapsed,
        tail(&guest.stdout),
        logs(&out)
    );
}

/// Compiles it, in a tenth of a second and by what Rust links with. Not into memory, which some
/// machines mount without the right to run it.
fn preload(directory: &Path) -> PathBuf {
    let library = directory.join("xstate.so");
    let flags = [
        "-std=c11",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-shared",
        "-fPIC",
        "-Wl,-z,now",
        "-x",
        "c",
        "-",
        "-o",
    ];
    Program::new("cc")
        .args(flags)
        .arg(&library)
        .input(XSTATE)
        .run()
        .expect(0);
    library
}

fn find(program: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file());
    found.unwrap_or_else(|| {
        panic!(
            "{program} is not installed: run `make test-nfs`, or install Debian's user-mode-linux"
        )
    })
}

fn logs(out: &Path) -> String {
    let mut files: Vec<_> = fs::read_dir(out)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let logs = files
        .iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "log"));
    let shown = |file: &PathBuf| {
        format!(
            "--- {}\n{}",
            file.display(),
            tail(&String::from_utf8_lossy(&fs::read(file).unwrap()))
        )
    };
    logs.map(shown).collect::<Vec<_>>().concat()
}

fn tail(text: &str) -> &str {
    let mut start = text.len().saturating_sub(SHOWN);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}
