//! Every kind of error of a real PHP is one event: right in its class and how bad it is, of the
//! same group in two releases, and without what is a secret.
//!
//! `tests/stand-in/errors/record.py` made the corpus beside it, with PHP 8.2 of Debian 12 and PHP
//! 7.4 of Debian 11: it has a php-fpm run each script of `kinds/` in two releases. Here it does the
//! same with the PHP of this machine.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails there, also inside a function that it calls"
)]

use observe::{Event, RECORD, Record, Records, Severity, Source};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const ERRORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/stand-in/errors");

/// Kind, severity and class, these and the frames in PHP 7.4 if they differ, and the frames.
type Row = (
    &'static str,
    Severity,
    &'static str,
    Option<(Severity, &'static str, &'static [&'static str])>,
    &'static [&'static str],
);

const KINDS: &[Row] = {
    use Severity::{Error, Fatal, Notice, Warning};
    const CART: &str = "Shop\\Cart::refuse";
    &[
        (
            "anonymous",
            Fatal,
            "Exception@anonymous",
            Some((Fatal, "class@anonymous", &["class@anonymous::go"])),
            &[],
        ),
        ("closure", Fatal, "Shop\\Oops", None, &[CART, "array_map"]),
        ("compile", Fatal, "Fatal error", None, &[]),
        ("deprecated", Notice, "Deprecated", None, &[]),
        ("error-log", Warning, "error_log", None, &[]),
        ("fatal", Fatal, "Error", None, &[]),
        ("interceptor", Fatal, "Shop\\Oops", None, &[CART]),
        ("junk", Warning, "error_log", None, &[]),
        ("long", Warning, "error_log", None, &[]),
        ("max-time", Fatal, "Fatal error", None, &[]),
        ("memory", Fatal, "Fatal error", None, &[]),
        ("monolog", Error, "Shop\\Oops", None, &[CART]),
        ("monolog-lines", Error, "Shop\\Oops", None, &[CART]),
        ("multi-line", Warning, "error_log", None, &[]),
        ("notice", Notice, "Notice", None, &[]),
        ("output", Notice, "output", None, &[]),
        ("parse", Fatal, "Parse error", None, &[]),
        (
            "previous",
            Fatal,
            "Shop\\Oops",
            None,
            &[CART, "Shop\\Cart::wrap"],
        ),
        ("report-json", Fatal, "Report", None, &[CART]),
        ("report-serialized", Fatal, "Report", None, &[CART]),
        ("segfault", Fatal, "SIGSEGV", None, &[]),
        ("slow", Notice, "Slow request", None, &["usleep", "waits"]),
        ("timeout", Fatal, "Timeout", None, &[]),
        ("uncaught", Fatal, "Shop\\Oops", None, &[CART]),
        (
            "undefined",
            Warning,
            "Warning",
            Some((Notice, "Notice", &[])),
            &[],
        ),
        ("user-error", Fatal, "Fatal error", None, &[]),
        ("warning", Warning, "Warning", None, &[]),
        ("zend-log", Error, "Shop\\Oops", None, &[CART]),
    ]
};

fn source(file: &str) -> Source {
    match file {
        "php" => Source::Php,
        "php-fpm" => Source::Fpm,
        "slow" => Source::Slow,
        "log" => Source::Log,
        "report" => Source::Report,
        other => panic!("{other}"),
    }
}

/// The events of a file, read in pieces of that many bytes.
fn events(path: &Path, piece: usize) -> Vec<Event> {
    let name = path.file_name().unwrap().to_str().unwrap();
    let source = source(name.split('.').rev().nth(1).unwrap());
    let bytes = fs::read(path).unwrap();
    let mut found = Vec::new();
    if source == Source::Report {
        found.push(Record { bytes, cut: false });
    } else {
        let mut records = Records::new(source);
        for piece in bytes.chunks(piece) {
            records.take(piece, |record| found.push(record));
        }
        records.end(|record| found.push(record));
    }
    let all = found.iter();
    all.filter_map(|record| Event::from_record(source, record))
        .collect()
}

fn files(directory: &Path, kind: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.split('.').next() == Some(kind)
        })
        .collect();
    files.sort();
    files
}

#[track_caller]
fn check(directory: &Path, is_old: bool) -> Vec<(&'static str, String)> {
    let mut fingerprints = Vec::new();
    for (kind, severity, class, old, frames) in KINDS {
        let (severity, class, frames) =
            old.filter(|_| is_old).unwrap_or((*severity, class, frames));
        let files = files(directory, kind);
        // A message of a megabyte is not kept in the corpus.
        if files.is_empty() && *kind == "long" {
            continue;
        }
        let found: Vec<_> = files.iter().flat_map(|path| events(path, 1000)).collect();
        let whole: Vec<_> = files
            .iter()
            .flat_map(|path| events(path, usize::MAX))
            .collect();
        assert_eq!(found, whole, "{kind}");
        assert_eq!(found.len(), 2, "{kind}: {found:#?}");
        for event in &found {
            assert_eq!(
                (event.severity, event.class.as_str()),
                (severity, class),
                "{kind}: {event:#?}"
            );
            assert_eq!(event.frames, frames, "{kind}: {event:#?}");
            let text = &event.text;
            for secret in ["hunter2", "shop.example", "token=secret"] {
                assert!(!text.contains(secret), "{kind}: {text}");
            }
            assert_eq!(event.cut, *kind == "long", "{kind}");
            assert!(text.len() <= 4 * RECORD);
        }
        assert_eq!(
            found[0].fingerprint, found[1].fingerprint,
            "{kind}: {found:#?}"
        );
        fingerprints.push((*kind, found[0].fingerprint.to_string()));
    }
    fingerprints
}

fn corpus(version: &str) -> PathBuf {
    Path::new(ERRORS).join("corpus").join(version)
}

#[test]
fn every_kind_of_the_corpus_is_one_event_and_one_group() {
    let (new, old) = (check(&corpus("8.2"), false), check(&corpus("7.4"), true));
    // An error that PHP says alike is one group in both.
    let alike = new.iter().filter(|kind| old.contains(kind)).count();
    assert!(alike * 4 > new.len() * 3, "{new:#?} {old:#?}");
    let mut different: Vec<_> = new.iter().map(|(_, fingerprint)| fingerprint).collect();
    different.sort();
    different.dedup();
    // The same exception is one group, whether PHP writes it, Monolog or Zend_Log. A closure more
    // is not.
    assert!(different.len() >= new.len() - 9, "{new:#?}");
}

#[test]
fn the_php_of_this_machine_writes_what_is_in_the_corpus() {
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("errors");
    fs::remove_dir_all(&out).ok();
    let status = Command::new("python3")
        .arg(Path::new(ERRORS).join("record.py"))
        .arg("/usr/sbin/php-fpm8.2")
        .arg(&out)
        .status()
        .unwrap();
    assert!(status.success());
    let mut found = check(&out, false);
    assert!(found.iter().any(|(kind, _)| *kind == "long"));
    found.retain(|(kind, _)| *kind != "long");
    assert_eq!(found, check(&corpus("8.2"), false));
}
