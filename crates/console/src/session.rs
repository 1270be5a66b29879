//! What the console remembers of a person is a cookie of that person's browser, sealed by a key
//! that all replicas have: it survives restarts, and nothing is stored.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fmt;

/// Bytes of a key: AES-256.
const KEY: usize = 32;
/// Keys of a file at most: each is tried for a cookie that none of them made.
const KEYS: usize = 8;
/// How long a session lasts: the groups of a person count for as long.
pub(crate) const SESSION: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);

/// What a sealed text is for: one of another purpose does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The session of a person.
    Session,
    /// A login that has begun.
    Login,
    /// A form that a page of the person's has.
    Form,
}

impl Purpose {
    const fn aad(self) -> &'static [u8] {
        match self {
            Self::Session => b"longshore-console/v1/session",
            Self::Login => b"longshore-console/v1/login",
            Self::Form => b"longshore-console/v1/form",
        }
    }
}

/// The keys: the first one seals, and all of them open.
pub(crate) struct Keys(Vec<RandomizedNonceKey>);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
}

impl Keys {
    /// Reads a file: a key a line, in base64.
    ///
    /// # Errors
    ///
    /// Says which line is no key, and never what is in it.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut keys = Vec::new();
        for (at, line) in lines.enumerate() {
            let wrong = || format!("line {}: expected {KEY} bytes in base64", at + 1);
            let bytes = STANDARD.decode(line).map_err(|_| wrong())?;
            keys.push(RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| wrong())?);
        }
        match keys.len() {
            0 => Err(format!("expected a key a line, each {KEY} bytes in base64")),
            1..=KEYS => Ok(Self(keys)),
            count => Err(format!("{count} keys; expected at most {KEYS}")),
        }
    }

    /// Seals a value, for addresses and cookies.
    pub(crate) fn seal(&self, purpose: Purpose, value: &impl Serialize) -> Option<String> {
        let mut text = serde_json::to_vec(value).ok()?;
        let key = self.0.first()?;
        let nonce = key.seal_in_place_append_tag(Aad::from(purpose.aad()), &mut text);
        let mut sealed = nonce.ok()?.as_ref().to_vec();
        sealed.append(&mut text);
        Some(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// What was sealed for this purpose, by one of the keys.
    pub(crate) fn open<T: DeserializeOwned>(&self, purpose: Purpose, text: &str) -> Option<T> {
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
        self.0.iter().find_map(|key| {
            let mut sealed = sealed.to_vec();
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let opened = key.open_in_place(nonce, Aad::from(purpose.aad()), &mut sealed);
            serde_json::from_slice(opened.ok()?).ok()
        })
    }
}

/// A person who is logged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// The name in Kubernetes, with its prefix.
    pub(crate) user: String,
    /// The groups, each with its prefix.
    pub(crate) groups: Vec<String>,
    /// Until when it counts, whatever the person does.
    pub(crate) until: Timestamp,
}

impl Session {
    /// The session that a cookie bears, if it still counts.
    pub(crate) fn open(keys: &Keys, cookie: &str, now: Timestamp) -> Option<Self> {
        let session: Self = keys.open(Purpose::Session, cookie)?;
        (now < session.until).then_some(session)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A key of this byte.
    pub(crate) fn key(byte: u8) -> String {
        STANDARD.encode([byte; KEY])
    }

    pub(crate) fn keys(bytes: &[u8]) -> Keys {
        let lines: Vec<_> = bytes.iter().map(|byte| key(*byte)).collect();
        Keys::read(&lines.join("\n")).unwrap()
    }

    fn anna() -> Session {
        Session {
            user: "oidc:anna".to_owned(),
            groups: vec!["oidc:shops".to_owned()],
            until: "2026-12-01T13:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_session_ends_and_no_byte_of_it_can_be_changed() {
        let keys = keys(&[1]);
        let cookie = keys.seal(Purpose::Session, &anna()).unwrap();
        let at = |time: &str| Session::open(&keys, &cookie, time.parse().unwrap());
        assert_eq!(at("2026-12-01T12:59:59Z"), Some(anna()));
        assert_eq!(at("2026-12-01T13:00:00Z"), None);
        let now = "2026-12-01T12:00:00Z".parse().unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(&cookie).unwrap();
        for index in 0..bytes.len() {
            let mut forged = bytes.clone();
            forged[index] ^= 1;
            let forged = URL_SAFE_NO_PAD.encode(forged);
            assert_eq!(Session::open(&keys, &forged, now), None, "byte {index}");
        }
        for short in ["", "AAAA", "\u{e9}", &cookie[..cookie.len() - 4]] {
            assert_eq!(Session::open(&keys, short, now), None, "{short}");
        }
    }

    #[test]
    fn what_was_sealed_for_something_else_is_no_session() {
        let keys = keys(&[1]);
        for purpose in [Purpose::Login, Purpose::Form] {
            let text = keys.seal(purpose, &anna()).unwrap();
            assert_eq!(keys.open::<Session>(Purpose::Session, &text), None);
            assert_eq!(keys.open::<Session>(purpose, &text), Some(anna()));
        }
    }

    #[test]
    fn keys_change_one_after_the_other_and_sessions_go_on() {
        let old = keys(&[1]).seal(Purpose::Session, &anna()).unwrap();
        let opens = |bytes: &[u8]| {
            keys(bytes)
                .open::<Session>(Purpose::Session, &old)
                .is_some()
        };
        assert!(opens(&[2, 1]) && opens(&[1, 2]));
        assert!(!opens(&[2]));
        let new = keys(&[2, 1]).seal(Purpose::Session, &anna()).unwrap();
        assert!(keys(&[2]).open::<Session>(Purpose::Session, &new).is_some());
    }

    #[test]
    fn two_seals_of_the_same_differ() {
        let keys = keys(&[1]);
        let seal = || keys.seal(Purpose::Session, &anna());
        assert_ne!(seal(), seal());
    }

    #[test]
    fn a_file_without_keys_is_refused_and_not_shown() {
        let short = STANDARD.encode([1; 31]);
        for (text, said) in [
            ("", "expected a key a line"),
            ("secret", "line 1"),
            (&*format!("{}\n\n{short}", key(1)), "line 2"),
            (&*vec![key(1); 9].join("\n"), "9 keys"),
        ] {
            let error = Keys::read(text).unwrap_err();
            assert!(error.contains(said), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
