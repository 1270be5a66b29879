//! JSON that has one reading: objects where objects are meant, no key twice, times in one form.
//!
//! serde takes a JSON array for a struct, its values in the order of the fields. Another reader
//! would refuse that, and two readers of signed data must not differ, so each struct is read
//! through [`Object`].

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, MapAccess, Visitor, value::MapAccessDeserializer},
};
use std::{fmt, marker::PhantomData};

/// A `T` that was written as a JSON object.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Only<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Only<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(Only(PhantomData))
    }
}

/// Reads one document, which is an object.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice::<Object<T>>(bytes).map(|object| object.0)
}

/// Writes one document of strings, numbers, arrays and objects: indented by two spaces, fields in
/// the order of the struct, one newline at the end.
pub(crate) fn write<T: Serialize>(document: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(document)
        .expect("a document without maps and floats always serialises");
    bytes.push(b'\n');
    bytes
}

/// Reads a field that is an object; for `deserialize_with`.
pub(crate) fn one<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Object::deserialize(deserializer).map(|object| object.0)
}

/// Reads a field that is an object where it is present; for `deserialize_with` beside `default`.
pub(crate) fn optional<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    one(deserializer).map(Some)
}

/// Reads a field that is a `T` where it is present, so that `null` is not absence; for
/// `deserialize_with` beside `default`.
pub(crate) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads a field that is an array of objects; for `deserialize_with`.
pub(crate) fn list<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Vec::<Object<T>>::deserialize(deserializer)
        .map(|list| list.into_iter().map(|object| object.0).collect())
}

/// Times in the one form `2026-01-31T12:00:00Z`, with at most nine digits of fraction.
pub(crate) mod time {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de};

    /// The time, or `None` if `text` is of another form (jiff itself takes many).
    pub(crate) fn parse(text: &str) -> Option<Timestamp> {
        let (whole, rest) = text.split_at_checked(19)?;
        let shape = whole
            .bytes()
            .zip(b"0000-00-00T00:00:00")
            .all(|(byte, &like)| match like {
                b'0' => byte.is_ascii_digit(),
                _ => byte == like,
            });
        let fraction = rest.strip_suffix('Z')?;
        let digits = fraction.strip_prefix('.');
        let fraction = fraction.is_empty()
            || digits.is_some_and(|digits| {
                (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
            });
        if shape && fraction {
            text.parse().ok()
        } else {
            None
        }
    }

    pub(crate) fn serialize<S: Serializer>(
        time: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| {
            de::Error::invalid_value(
                de::Unexpected::Str(&text),
                &"a UTC time such as 2026-01-31T12:00:00Z",
            )
        })
    }

    /// The same for a field that may be absent.
    pub(crate) mod optional {
        use super::{Deserializer, Serializer, Timestamp};

        #[expect(clippy::ref_option, reason = "the signature that serde's `with` calls")]
        pub(crate) fn serialize<S: Serializer>(
            time: &Option<Timestamp>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match time {
                Some(time) => super::serialize(time, serializer),
                None => serializer.serialize_none(),
            }
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Timestamp>, D::Error> {
            super::deserialize(deserializer).map(Some)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_is_not_an_object() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Pair {
            a: u8,
            #[serde(default, deserialize_with = "optional")]
            b: Option<Inner>,
        }
        #[derive(Debug, Deserialize)]
        struct Inner {
            c: u8,
        }
        let pair: Pair = read(br#"{"a": 1, "b": {"c": 2}}"#).unwrap();
        assert_eq!((pair.a, pair.b.unwrap().c), (1, 2));
        assert!(read::<Pair>(br#"{"a": 1}"#).unwrap().b.is_none());
        for bad in [
            "[1]",
            r#"{"a":1,"b":[2]}"#,
            r#"{"a":1,"b":null}"#,
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"d":1}"#,
            r#"{"a":1} {}"#,
            "",
            "{",
        ] {
            assert!(read::<Pair>(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_have_one_form() {
        for good in [
            "2026-01-31T12:00:00Z",
            "2026-01-31T12:00:00.5Z",
            "2026-01-31T12:00:00.123456789Z",
        ] {
            assert_eq!(time::parse(good).unwrap().to_string(), good);
        }
        for bad in [
            "",
            "2026-01-31",
            "2026-01-31T12:00:00",
            "2026-01-31t12:00:00z",
            "2026-01-31T12:00:00+00:00",
            "2026-02-30T12:00:00Z",
            "2026-01-31T12:00:00.Z",
            "2026-01-31T12:00:00.1234567890Z",
            "2026-01-31 12:00:00Z",
            "2026-01-31T12:00:0éZ",
        ] {
            assert_eq!(time::parse(bad), None, "{bad}");
        }
    }
}
