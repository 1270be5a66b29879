//! The checksums that a client sends with its bytes, in headers or after the body.

use super::content::Content;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use s3s::{
    S3Result, TrailingHeaders,
    checksum::ChecksumHasher,
    crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256},
    dto::Checksum,
    s3_error,
};

/// What the bytes must add up to, each in base64.
#[derive(Debug, Default)]
pub(super) struct Expected {
    pub(super) md5: Option<String>,
    pub(super) sums: Checksum,
}

impl Expected {
    /// Adds what came after the body, which has been read to its end.
    pub(super) fn trailing(mut self, headers: Option<&TrailingHeaders>) -> Self {
        let sums = &mut self.sums;
        let fields = [
            ("x-amz-checksum-crc32", &mut sums.checksum_crc32),
            ("x-amz-checksum-crc32c", &mut sums.checksum_crc32c),
            ("x-amz-checksum-crc64nvme", &mut sums.checksum_crc64nvme),
            ("x-amz-checksum-sha1", &mut sums.checksum_sha1),
            ("x-amz-checksum-sha256", &mut sums.checksum_sha256),
        ];
        for (name, field) in fields {
            let value = headers.and_then(|headers| {
                headers.read(|map| Some(map.get(name)?.to_str().ok()?.to_owned()))
            });
            *field = value.flatten().or_else(|| field.take());
        }
        self
    }

    /// Compares.
    pub(super) fn check(&self, content: &Content) -> S3Result<()> {
        if self
            .md5
            .as_ref()
            .is_some_and(|md5| *md5 != STANDARD.encode(content.md5()))
        {
            return Err(s3_error!(BadDigest));
        }
        let sums = &self.sums;
        let mut hasher = ChecksumHasher {
            crc32: sums.checksum_crc32.as_ref().map(|_| Crc32::new()),
            crc32c: sums.checksum_crc32c.as_ref().map(|_| Crc32c::new()),
            sha1: sums.checksum_sha1.as_ref().map(|_| Sha1::new()),
            sha256: sums.checksum_sha256.as_ref().map(|_| Sha256::new()),
            crc64nvme: sums.checksum_crc64nvme.as_ref().map(|_| Crc64Nvme::new()),
        };
        for piece in content.pieces() {
            hasher.update(piece);
        }
        let found = hasher.finalize();
        let same = found.checksum_crc32 == sums.checksum_crc32
            && found.checksum_crc32c == sums.checksum_crc32c
            && found.checksum_crc64nvme == sums.checksum_crc64nvme
            && found.checksum_sha1 == sums.checksum_sha1
            && found.checksum_sha256 == sums.checksum_sha256;
        same.then_some(()).ok_or_else(|| s3_error!(BadDigest))
    }
}
