//! What a request asks for, read from its line and headers before the S3 service sees it.

use hyper::{HeaderMap, Method, Uri, header::AUTHORIZATION};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The S3 operations that this server knows, as they are counted and as faults name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is the S3 operation of that name")]
pub enum Operation {
    GetObject,
    HeadObject,
    PutObject,
    DeleteObject,
    DeleteObjects,
    ListObjectsV2,
    CreateMultipartUpload,
    UploadPart,
    CompleteMultipartUpload,
    AbortMultipartUpload,
    ListParts,
    ListMultipartUploads,
    CreateBucket,
    HeadBucket,
    ListBuckets,
    /// Anything else.
    Other,
}

impl Operation {
    /// Whether the body that matters is the request's, not the answer's.
    #[must_use]
    pub const fn uploads(self) -> bool {
        matches!(self, Self::PutObject | Self::UploadPart)
    }
}

/// One request: operation, place and signer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    /// What it does.
    pub(super) operation: Operation,
    /// The bucket's name; empty where the request names none.
    pub(super) bucket: String,
    /// The object's key, decoded; empty where the request names none.
    pub(super) key: String,
    /// The access key and the region that the request is signed with.
    pub(super) signer: Option<Signer>,
}

/// Who signed a request, as it claims; whether the signature is right is checked later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signer {
    /// The access key's id.
    pub(super) access_key: String,
    /// The region in the signature's scope.
    pub(super) region: String,
}

impl Call {
    /// Reads a path-style request: `/bucket/key?query`.
    pub(super) fn read(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let path = uri.path().strip_prefix('/').unwrap_or_default();
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let decode = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let (bucket, key) = (decode(bucket), decode(key));
        let query = uri.query().unwrap_or_default();
        let has = |name: &str| {
            query
                .split('&')
                .any(|pair| pair.split('=').next() == Some(name))
        };
        let operation = match (method, bucket.is_empty(), key.is_empty()) {
            (&Method::GET, true, _) => Operation::ListBuckets,
            (&Method::GET, false, true) if has("uploads") => Operation::ListMultipartUploads,
            (&Method::GET, false, true) if has("list-type") => Operation::ListObjectsV2,
            (&Method::HEAD, false, true) => Operation::HeadBucket,
            (&Method::PUT, false, true) => Operation::CreateBucket,
            (&Method::POST, false, true) if has("delete") => Operation::DeleteObjects,
            (&Method::GET, false, false) if has("uploadId") => Operation::ListParts,
            (&Method::GET, false, false) => Operation::GetObject,
            (&Method::HEAD, false, false) => Operation::HeadObject,
            (&Method::PUT, false, false) if has("uploadId") => Operation::UploadPart,
            (&Method::PUT, false, false) => Operation::PutObject,
            (&Method::POST, false, false) if has("uploads") => Operation::CreateMultipartUpload,
            (&Method::POST, false, false) if has("uploadId") => Operation::CompleteMultipartUpload,
            (&Method::DELETE, false, false) if has("uploadId") => Operation::AbortMultipartUpload,
            (&Method::DELETE, false, false) => Operation::DeleteObject,
            _ => Operation::Other,
        };
        Self {
            operation,
            bucket,
            key,
            signer: signer(headers, query),
        }
    }
}

/// Finds `access key/date/region/s3/aws4_request` in the header, or in a presigned request's query.
fn signer(headers: &HeaderMap, query: &str) -> Option<Signer> {
    let header = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let scope: Cow<'_, str> = match header {
        Some(header) => header
            .split_once("Credential=")?
            .1
            .split(',')
            .next()?
            .into(),
        None => percent_decode_str(query.split_once("X-Amz-Credential=")?.1.split('&').next()?)
            .decode_utf8_lossy(),
    };
    let mut parts = scope.split('/');
    let access_key = parts.next()?.to_owned();
    let region = parts.nth(1)?.to_owned();
    Some(Signer { access_key, region })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &Method, uri: &str) -> Call {
        Call::read(method, &uri.parse().unwrap(), &HeaderMap::new())
    }

    #[test]
    fn a_request_line_tells_the_operation() {
        for (method, uri, operation) in [
            (Method::GET, "/", Operation::ListBuckets),
            (
                Method::GET,
                "/shops?list-type=2&prefix=a",
                Operation::ListObjectsV2,
            ),
            (Method::GET, "/shops/blobs/a", Operation::GetObject),
            (Method::GET, "/shops/a?uploadId=1", Operation::ListParts),
            (Method::HEAD, "/shops/a", Operation::HeadObject),
            (Method::HEAD, "/shops", Operation::HeadBucket),
            (
                Method::PUT,
                "/shops/a?partNumber=1&uploadId=1",
                Operation::UploadPart,
            ),
            (Method::PUT, "/shops/a?x-id=PutObject", Operation::PutObject),
            (
                Method::POST,
                "/shops/a?uploads",
                Operation::CreateMultipartUpload,
            ),
            (Method::POST, "/shops/?delete=", Operation::DeleteObjects),
            (
                Method::DELETE,
                "/shops/a?uploadId=1",
                Operation::AbortMultipartUpload,
            ),
            (Method::PATCH, "/shops/a", Operation::Other),
        ] {
            assert_eq!(read(&method, uri).operation, operation, "{uri}");
        }
    }

    #[test]
    fn a_key_is_decoded() {
        assert_eq!(read(&Method::GET, "/shops/a%20b/%C4%83").key, "a b/ă");
    }

    #[test]
    fn the_signer_is_read_from_the_header_or_the_query() {
        let wanted = Signer {
            access_key: "AK".into(),
            region: "eu-west-1".into(),
        };
        let mut headers = HeaderMap::new();
        headers.insert(
            AUTHORIZATION,
            "AWS4-HMAC-SHA256 Credential=AK/20260101/eu-west-1/s3/aws4_request, SignedHeaders=host"
                .parse()
                .unwrap(),
        );
        assert_eq!(
            Call::read(&Method::GET, &"/shops/a".parse().unwrap(), &headers)
                .signer
                .as_ref(),
            Some(&wanted)
        );
        let presigned =
            "/shops/a?X-Amz-Credential=AK%2F20260101%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Date=1";
        assert_eq!(read(&Method::GET, presigned).signer, Some(wanted));
    }
}
