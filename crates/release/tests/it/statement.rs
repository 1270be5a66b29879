//! The release statement: its exact bytes, and what is refused although it is signed.

use crate::made::{release, signed, trusted};
use release::{ChannelName, Envelope, Reason, Release, limits};
use serde_json::{Value, json};

fn statement() -> Value {
    serde_json::from_slice(release(8).to_envelope().unwrap().payload()).unwrap()
}

fn verdict(payload: &str) -> Result<Release, Reason> {
    let envelope = signed(
        Envelope::new(release::RELEASE_PAYLOAD_TYPE, payload.as_bytes().to_vec()),
        &[1],
    );
    trusted(1, &[1], 1)
        .verify_release(&envelope)
        .map(release::Verified::into_inner)
        .map_err(|error| error.reason())
}

#[test]
fn the_payload_is_this_text() {
    let payload = String::from_utf8(release(8).to_envelope().unwrap().payload().to_vec()).unwrap();
    let statement = r#"{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"manifest.json","digest":{"sha256":"DIGEST"}}],"#;
    let predicate = r#""predicateType":"https://longshore.dev/release/v1","predicate":{"channel":"shops/acme","sequence":8,"#;
    let rest = r#""created":"2026-03-01T12:00:00Z","expires":"2026-06-01T12:00:00Z","rootVersion":1,"migration":"none","manifest":{"size":8}}}"#;
    assert_eq!(
        payload,
        [statement, predicate, rest]
            .concat()
            .replace("DIGEST", &release(8).manifest.to_string())
    );
}

#[test]
fn what_is_written_is_read() {
    for release in [
        release(8),
        Release {
            expires: None,
            ..release(1)
        },
    ] {
        assert_eq!(
            Release::unverified(&release.to_envelope().unwrap()).unwrap(),
            release
        );
    }
}

#[test]
fn fields_that_only_in_toto_knows_are_ignored() {
    let mut more = statement();
    more["annotations"] = json!({"a": 1});
    more["subject"][0]["uri"] = json!("https://example.com");
    more["subject"][0]["digest"]["sha512"] = json!("00");
    assert_eq!(verdict(&more.to_string()), Ok(release(8)));
}

#[test]
fn signed_nonsense_is_refused() {
    let subject = statement()["subject"][0].clone();
    for (pointer, value) in [
        ("/_type", json!("https://in-toto.io/Statement/v0.1")),
        ("/predicateType", json!("https://longshore.dev/release/v2")),
        ("/subject", json!([])),
        ("/subject", json!([subject, subject])),
        (
            "/subject/0",
            json!(["x", {"sha256": subject["digest"]["sha256"]}]),
        ),
        ("/subject/0/digest", json!({"sha512": "00"})),
        ("/subject/0/digest/sha256", json!("00")),
        ("/predicate", json!([])),
        ("/predicate/channel", json!("../x")),
        ("/predicate/sequence", json!(0)),
        ("/predicate/sequence", json!(8.0)),
        ("/predicate/sequence", json!("8")),
        ("/predicate/sequence", json!(1_u64 << 53)),
        ("/predicate/created", json!("2026-03-01")),
        ("/predicate/created", json!("2026-03-01T12:00:00+01:00")),
        ("/predicate/expires", json!(null)),
        ("/predicate/expires", json!("2026-03-01T12:00:00Z")),
        ("/predicate/rootVersion", json!(0)),
        ("/predicate/migration", json!("maybe")),
        ("/predicate/migration", json!({"none": null})),
        ("/predicate/manifest", json!(8)),
        ("/predicate/manifest/size", json!(0)),
        (
            "/predicate/manifest/size",
            json!(limits::MANIFEST_LIMIT + 1),
        ),
        ("/predicate/manifest", json!({"size": 8, "gzip": true})),
    ] {
        let mut changed = statement();
        *changed.pointer_mut(pointer).unwrap() = value.clone();
        assert_eq!(
            verdict(&changed.to_string()),
            Err(Reason::Statement),
            "{pointer} {value}"
        );
    }
    let text = statement().to_string();
    for (from, to) in [
        (r#""sequence":8"#, r#""sequence":8,"sequence":9"#),
        (r#""sequence":8"#, r#""sequence":8,"notBefore":9"#),
        ("{", ""),
    ] {
        assert_eq!(
            verdict(&text.replacen(from, to, 1)),
            Err(Reason::Statement),
            "{to}"
        );
    }
}

#[test]
fn the_payload_type_is_part_of_what_is_signed() {
    let envelope = release(8).to_envelope().unwrap();
    let other = signed(
        Envelope::new("application/json", envelope.payload().to_vec()),
        &[1],
    );
    assert_eq!(
        trusted(1, &[1], 1)
            .verify_release(&other)
            .unwrap_err()
            .reason(),
        Reason::Statement
    );
    let swapped = String::from_utf8(signed(envelope, &[1]).to_json())
        .unwrap()
        .replace("vnd.in-toto+json", "vnd.in-toto+xml");
    let swapped = Envelope::parse(swapped.as_bytes()).unwrap();
    assert_eq!(
        trusted(1, &[1], 1)
            .verify_release(&swapped)
            .unwrap_err()
            .reason(),
        Reason::Signature
    );
}

#[test]
fn the_longest_release_fits_what_a_kms_signs() {
    let channel: ChannelName = "c".repeat(128).parse().unwrap();
    let longest = Release {
        channel,
        sequence: release::Sequence::LAST,
        root_version: limits::NUMBER_LIMIT,
        migration: release::Migration::Breaking,
        manifest_size: limits::MANIFEST_LIMIT as u64,
        ..release(1)
    };
    assert!(longest.to_envelope().unwrap().pae().len() < 1024);
    let padded =
        statement()
            .to_string()
            .replacen('{', &format!("{{{}", " ".repeat(limits::PAE_LIMIT)), 1);
    assert_eq!(verdict(&padded), Err(Reason::TooLarge));
}

#[test]
fn a_release_that_could_not_be_read_is_not_written() {
    for bad in [
        Release {
            root_version: 0,
            ..release(1)
        },
        Release {
            manifest_size: 0,
            ..release(1)
        },
        Release {
            expires: Some(release(1).created),
            ..release(1)
        },
    ] {
        assert_eq!(bad.to_envelope().unwrap_err().reason(), Reason::Statement);
    }
}
