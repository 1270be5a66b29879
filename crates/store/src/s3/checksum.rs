//! Whether the bucket holds the bytes of a file.
//!
//! S3 says of most objects what their bytes were: the `ETag` is their MD5, and of an upload in
//! parts the MD5 of the parts' MD5s with their number. It is neither where the bucket encrypts with
//! KMS or with a customer's key, and some implementations make other tags; so a tag that differs is
//! only a reason to read the object. MD5 finds accidents and mistakes; against forgery, pods check
//! SHA-256.

use super::{Inner, body, multipart::part_size};
use crate::{Action, Holds, StoreError, Subject};
use md5::{Digest as _, Md5};
use std::{
    fmt::Write as _,
    fs::File,
    io::{self, Read as _},
    path::Path,
    sync::Arc,
};
use tokio::task::spawn_blocking;

pub(super) async fn holds(
    inner: &Arc<Inner>,
    subject: &Subject,
    key: &str,
    path: &Path,
) -> Result<Holds, StoreError> {
    let size = path
        .metadata()
        .map_err(|source| StoreError::Disk {
            path: path.to_owned(),
            source,
        })?
        .len();
    let Some(info) = inner
        .retry
        .run(subject, || inner.head(subject, key))
        .await?
    else {
        return Ok(Holds::Nothing);
    };
    if info.size != size {
        return Ok(Holds::Other);
    }
    let tag = info.etag.as_str().trim_matches('"').to_owned();
    let (file, said) = (path.to_owned(), tag.clone());
    let expected = spawn_blocking(move || expected(&file, size, &said))
        .await
        .unwrap_or_else(|panicked| Err(io::Error::other(panicked)));
    let expected = expected.map_err(|source| StoreError::Disk {
        path: path.to_owned(),
        source,
    })?;
    match expected {
        // A tag of another kind tells nothing, and the object has the name and the size that it
        // should have.
        None => Ok(Holds::Same),
        Some(expected) if expected == tag => Ok(Holds::Same),
        Some(_) => compare(inner, subject, key, path, size).await,
    }
}

/// The tag that an object of these bytes has, where `tag` is of the kind that is made of bytes: cut
/// into parts as we cut them.
fn expected(path: &Path, size: u64, tag: &str) -> io::Result<Option<String>> {
    let (digits, parts) = tag.split_once('-').map_or((tag, None), |(digits, parts)| {
        (digits, parts.parse::<u64>().ok())
    });
    if digits.len() != 32
        || !digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        || tag.contains('-') != parts.is_some()
    {
        return Ok(None);
    }
    let part = part_size(size);
    let mut file = File::open(path)?;
    match parts {
        None => Ok(Some(hex(&digest(&mut file, size)?))),
        Some(parts) if parts == size.div_ceil(part) => {
            let mut all = Md5::new();
            for at in (0..size).step_by(usize::try_from(part).unwrap_or(usize::MAX)) {
                all.update(digest(&mut file, part.min(size - at))?);
            }
            Ok(Some(format!("{}-{parts}", hex(&all.finalize().into()))))
        }
        Some(_) => Ok(None),
    }
}

fn digest(file: &mut File, length: u64) -> io::Result<[u8; 16]> {
    let (mut digest, mut rest, mut buffer) = (Md5::new(), file.take(length), vec![0; 128 << 10]);
    loop {
        match rest.read(&mut buffer)? {
            0 => return Ok(digest.finalize().into()),
            read => digest.update(&buffer[..read]),
        }
    }
}

fn hex(digest: &[u8; 16]) -> String {
    digest
        .iter()
        .fold(String::with_capacity(32), |mut text, byte| {
            // Nothing fails that is written into memory.
            write!(text, "{byte:02x}").ok();
            text
        })
}

/// Reads the object, as its tag is not that of the file's bytes.
async fn compare(
    inner: &Arc<Inner>,
    subject: &Subject,
    key: &str,
    path: &Path,
    size: u64,
) -> Result<Holds, StoreError> {
    let disk = |source| StoreError::Disk {
        path: path.to_owned(),
        source,
    };
    let reading = Subject {
        action: Action::Read,
        ..subject.clone()
    };
    let mut body = body::range(inner, reading, key.to_owned(), 0..size, None).await?;
    let mut file = File::open(path).map_err(disk)?;
    let mut ours = Vec::new();
    while let Some(piece) = body.next().await {
        let piece = match piece {
            Ok(piece) => piece,
            Err(StoreError::Short { .. } | StoreError::Replaced { .. }) => return Ok(Holds::Other),
            Err(error) => return Err(error),
        };
        ours.resize(piece.len(), 0);
        file.read_exact(&mut ours).map_err(disk)?;
        if ours != piece {
            return Ok(Holds::Other);
        }
    }
    Ok(Holds::Same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn tags_that_are_made_of_bytes_are_known() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"hello").unwrap();
        let of = |tag: &str, size| expected(file.path(), size, tag).unwrap();
        let md5 = "5d41402abc4b2a76b9719d911017c592";
        assert_eq!(of(&"0".repeat(32), 5).as_deref(), Some(md5));
        // The MD5 of the one part's MD5: printf hello | openssl md5 -binary | openssl md5
        assert_eq!(
            of(&format!("{}-1", "0".repeat(32)), 5).as_deref(),
            Some("62109206880d38a4010a98e11243924a-1")
        );
        for other in [
            "",
            "0x1234",
            "abc-def",
            &format!("{md5}-2"),
            &format!("{md5}-x"),
            &md5[1..],
        ] {
            assert_eq!(of(other, 5), None, "{other}");
        }
    }
}
