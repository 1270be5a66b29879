//! Keys: what openssl makes is read, what we write has one form, and everything else is named for
//! what it is.

use crate::made::key;
use release::{Algorithm, KeyError, PublicKey, Reason, SecretKey};

// Made with `openssl genpkey` (see tests/golden/README.md); signatures over "hello" by `openssl
// dgst -sha256 -sign` and `openssl pkeyutl -sign -rawin`, of openssl 3.0.
const P256_KEY: &str = include_str!("../../../../tests/golden/v1/ci.key");
const P256_PUB: &str = include_str!("../../../../tests/golden/v1/ci.pub");
const P256_SIGNATURE: &str = "MEUCIQCtwB4Qq1MUJOJjQHvUI1MBqq2KNYkssULW07VzmJcR2wIgWq2zTzGcGElh5t5bOuqIcn9KBFXdWYCx1vAX8Fu8ASw=";
const ED25519_KEY: &str = include_str!("../../../../tests/golden/v1/second.key");
const ED25519_PUB: &str = include_str!("../../../../tests/golden/v1/second.pub");
const ED25519_SIGNATURE: &str =
    "9EnuLe82bVTKVCQLxtq13Lc2ENFv1Yh1TTmevaLUMjtg9iFkyoHhI2bD38CgkvoDqRNnnn2UppIi6DTLK+OkBQ==";

/// `P256_PUB` with its point compressed, by `openssl pkey -pubout -ec_conv_form compressed`.
const COMPRESSED: &str = "-----BEGIN PUBLIC KEY-----
MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgADhUgqdssP9+jnDZZr9b5HrwaAB2nm
v04HsS5E4MilsN4=
-----END PUBLIC KEY-----
";
const P384: &str = "-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEeo7Us5ZFuwXp7dYPlwbJcZqCEB/F0TWk
/SzKQ0tVu6mEobe9aC1fuJPkYhBQGkDDntmM3ooQN19Eu2gjNbQ6sbaQGKhZ66xU
iP+CirQd+1CLR+zIPn6UpBiVEVMvGXNA
-----END PUBLIC KEY-----
";

fn base64(text: &str) -> Vec<u8> {
    base64::Engine::decode(&base64::prelude::BASE64_STANDARD, text).unwrap()
}

#[test]
fn keys_and_signatures_of_openssl_are_read() {
    for (secret, public, signature, algorithm) in [
        (P256_KEY, P256_PUB, P256_SIGNATURE, Algorithm::EcdsaP256),
        (
            ED25519_KEY,
            ED25519_PUB,
            ED25519_SIGNATURE,
            Algorithm::Ed25519,
        ),
    ] {
        let (secret, parsed) = (
            SecretKey::from_pem(secret).unwrap(),
            PublicKey::from_pem(public).unwrap(),
        );
        assert_eq!((secret.public(), parsed.algorithm()), (&parsed, algorithm));
        assert_eq!(parsed.to_pem(), public);
        assert!(parsed.verify(b"hello", &base64(signature)));
        assert!(!parsed.verify(b"hellO", &base64(signature)));
        assert!(parsed.verify(b"own", &secret.sign(b"own").unwrap()));
    }
}

#[test]
fn keys_are_written_as_openssl_writes_them() {
    for text in [P256_KEY, ED25519_KEY] {
        assert_eq!(SecretKey::from_pem(text).unwrap().to_pem().unwrap(), text);
    }
}

#[test]
fn a_new_key_is_read_back() {
    for algorithm in [Algorithm::EcdsaP256, Algorithm::Ed25519] {
        let key = SecretKey::generate(algorithm).unwrap();
        assert_eq!(
            SecretKey::from_pem(&key.to_pem().unwrap())
                .unwrap()
                .public(),
            key.public()
        );
        assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
    }
}

#[test]
fn secrets_are_not_shown() {
    let key = key(7);
    assert_eq!(
        format!("{key:?}"),
        format!(
            "SecretKey(of PublicKey(ed25519 {}))",
            key.public().id().short()
        )
    );
}

#[test]
fn what_is_not_a_public_key_is_named() {
    let off_curve = P256_PUB.replace("STZKJrJ", "STZKJrK");
    let two = P256_PUB.repeat(2);
    let cut = P256_PUB.replace("-----END PUBLIC KEY-----", "");
    for (text, says) in [
        ("", "found none"),
        ("hello", "found none"),
        (
            P256_KEY,
            "found \"PRIVATE KEY\"; make the public half with `openssl pkey -pubout`",
        ),
        (&two, "found several"),
        (COMPRESSED, "uncompressed point"),
        (P384, "not an ECDSA P-256 key"),
        (&off_curve, "not on the curve"),
        (
            "-----BEGIN PUBLIC KEY-----\nAAAA*\n-----END PUBLIC KEY-----\n",
            "damaged",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "openssl x509",
        ),
        (&"x".repeat(20_000), "16 KiB"),
        (&cut, "found none"),
    ] {
        let error = PublicKey::from_pem(text).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.reason(), Reason::Key);
    }
}

#[test]
fn what_is_not_a_private_key_is_named_with_the_way_out() {
    let block = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    for (text, says) in [
        (block("EC PRIVATE KEY"), "openssl pkcs8 -topk8 -nocrypt"),
        (
            block("EC PARAMETERS") + &block("EC PRIVATE KEY"),
            "openssl pkcs8 -topk8 -nocrypt",
        ),
        (
            block("ENCRYPTED PRIVATE KEY"),
            "decrypt it with `openssl pkcs8`",
        ),
        (
            block("ENCRYPTED SIGSTORE PRIVATE KEY"),
            "longshore release attach",
        ),
        (
            block("PRIVATE KEY"),
            "not an ECDSA P-256 or Ed25519 private key",
        ),
        (P256_PUB.to_owned(), "found \"PUBLIC KEY\""),
    ] {
        let error = SecretKey::from_pem(&text).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    assert!(matches!(
        "rsa".parse::<Algorithm>(),
        Err(KeyError::Algorithm(_))
    ));
}
