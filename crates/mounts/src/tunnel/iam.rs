//! How the agent identifies itself to EFS: by a request signed with its IAM credentials, in an
//! extension of the client certificate. The bytes are those of efs-utils; AWS documents neither.
//!
//! ```text
//!  SEQUENCE {
//!      UTF8String access key's id, OCTET STRING signature in hexadecimal digits,
//!      UTCTime, [0] EXPLICIT UTF8String session token
//!  }
//! ```
//!
//! The signature (SigV4, in a query) is over `Action=Connect` for the file system and the hash of
//! the agent's public key, so that whoever sees the signature cannot use it without the key. Pure.

use super::der::{self, Tag};
use aws_lc_rs::{
    digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest},
    hmac,
};
use jiff::{Timestamp, tz::TimeZone};
use std::{fmt, fmt::Write as _, future::Future, pin::Pin, time::SystemTime};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "elasticfilesystem";
const TERMINATOR: &str = "aws4_request";
/// Seconds for which EFS takes the signature: a day.
const EXPIRES: &str = "86400";
const SIGNED_HEADERS: &str = "host";

/// Credentials of AWS at one moment.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// The access key's id, which is no secret.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// Of a session, as an assumed role has it.
    pub session_token: Option<String>,
    /// Until when it is taken.
    pub expires: Option<SystemTime>,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Where credentials come from: the pod's identity.
pub trait Credentials: fmt::Debug + Send + Sync {
    /// Those of now; in words why there are none.
    fn now(&self) -> Pin<Box<dyn Future<Output = Result<AccessKey, String>> + Send + '_>>;
}

/// The hash of a public key by which certificates and EFS name it (RFC 5280, section 4.2.1.2): of
/// the bits of its `BIT STRING`.
pub(super) fn key_hash(public_key: &[u8]) -> Vec<u8> {
    digest(&SHA1_FOR_LEGACY_USE_ONLY, public_key)
        .as_ref()
        .to_vec()
}

/// Who asks EFS for what, and when.
pub(super) struct Request<'a> {
    pub(super) file_system: &'a str,
    pub(super) region: &'a str,
    pub(super) key_hash: &'a [u8],
    pub(super) at: Timestamp,
}

impl Request<'_> {
    /// The value of the extension.
    pub(super) fn signed_by(&self, key: &AccessKey) -> Vec<u8> {
        let mut fields = der::value(Tag::Utf8String, key.id.as_bytes());
        fields.extend(der::value(Tag::OctetString, self.signature(key).as_bytes()));
        fields.extend(der::value(
            Tag::UtcTime,
            self.date("%y%m%d%H%M%SZ").as_bytes(),
        ));
        if let Some(token) = &key.session_token {
            fields.extend(der::value(
                Tag::Explicit0,
                &der::value(Tag::Utf8String, token.as_bytes()),
            ));
        }
        der::value(Tag::Sequence, &fields)
    }

    fn signature(&self, key: &AccessKey) -> String {
        let mut signing = format!("AWS4{}", key.secret).into_bytes();
        for part in [
            self.date("%Y%m%d").as_str(),
            self.region,
            SERVICE,
            TERMINATOR,
        ] {
            signing = sign(&signing, part);
        }
        hex(&sign(&signing, &self.string_to_sign(key)))
    }

    fn string_to_sign(&self, key: &AccessKey) -> String {
        let request = hex(digest(&SHA256, self.canonical_request(key).as_bytes()).as_ref());
        format!(
            "{ALGORITHM}\n{}\n{}\n{request}",
            self.date("%Y%m%dT%H%M%SZ"),
            self.scope()
        )
    }

    fn canonical_request(&self, key: &AccessKey) -> String {
        let token = key
            .session_token
            .as_ref()
            .map_or_else(String::new, |token| {
                format!("&X-Amz-Security-Token={}", encoded(token))
            });
        let query = format!(
            "Action=Connect&PublicKeyHash={}&X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={}&\
             X-Amz-Date={}&X-Amz-Expires={EXPIRES}{token}&X-Amz-SignedHeaders={SIGNED_HEADERS}",
            hex(self.key_hash),
            encoded(&format!("{}/{}", key.id, self.scope())),
            self.date("%Y%m%dT%H%M%SZ"),
        );
        // Without the empty line that SigV4 has after the headers: as EFS expects it.
        format!(
            "GET\n/\n{query}\nhost:{}\n{SIGNED_HEADERS}\n{}",
            self.file_system,
            hex(digest(&SHA256, b"").as_ref())
        )
    }

    fn scope(&self) -> String {
        format!(
            "{}/{}/{SERVICE}/{TERMINATOR}",
            self.date("%Y%m%d"),
            self.region
        )
    }

    fn date(&self, format: &str) -> String {
        self.at.to_zoned(TimeZone::UTC).strftime(format).to_string()
    }
}

fn sign(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
        .as_ref()
        .to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // A String takes everything.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}

/// As a value of a query.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            all.push(char::from(byte));
        } else {
            write!(all, "%{byte:02X}").unwrap_or_default();
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // What efs-utils 3.2.0 makes of the same: create_canonical_request, create_string_to_sign,
    // calculate_signature, and efs_client_auth_builder through `openssl asn1parse -genconf`. The
    // key's hash is of a key of 3072 bits that was made for this.
    const KEY_HASH: &str = "7b7b9abb69ed4a67a0114da53653d26c3b5e1205";
    const ID: &str = "AKIAIOSFODNN7EXAMPLE";
    const CANONICAL: &str = "GET\n/\nAction=Connect&PublicKeyHash=7b7b9abb69ed4a67a0114da53653d26c3b5e1205&\
         X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260131%\
         2Feu-central-1%2Felasticfilesystem%2Faws4_request&X-Amz-Date=20260131T123456Z&\
         X-Amz-Expires=86400&X-Amz-SignedHeaders=host\nhost:fs-0123456789abcdef0\nhost\n\
         e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const TO_SIGN: &str = "AWS4-HMAC-SHA256\n20260131T123456Z\n20260131/eu-central-1/\
                           elasticfilesystem/aws4_request\n\
                           f6162e9797bddcc21c94dbb08df262cb6eb4f47609a3b425ee859d602d779dbe";
    const EXTENSION: &str = "30670c14414b4941494f53464f444e4e374558414d504c4504406532656331616637333665356134393735393139316637303731633935306635\
        62373533316531653861643736633835383434376632383835393462336438631\
        70d3236303133313132333435365a";
    const TO_SIGN_OF_SESSION: &str =
        "9c884c37162d547d6b24ee403b60243186e282a077def572723b015124474e27";
    // Up to the token's own bytes.
    const EXTENSION_OF_SESSION: &str = "3082021d0c14414b4941494f53464f444e4e374558414d504c450440663535343432336432613665353933343138666131373037383766373432\
        663033663530643565353966396562306532653066303664643533333737376134\
        65170d3236303133313132333435365aa08201b20c8201ae";

    fn bytes(hex: &str) -> Vec<u8> {
        hex.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    fn key(session_token: Option<String>) -> AccessKey {
        AccessKey {
            id: ID.to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            session_token,
            expires: None,
        }
    }

    #[test]
    fn each_step_is_what_efs_utils_makes_of_the_same() {
        let hash = bytes(KEY_HASH);
        let at = "2026-01-31T12:34:56Z".parse().unwrap();
        let request = Request {
            file_system: "fs-0123456789abcdef0",
            region: "eu-central-1",
            key_hash: &hash,
            at,
        };
        let plain = key(None);
        assert_eq!(request.canonical_request(&plain), CANONICAL);
        assert_eq!(request.string_to_sign(&plain), TO_SIGN);
        assert_eq!(
            request.signature(&plain),
            "e2ec1af736e5a49759191f7071c950f5b7531e1e8ad76c858447f288594b3d8c"
        );
        assert_eq!(hex(&request.signed_by(&plain)), EXTENSION);
        // With a token of a role, whose lengths need more than one byte.
        let token = format!("IQoJb3JpZ2luX2VjEXAMPLE/+abc=={}", "x".repeat(400));
        let session = key(Some(token.clone()));
        assert!(
            request
                .string_to_sign(&session)
                .ends_with(TO_SIGN_OF_SESSION)
        );
        assert_eq!(
            request.signature(&session),
            "f554423d2a6e593418fa170787f742f03f50d5e59f9eb0e2e0f06dd533777a4e"
        );
        assert_eq!(
            hex(&request.signed_by(&session)),
            format!("{EXTENSION_OF_SESSION}{}", hex(token.as_bytes()))
        );
    }

    #[test]
    fn a_secret_is_in_no_debug_output() {
        let shown = format!("{:?}", key(Some("token-of-a-session".to_owned())));
        assert!(
            shown.contains(ID) && !shown.contains("wJalr") && !shown.contains("token-of"),
            "{shown}"
        );
    }
}
