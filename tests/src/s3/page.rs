//! `ListObjectsV2` on the buckets in memory.

use super::{
    listing::{Query, list},
    memory::Memory,
    transfer::{etag, length},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::{S3Response, S3Result, dto};

/// Characters that `encoding-type=url` leaves as they are.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');
/// The most entries of one page of a listing, by S3's documentation.
pub(super) const PAGE: i32 = 1000;

/// One page of a listing, as S3 answers.
pub(super) fn page(
    memory: &Memory,
    input: &dto::ListObjectsV2Input,
) -> S3Result<S3Response<dto::ListObjectsV2Output>> {
    let max_keys = input.max_keys.unwrap_or(PAGE).clamp(0, PAGE);
    let query = Query {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref(),
        after: input
            .continuation_token
            .as_deref()
            .or(input.start_after.as_deref()),
        limit: usize::try_from(max_keys).unwrap_or_default(),
    };
    let encoded = input.encoding_type.is_some();
    let shown = |key: &str| {
        if encoded {
            utf8_percent_encode(key, KEPT).to_string()
        } else {
            key.to_owned()
        }
    };
    memory.read(&input.bucket, |bucket| {
        let page = list(&bucket.objects, query);
        let count = page.objects.len() + page.prefixes.len();
        let contents = page.objects.iter().map(|(key, object)| dto::Object {
            key: Some(shown(key)),
            size: Some(length(object.content.len())),
            e_tag: Some(etag(object)),
            last_modified: Some(object.modified.into()),
            ..Default::default()
        });
        Ok(S3Response::new(dto::ListObjectsV2Output {
            contents: Some(contents.collect()),
            common_prefixes: Some(
                page.prefixes
                    .iter()
                    .map(|prefix| dto::CommonPrefix {
                        prefix: Some(shown(prefix)),
                    })
                    .collect(),
            ),
            key_count: i32::try_from(count).ok(),
            max_keys: Some(max_keys),
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next,
            name: Some(input.bucket.clone()),
            prefix: input.prefix.as_deref().map(shown),
            delimiter: input.delimiter.as_deref().map(shown),
            continuation_token: input.continuation_token.clone(),
            start_after: input.start_after.as_deref().map(shown),
            encoding_type: input.encoding_type.clone(),
            ..Default::default()
        }))
    })
}
