//! What a kept tarball came to, in a file that says which fingerprint it belongs to and shows when
//! it is damaged. Pure.

use release::{Chunk, Sha256};
use serde::{Deserialize, Serialize};
use tarball::Packed;

/// Version of the record that this code writes, and the only one it reads.
const SCHEMA: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    schema: u32,
    fingerprint: Sha256,
    sha256: Sha256,
    size: u64,
    files: u64,
    bytes: u64,
    chunks: Vec<Chunk>,
}

/// The text of a record: a line with the digest of what follows, then JSON.
///
/// # Errors
///
/// Never for what was packed; JSON itself may refuse, and that is not hidden.
pub(super) fn write(fingerprint: &Sha256, packed: &Packed) -> Result<Vec<u8>, serde_json::Error> {
    let Packed {
        sha256,
        size,
        files,
        bytes,
        chunks,
    } = packed.clone();
    let record = Record {
        schema: SCHEMA,
        fingerprint: *fingerprint,
        sha256,
        size,
        files,
        bytes,
        chunks,
    };
    let json = serde_json::to_vec(&record)?;
    let mut text = format!("{}\n", Sha256::digest(&json)).into_bytes();
    text.extend(json);
    Ok(text)
}

/// Reads a record that must be of this fingerprint.
///
/// # Errors
///
/// Says what is wrong with it.
pub(super) fn read(fingerprint: &Sha256, text: &[u8]) -> Result<Packed, String> {
    let line = text
        .iter()
        .position(|&byte| byte == b'\n')
        .ok_or("its record is cut short")?;
    let (digest, json) = (&text[..line], &text[line + 1..]);
    if digest != Sha256::digest(json).to_string().as_bytes() {
        return Err("its record is damaged".to_owned());
    }
    let record: Record = serde_json::from_slice(json)
        .map_err(|error| format!("its record is not usable: {error}"))?;
    if (record.schema, record.fingerprint) != (SCHEMA, *fingerprint) {
        return Err("its record belongs to another entry".to_owned());
    }
    let Record {
        sha256,
        size,
        files,
        bytes,
        chunks,
        ..
    } = record;
    Ok(Packed {
        sha256,
        size,
        chunks,
        files,
        bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back_and_every_damage_shows() {
        let chunk = Chunk {
            sha256: Sha256::digest(b"chunk"),
            size: 7,
            unpacked: 1024,
            entries: 1,
        };
        let packed = Packed {
            sha256: Sha256::digest(b"tarball"),
            size: 7,
            chunks: vec![chunk],
            files: 1,
            bytes: 3,
        };
        let (mine, other) = (Sha256::digest(b"mine"), Sha256::digest(b"other"));
        let text = write(&mine, &packed).unwrap();
        assert_eq!(read(&mine, &text).unwrap(), packed);
        assert_eq!(
            read(&other, &text).unwrap_err(),
            "its record belongs to another entry"
        );
        for at in 0..text.len() {
            let mut damaged = text.clone();
            damaged[at] ^= 1;
            assert!(read(&mine, &damaged).is_err(), "byte {at}");
            assert!(read(&mine, &text[..at]).is_err(), "cut at {at}");
        }
    }
}
