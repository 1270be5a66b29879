//! What a pull may cost, in counts that are the same on every machine: requests, bytes, system
//! calls. Seconds are for `make bench`.
//!
//! A bound has a tenth of slack over what was counted when it was set. Who makes a pull cheaper
//! lowers it; who makes one dearer says in the commit why it is worth that.
//! `tests/tests/allocations.rs` does the same for memory.

use e2e::{
    peers,
    process::{Outcome, Program},
    s3::{Options, Server},
    shop::Shop,
};
use std::{ffi::OsString, fs};

const MODULES: usize = 6;
const FILES: usize = 500;

/// The most that a pull of the shop may take: 3,000 files, 14 MB in 6 modules, 2.4 MB packed.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    requests: u64,
    /// Bytes from the server, with headers.
    bytes: u64,
    /// Calls that touch files, directories or links, of the whole process, for each file of the
    /// shop.
    calls_per_file: f64,
}

const COLD: Bounds = Bounds {
    requests: 10,
    bytes: 2_660_000,
    calls_per_file: 5.2,
};
/// 2 % of the files of one module are others than before.
const UPDATE: Bounds = Bounds {
    requests: 5,
    bytes: 341_000,
    calls_per_file: 3.6,
};
/// Most of the calls read the system's certificates (150 of them on Debian), of which other
/// machines have more.
const WARM: Bounds = Bounds {
    requests: 1,
    bytes: 200,
    calls_per_file: 0.5,
};

/// System calls that change or ask file systems. Others, such as those that wait, depend on how
/// threads happen to meet; `fcntl` is what Rust asks before each `close` in a debug build.
const CALLS: [&str; 24] = [
    "close",
    "copy_file_range",
    "fallocate",
    "fchmod",
    "fchmodat",
    "fdatasync",
    "fstat",
    "fsync",
    "ftruncate",
    "getdents64",
    "io_uring_enter",
    "linkat",
    "lseek",
    "mkdirat",
    "newfstatat",
    "openat",
    "openat2",
    "pwrite64",
    "renameat",
    "statx",
    "symlinkat",
    "unlinkat",
    "utimensat",
    "write",
];

#[test]
fn pulls_stay_within_their_bounds() {
    let server = Server::start(Options::default()).unwrap();
    let shop = Shop::on(&server, MODULES, FILES);
    shop.publish();
    let mut excess = Vec::new();
    let mut pull = |what: &str, bounds: Bounds| {
        server.reset_stats();
        let calls = calls(&shop);
        let stats = server.stats();
        #[allow(clippy::cast_precision_loss, reason = "some thousands")]
        let calls = calls as f64 / (MODULES * FILES) as f64;
        println!(
            "{what}: {} requests, {} bytes, {calls:.2} calls for each file",
            stats.total(),
            stats.bytes_sent
        );
        if stats.total() > bounds.requests
            || stats.bytes_sent > bounds.bytes
            || calls > bounds.calls_per_file
        {
            excess.push(format!(
                "{what}: {} requests, {} bytes, {calls:.2} calls; {bounds:?}",
                stats.total(),
                stats.bytes_sent
            ));
        }
    };
    pull("cold", COLD);
    pull("warm", WARM);
    assert!(!shop.edit(1, 1, 0.02).is_empty());
    shop.publish();
    pull("update", UPDATE);
    assert!(
        excess.is_empty(),
        "dearer than the bounds allow:\n{}",
        excess.join("\n")
    );
}

/// Pulls, and counts the calls in [`CALLS`].
fn calls(shop: &Shop) -> u64 {
    let counts = shop.path("strace");
    let arguments: [OsString; 5] = [
        "-f".into(),
        "-c".into(),
        "-o".into(),
        counts.clone().into(),
        e2e::process::binary("longshore-init").into(),
    ];
    let outcome: Outcome = Program::new(peers::required("strace"))
        .args(arguments)
        .envs(shop.pod_environment("pod"))
        .run();
    outcome.expect(0);
    // "% time  seconds  usecs/call  calls  errors  syscall", where there may be no errors.
    let table = fs::read_to_string(&counts).unwrap();
    let rows = table.lines().filter_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        CALLS
            .contains(words.last()?)
            .then(|| words.get(3)?.parse::<u64>().ok())
            .flatten()
    });
    let calls: Vec<u64> = rows.collect();
    assert!(!calls.is_empty(), "no table: {table}");
    calls.iter().sum()
}
