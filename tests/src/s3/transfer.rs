//! What goes out with an object and comes in with one: conditions, ranges, tags and checksums.

use super::{
    checksum::Expected,
    content::Content,
    memory::{Memory, Object, is},
};
use s3s::{
    S3Result, TrailingHeaders,
    dto::{ETag, ETagCondition, Range, StreamingBlob},
    s3_error,
};
use std::ops;

pub(super) fn etag(object: &Object) -> ETag {
    ETag::Strong(object.etag.clone())
}

pub(super) fn length(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Finds an object as GET and HEAD do: conditions first, then the range.
pub(super) fn find(
    memory: &Memory,
    (bucket, key): (&str, &str),
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
    range: Option<Range>,
) -> S3Result<(Object, ops::Range<u64>)> {
    memory.read(bucket, |bucket| {
        let object = bucket.object(key)?;
        if if_match.is_some_and(|wanted| !is(wanted, object)) {
            return Err(s3_error!(PreconditionFailed));
        }
        if if_none_match.is_some_and(|known| is(known, object)) {
            return Err(s3_error!(NotModified));
        }
        let all = 0..object.content.len();
        let range = range
            .map_or(Ok(all.clone()), |range| range.check(all.end))
            .map_err(|_| s3_error!(InvalidRange))?;
        Ok((object.clone(), range))
    })
}

/// Reads an uploaded body and compares its checksums.
pub(super) async fn receive(
    body: Option<StreamingBlob>,
    announced: Option<i64>,
    expected: Expected,
    trailing: Option<&TrailingHeaders>,
) -> S3Result<Content> {
    let announced = announced.and_then(|length| usize::try_from(length).ok());
    let Some(body) = body else {
        return Ok(Content::default());
    };
    let content = Content::read(body, announced.unwrap_or_default())
        .await
        .map_err(|_| s3_error!(IncompleteBody))?;
    expected.trailing(trailing).check(&content)?;
    Ok(content)
}

/// Collects the checksums of an input, whose type differs from operation to operation.
macro_rules! expected {
    ($input:expr) => {
        Expected {
            md5: $input.content_md5,
            sums: dto::Checksum {
                checksum_crc32: $input.checksum_crc32,
                checksum_crc32c: $input.checksum_crc32c,
                checksum_crc64nvme: $input.checksum_crc64nvme,
                checksum_sha1: $input.checksum_sha1,
                checksum_sha256: $input.checksum_sha256,
                checksum_type: None,
            },
        }
    };
}

pub(super) use expected;
