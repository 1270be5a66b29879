//! S3's operations on the buckets in memory.

use super::{
    checksum::Expected,
    memory::{Condition, Memory, Object, Part},
    page::{PAGE, page},
    transfer::{etag, expected, find, length, receive},
};
use hyper::http::Extensions;
use s3s::{
    S3, S3Request, S3Response, S3Result,
    dto::{self, ETag, ETagCondition, StreamingBlob},
    s3_error,
};
use std::{sync::Arc, time::SystemTime};

type Answer<T> = S3Result<S3Response<T>>;

/// Marks a request whose condition is ignored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unconditional;

fn condition(
    extensions: &Extensions,
    matches: Option<ETagCondition>,
    none_match: Option<ETagCondition>,
) -> Condition {
    if extensions.get::<Unconditional>().is_some() {
        return Condition::default();
    }
    Condition {
        matches,
        none_match,
    }
}

/// The service behind the protocol.
#[derive(Debug, Clone)]
pub(super) struct Backend {
    pub(super) memory: Arc<Memory>,
    pub(super) region: String,
}

#[async_trait::async_trait]
impl S3 for Backend {
    async fn get_object(
        &self,
        req: S3Request<dto::GetObjectInput>,
    ) -> Answer<dto::GetObjectOutput> {
        let input = req.input;
        let place = (input.bucket.as_str(), input.key.as_str());
        let (object, range) = find(
            &self.memory,
            place,
            input.if_match.as_ref(),
            input.if_none_match.as_ref(),
            input.range,
        )?;
        let content_range = input.range.map(|_| {
            format!(
                "bytes {}-{}/{}",
                range.start,
                range.end - 1,
                object.content.len()
            )
        });
        Ok(S3Response::new(dto::GetObjectOutput {
            accept_ranges: Some("bytes".into()),
            content_length: Some(length(range.end - range.start)),
            content_range,
            e_tag: Some(etag(&object)),
            last_modified: Some(object.modified.into()),
            body: Some(StreamingBlob::new(object.content.stream(range))),
            content_type: object.content_type,
            ..Default::default()
        }))
    }

    async fn head_object(
        &self,
        req: S3Request<dto::HeadObjectInput>,
    ) -> Answer<dto::HeadObjectOutput> {
        let input = req.input;
        let place = (input.bucket.as_str(), input.key.as_str());
        let (object, range) = find(
            &self.memory,
            place,
            input.if_match.as_ref(),
            input.if_none_match.as_ref(),
            input.range,
        )?;
        Ok(S3Response::new(dto::HeadObjectOutput {
            accept_ranges: Some("bytes".into()),
            content_length: Some(length(range.end - range.start)),
            e_tag: Some(etag(&object)),
            last_modified: Some(object.modified.into()),
            content_type: object.content_type,
            ..Default::default()
        }))
    }

    async fn put_object(
        &self,
        req: S3Request<dto::PutObjectInput>,
    ) -> Answer<dto::PutObjectOutput> {
        let input = req.input;
        let content = receive(
            input.body,
            input.content_length,
            expected!(input),
            req.trailing_headers.as_ref(),
        )
        .await?;
        let object = Object::new(content, input.content_type);
        let e_tag = Some(etag(&object));
        let condition = condition(&req.extensions, input.if_match, input.if_none_match);
        self.memory.write(&input.bucket, |bucket| {
            bucket.put(input.key, object, &condition)
        })?;
        Ok(S3Response::new(dto::PutObjectOutput {
            e_tag,
            ..Default::default()
        }))
    }

    async fn delete_object(
        &self,
        req: S3Request<dto::DeleteObjectInput>,
    ) -> Answer<dto::DeleteObjectOutput> {
        let condition = Condition {
            matches: req.input.if_match,
            none_match: None,
        };
        self.memory.write(&req.input.bucket, |bucket| {
            bucket.delete(&req.input.key, &condition)
        })?;
        Ok(S3Response::new(dto::DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        req: S3Request<dto::DeleteObjectsInput>,
    ) -> Answer<dto::DeleteObjectsOutput> {
        let keys: Vec<_> = req
            .input
            .delete
            .objects
            .into_iter()
            .map(|object| object.key)
            .collect();
        self.memory.write(&req.input.bucket, |bucket| {
            keys.iter()
                .try_for_each(|key| bucket.delete(key, &Condition::default()))
        })?;
        let quiet = req.input.delete.quiet == Some(true);
        let deleted = keys
            .into_iter()
            .map(|key| dto::DeletedObject {
                key: Some(key),
                ..Default::default()
            })
            .collect();
        Ok(S3Response::new(dto::DeleteObjectsOutput {
            deleted: (!quiet).then_some(deleted),
            ..Default::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        req: S3Request<dto::ListObjectsV2Input>,
    ) -> Answer<dto::ListObjectsV2Output> {
        page(&self.memory, &req.input)
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<dto::CreateMultipartUploadInput>,
    ) -> Answer<dto::CreateMultipartUploadOutput> {
        let dto::CreateMultipartUploadInput {
            bucket,
            key,
            content_type,
            ..
        } = req.input;
        let upload_id =
            self.memory.write(
                &bucket,
                |bucket| Ok(bucket.start(key.clone(), content_type)),
            )?;
        Ok(S3Response::new(dto::CreateMultipartUploadOutput {
            bucket: Some(bucket),
            key: Some(key),
            upload_id: Some(upload_id),
            ..Default::default()
        }))
    }

    async fn upload_part(
        &self,
        req: S3Request<dto::UploadPartInput>,
    ) -> Answer<dto::UploadPartOutput> {
        let input = req.input;
        let content = receive(
            input.body,
            input.content_length,
            expected!(input),
            req.trailing_headers.as_ref(),
        )
        .await?;
        let part = Part {
            digest: content.md5(),
            content,
            modified: SystemTime::now(),
        };
        let e_tag = Some(ETag::Strong(part.etag()));
        self.memory.write(&input.bucket, |bucket| {
            bucket
                .upload(&input.key, &input.upload_id)?
                .parts
                .insert(input.part_number, part);
            Ok(())
        })?;
        Ok(S3Response::new(dto::UploadPartOutput {
            e_tag,
            ..Default::default()
        }))
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<dto::CompleteMultipartUploadInput>,
    ) -> Answer<dto::CompleteMultipartUploadOutput> {
        let input = req.input;
        let parts = input
            .multipart_upload
            .and_then(|upload| upload.parts)
            .unwrap_or_default();
        let chosen = parts
            .into_iter()
            .map(|part| Some((part.part_number?, part.e_tag?.into_value())));
        let chosen: Vec<_> = chosen
            .collect::<Option<_>>()
            .ok_or_else(|| s3_error!(MalformedXML))?;
        let condition = condition(&req.extensions, input.if_match, input.if_none_match);
        let e_tag = self.memory.write(&input.bucket, |bucket| {
            bucket.complete(&input.key, &input.upload_id, &chosen, &condition)
        })?;
        Ok(S3Response::new(dto::CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(ETag::Strong(e_tag)),
            ..Default::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<dto::AbortMultipartUploadInput>,
    ) -> Answer<dto::AbortMultipartUploadOutput> {
        self.memory.write(&req.input.bucket, |bucket| {
            bucket.abort(&req.input.key, &req.input.upload_id)
        })?;
        Ok(S3Response::new(dto::AbortMultipartUploadOutput::default()))
    }

    async fn list_parts(
        &self,
        req: S3Request<dto::ListPartsInput>,
    ) -> Answer<dto::ListPartsOutput> {
        let input = req.input;
        let max = input.max_parts.unwrap_or(PAGE).clamp(1, PAGE);
        let after = input.part_number_marker.unwrap_or_default();
        let found = self.memory.write(&input.bucket, |bucket| {
            let upload = bucket.upload(&input.key, &input.upload_id)?;
            let parts = upload
                .parts
                .range(after + 1..)
                .map(|(number, part)| dto::Part {
                    part_number: Some(*number),
                    size: Some(length(part.content.len())),
                    e_tag: Some(ETag::Strong(part.etag())),
                    last_modified: Some(part.modified.into()),
                    ..Default::default()
                });
            Ok(parts.collect::<Vec<_>>())
        })?;
        let limit = usize::try_from(max).unwrap_or_default();
        let more = found.len() > limit;
        let parts: Vec<_> = found.into_iter().take(limit).collect();
        Ok(S3Response::new(dto::ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            is_truncated: Some(more),
            max_parts: Some(max),
            part_number_marker: Some(after),
            next_part_number_marker: parts.last().and_then(|part| part.part_number),
            parts: Some(parts),
            ..Default::default()
        }))
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<dto::ListMultipartUploadsInput>,
    ) -> Answer<dto::ListMultipartUploadsOutput> {
        let prefix = req.input.prefix.unwrap_or_default();
        let uploads = self.memory.read(&req.input.bucket, |bucket| {
            let uploads = bucket
                .uploads
                .iter()
                .filter(|(_, upload)| upload.key.starts_with(&prefix));
            let uploads = uploads.map(|(id, upload)| dto::MultipartUpload {
                key: Some(upload.key.clone()),
                upload_id: Some(id.clone()),
                initiated: Some(upload.started.into()),
                ..Default::default()
            });
            Ok(uploads.collect())
        })?;
        Ok(S3Response::new(dto::ListMultipartUploadsOutput {
            bucket: Some(req.input.bucket),
            prefix: Some(prefix),
            is_truncated: Some(false),
            uploads: Some(uploads),
            ..Default::default()
        }))
    }

    async fn create_bucket(
        &self,
        req: S3Request<dto::CreateBucketInput>,
    ) -> Answer<dto::CreateBucketOutput> {
        self.memory.create(&req.input.bucket);
        Ok(S3Response::new(dto::CreateBucketOutput {
            location: Some(format!("/{}", req.input.bucket)),
        }))
    }

    async fn head_bucket(
        &self,
        req: S3Request<dto::HeadBucketInput>,
    ) -> Answer<dto::HeadBucketOutput> {
        self.memory.read(&req.input.bucket, |_| Ok(()))?;
        Ok(S3Response::new(dto::HeadBucketOutput {
            bucket_region: Some(self.region.clone()),
            ..Default::default()
        }))
    }

    async fn list_buckets(
        &self,
        _: S3Request<dto::ListBucketsInput>,
    ) -> Answer<dto::ListBucketsOutput> {
        let buckets = self.memory.names().into_iter().map(|name| dto::Bucket {
            name: Some(name),
            bucket_region: Some(self.region.clone()),
            ..Default::default()
        });
        Ok(S3Response::new(dto::ListBucketsOutput {
            buckets: Some(buckets.collect()),
            ..Default::default()
        }))
    }
}
