//! The manifest: what is read, and each contradiction that is refused.

use crate::made::{release, verified};
use release::{Chunk, Manifest, Migration, Module, Reason, Release, Sha256, Verified, limits};
use serde_json::{Value, json};

pub(crate) fn chunk(name: &str, size: u64, unpacked: u64, entries: u64) -> Chunk {
    Chunk {
        sha256: Sha256::digest(name.as_bytes()),
        size,
        unpacked,
        entries,
    }
}

pub(crate) fn module(name: &str, chunks: Vec<Chunk>) -> Module {
    Module {
        name: name.parse().unwrap(),
        version: "1.0".parse().unwrap(),
        target: None,
        sha256: Sha256::digest(name.as_bytes()),
        size: chunks.iter().map(|chunk| chunk.size).sum(),
        chunks,
        replaced: Vec::new(),
    }
}

fn manifest() -> Manifest {
    Manifest {
        schema: Manifest::SCHEMA,
        modules: vec![
            module(
                "core",
                vec![chunk("a", 700, 4096, 3), chunk("b", 600, 3072, 2)],
            ),
            module("empty", vec![chunk("end", 30, limits::TAR_END, 0)]),
        ],
        files: 4,
        bytes: 2000,
        shared: vec!["media".parse().unwrap()],
        writable: vec![release::Writable {
            path: "var/cache".parse().unwrap(),
            keep: false,
        }],
        php: Some(release::Php {
            version: "8.2".to_owned(),
            warm: Vec::new(),
        }),
        migration: Migration::None,
        case_sensitive: false,
    }
}

/// The manifest with the value at `pointer` replaced.
fn changed(pointer: &str, value: Value) -> Vec<u8> {
    let mut json = serde_json::to_value(manifest()).unwrap();
    *json.pointer_mut(pointer).unwrap() = value;
    json.to_string().into_bytes()
}

#[test]
fn what_is_written_is_read() {
    let bytes = manifest().to_json();
    assert_eq!(Manifest::parse(&bytes).unwrap(), manifest());
    assert_eq!(Manifest::parse(&bytes).unwrap().to_json(), bytes);
    assert!(bytes.ends_with(b"}\n"));
}

#[test]
fn names_that_differ_in_case_are_said_only_where_there_are_such() {
    let sensitive = Manifest {
        case_sensitive: true,
        ..manifest()
    };
    assert!(
        !String::from_utf8(manifest().to_json())
            .unwrap()
            .contains("caseSensitive"),
        "older readers read it"
    );
    assert_eq!(Manifest::parse(&sensitive.to_json()).unwrap(), sensitive);
}

#[test]
fn contradictions_are_refused() {
    let other_sizes =
        json!({"sha256": Sha256::digest(b"a"), "size": 31, "unpacked": 1024, "entries": 0});
    for (pointer, value, says) in [
        ("/schema", json!(2), "schema 2"),
        ("/modules", json!([]), "no modules"),
        ("/modules/0/name", json!("empty"), "not sorted"),
        ("/modules/0/name", json!("zebra"), "not sorted"),
        ("/modules/0/name", json!("../x"), "not a manifest"),
        ("/modules/0/chunks", json!([]), "no chunks"),
        ("/modules/0/chunks/0", json!([1, 2, 3, 4]), "not a manifest"),
        ("/modules/0/size", json!(1301), "its chunks have 1300 bytes"),
        ("/modules/0/chunks/0/unpacked", json!(4095), "whole blocks"),
        (
            "/modules/0/chunks/0/unpacked",
            json!(u64::MAX),
            "whole blocks",
        ),
        (
            "/modules/0/chunks/0/unpacked",
            json!(1024),
            "3 entries do not fit",
        ),
        (
            "/modules/0/chunks/0/entries",
            json!(9),
            "9 entries do not fit",
        ),
        (
            "/modules/0/chunks/0/entries",
            json!(0),
            "0 entries do not fit",
        ),
        ("/modules/0/chunks/0/size", json!(0), "expected 9 to"),
        (
            "/modules/0/chunks/0/size",
            json!(10_000),
            "expected 9 to 5136",
        ),
        ("/modules/1/chunks/0/unpacked", json!(512), "do not fit"),
        ("/modules/1/chunks/0/unpacked", json!(1536), "do not fit"),
        ("/modules/1/chunks/0", other_sizes, "other sizes elsewhere"),
        ("/files", json!(6), "6 files"),
        ("/bytes", json!(8193), "8193 bytes do not fit"),
        ("/files", json!(-1), "not a manifest"),
        ("/shared", json!(["media", "media"]), "not sorted"),
        ("/shared", json!(["/media"]), "not a manifest"),
        (
            "/shared",
            json!(["media", "var/cache"]),
            "both shared and writable",
        ),
        (
            "/writable",
            json!([{"path": "b"}, {"path": "a"}]),
            "not sorted",
        ),
        ("/writable/0", json!(["a", true]), "not a manifest"),
        ("/php/version", json!("eight"), "php.version"),
        ("/php", json!(["8.2"]), "not a manifest"),
        ("/migration", json!("some"), "not a manifest"),
    ] {
        let error = Manifest::parse(&changed(pointer, value)).unwrap_err();
        assert!(error.to_string().contains(says), "{pointer}: {error}");
        assert_eq!(error.reason(), Reason::Manifest, "{pointer}");
    }
    let mut replaced = manifest();
    replaced.modules[1].replaced = vec!["a".parse().unwrap()];
    assert!(
        replaced
            .validate()
            .unwrap_err()
            .to_string()
            .contains("1 paths are replaced")
    );
}

#[test]
fn unknown_repeated_and_null_fields_are_refused() {
    let text = String::from_utf8(manifest().to_json()).unwrap();
    for to in [
        r#""files": 4, "files": 4"#,
        r#""files": 4, "more": 1"#,
        r#""files": null"#,
    ] {
        assert!(
            Manifest::parse(text.replacen(r#""files": 4"#, to, 1).as_bytes()).is_err(),
            "{to}"
        );
    }
    for null in [
        r#""name": "core", "target": null"#,
        r#""name": "core", "replaced": null"#,
    ] {
        let with = text.replacen(r#""name": "core""#, null, 1);
        assert!(
            with != text && Manifest::parse(with.as_bytes()).is_err(),
            "{null}"
        );
    }
    // Another schema may have other fields: what matters is which.
    let later = text.replacen(r#""schema": 1"#, r#""schema": 3, "more": 1"#, 1);
    assert!(
        Manifest::parse(later.as_bytes())
            .unwrap_err()
            .to_string()
            .starts_with("manifest has schema 3")
    );
}

#[test]
fn a_huge_manifest_is_not_parsed() {
    assert_eq!(
        Manifest::parse(&vec![b' '; limits::MANIFEST_LIMIT + 1])
            .unwrap_err()
            .reason(),
        Reason::TooLarge
    );
}

fn release_of(bytes: &[u8], migration: Migration) -> Verified<Release> {
    verified(
        1,
        &Release {
            manifest: Sha256::digest(bytes),
            manifest_size: bytes.len() as u64,
            migration,
            ..release(1)
        },
    )
    .1
}

#[test]
fn a_release_opens_only_its_own_manifest() {
    let bytes = manifest().to_json();
    let release = release_of(&bytes, Migration::None);
    assert_eq!(release.read_manifest(&bytes).unwrap(), manifest());
    for damaged in [
        &bytes[..bytes.len() - 1],
        &[&*bytes, b"\n"].concat(),
        &[b"[", &bytes[1..]].concat(),
        b"",
    ] {
        assert_eq!(
            release.read_manifest(damaged).unwrap_err().reason(),
            Reason::Digest
        );
    }
    let error = release_of(&bytes, Migration::Breaking)
        .read_manifest(&bytes)
        .unwrap_err();
    assert_eq!(
        (error.reason(), error.to_string().as_str()),
        (
            Reason::Manifest,
            "manifest: migration is none, the release says breaking"
        )
    );
}
