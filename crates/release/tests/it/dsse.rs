//! The envelope against the DSSE specification, and what it refuses.

use crate::made::{key, signed};
use release::{AttachError, Envelope, PublicKey, Reason, SecretKey, Sha256, limits};

/// protocol.md of DSSE 1.0.2, "Test Vectors". There the signature is r and s side by side; here it
/// is the same in DER.
const VECTOR: &str = r#"{"payload": "aGVsbG8gd29ybGQ=",
 "payloadType": "http://example.com/HelloWorld",
 "signatures": [{"sig": "MEQCIANyarEBrVbCdjtsaqyOSHJ14qeRk6CdxfhZ2fjvPEo7AiBR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="}]}"#;
const VECTOR_KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZ805D3eqNZywjCI19lInBJOp7YMr
CrzAH3CVTAOQ0jgMeCvVTiaRJaRPRDOv8UMs6U4SvKc6pnrIDOoSYI3fdA==
-----END PUBLIC KEY-----
";

#[test]
fn the_specification_s_vector_verifies() {
    let envelope = Envelope::parse(VECTOR.as_bytes()).unwrap();
    assert_eq!(envelope.payload(), b"hello world");
    assert_eq!(
        envelope.pae(),
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    );
    assert_eq!(
        envelope
            .signers(&[PublicKey::from_pem(VECTOR_KEY).unwrap()].into())
            .len(),
        1
    );
}

#[test]
fn lengths_in_the_pae_are_bytes() {
    assert_eq!(Envelope::new("", Vec::new()).pae(), b"DSSEv1 0  0 ");
    assert_eq!(
        Envelope::new("é", vec![0, 0xff]).pae(),
        b"DSSEv1 2 \xc3\xa9 2 \0\xff"
    );
}

#[test]
fn both_alphabets_are_read_with_and_without_padding() {
    for payload in ["+/A=", "+/A", "-_A=", "-_A"] {
        let json = format!(r#"{{"payloadType":"t","payload":"{payload}","signatures":[]}}"#);
        assert_eq!(
            Envelope::parse(json.as_bytes()).unwrap().payload(),
            b"\xfb\xf0",
            "{payload}"
        );
    }
}

#[test]
fn unknown_fields_are_ignored_and_an_empty_key_id_is_none() {
    let json = r#"{"payloadType":"t","payload":"","signatures":[{"sig":"AA==","keyid":"","cert":"x"},{"sig":"","keyid":"k"}],"more":[1]}"#;
    let envelope = Envelope::parse(json.as_bytes()).unwrap();
    let ids: Vec<_> = envelope
        .signatures()
        .iter()
        .map(|signature| signature.keyid.as_deref())
        .collect();
    assert_eq!(ids, [None, Some("k")]);
}

#[test]
fn malformed_envelopes_are_refused() {
    let many = format!(
        r#"{{"payloadType":"t","payload":"","signatures":[{}{{"sig":""}}]}}"#,
        r#"{"sig":""},"#.repeat(limits::SIGNATURES_LIMIT)
    );
    let huge = format!(
        r#"{{"payloadType":"t","payload":"{}","signatures":[]}}"#,
        "A".repeat(limits::ENVELOPE_LIMIT)
    );
    for (json, reason) in [
        ("", Reason::Envelope),
        ("null", Reason::Envelope),
        (r#"["t","",[]]"#, Reason::Envelope),
        (
            r#"{"payloadType":"t","payload":"","signatures":[["k",""]]}"#,
            Reason::Envelope,
        ),
        (
            r#"{"payloadType":"t","payload":"","signatures":{}}"#,
            Reason::Envelope,
        ),
        (r#"{"payloadType":"t","payload":""}"#, Reason::Envelope),
        (r#"{"payloadType":"t","signatures":[]}"#, Reason::Envelope),
        (r#"{"payload":"","signatures":[]}"#, Reason::Envelope),
        (
            r#"{"payloadType":"t","payload":"","signatures":[{"keyid":"k"}]}"#,
            Reason::Envelope,
        ),
        (
            r#"{"payloadType":"t","payload":"","payload":"","signatures":[]}"#,
            Reason::Envelope,
        ),
        (
            r#"{"payloadType":"t","payload":"","signatures":[{"sig":"","sig":""}]}"#,
            Reason::Envelope,
        ),
        (
            r#"{"payloadType":"t","payload":"","signatures":[]} x"#,
            Reason::Envelope,
        ),
        (
            r#"{"payloadType":"t","payload":"+_A=","signatures":[]}"#,
            Reason::Envelope,
        ),
        (
            r#"{"payloadType":"t","payload":"+/B=","signatures":[]}"#,
            Reason::Envelope,
        ),
        (
            r#"{"payloadType":"t","payload":"+/ A=","signatures":[]}"#,
            Reason::Envelope,
        ),
        (&many, Reason::TooLarge),
        (&huge, Reason::TooLarge),
    ] {
        assert_eq!(
            Envelope::parse(json.as_bytes()).unwrap_err().reason(),
            reason,
            "{}",
            &json[..json.len().min(80)]
        );
    }
}

#[test]
fn one_key_signs_once() {
    let envelope = signed(Envelope::new("t", b"p".to_vec()), &[1, 1, 2]);
    assert_eq!(envelope.signatures().len(), 2);
    assert_eq!(Envelope::parse(&envelope.to_json()).unwrap(), envelope);
}

#[test]
fn a_foreign_signature_is_attached_only_where_it_verifies() {
    let mut envelope = Envelope::new("t", b"p".to_vec());
    let key = key(1);
    let sign = |key: &SecretKey, bytes: &[u8]| key.sign(bytes).unwrap();
    let pae = envelope.pae();
    for (signature, says) in [
        (sign(&key, b"p"), "signs the payload alone"),
        (sign(&key, &[&*pae, b"\n"].concat()), "a newline after them"),
        (
            sign(&key, Sha256::digest(&pae).as_bytes()),
            "signs the SHA-256",
        ),
        (
            sign(&key, Sha256::digest(&pae).to_string().as_bytes()),
            "hexadecimal",
        ),
        (sign(&key, b"other"), "of another key or of other bytes"),
        (b"MEQCIANyarEB".to_vec(), "64 bytes"),
        (Vec::new(), "empty"),
    ] {
        let error = envelope
            .attach_checked(key.public(), &signature)
            .unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.reason(), Reason::Signature);
    }
    let good = sign(&key, &pae);
    assert_eq!(envelope.attach_checked(key.public(), &good), Ok(()));
    assert_eq!(
        envelope.attach_checked(key.public(), &good),
        Err(AttachError::Already(key.public().id()))
    );
    for _ in envelope.signatures().len()..limits::SIGNATURES_LIMIT {
        envelope.attach(None, Vec::new());
    }
    let other = crate::made::key(2);
    assert_eq!(
        envelope.attach_checked(other.public(), &sign(&other, &pae)),
        Err(AttachError::Full)
    );
}

#[test]
fn a_raw_ecdsa_signature_is_named_as_such() {
    let mut envelope = Envelope::parse(VECTOR.as_bytes()).unwrap();
    let key = PublicKey::from_pem(VECTOR_KEY).unwrap();
    for (signature, says) in [
        (vec![3; 64], "r and s side by side"),
        (vec![0x30; 70], "of another key"),
        (b"MEQC".to_vec(), "if it is base64"),
    ] {
        let error = envelope.attach_checked(&key, &signature).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}
