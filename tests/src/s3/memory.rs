//! The buckets, in memory: what is stored and under which conditions it changes.

use super::content::Content;
use bytes::Bytes;
use parking_lot::RwLock;
use s3s::{S3Result, dto::ETagCondition, s3_error};
use std::{collections::BTreeMap, time::SystemTime};

/// The smallest part of a multipart upload but the last: 5 MiB, by S3's documentation of its
/// limits.
const PART_MINIMUM: u64 = 5 << 20;

/// A stored object.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) content: Content,
    pub(super) etag: String,
    pub(super) modified: SystemTime,
    pub(super) content_type: Option<String>,
}

impl Object {
    /// An object as one PUT makes it: its `ETag` is the MD5 of its bytes.
    pub(super) fn new(content: Content, content_type: Option<String>) -> Self {
        let etag = hex(&content.md5());
        Self {
            content,
            etag,
            modified: SystemTime::now(),
            content_type,
        }
    }
}

/// A part of an upload that is not complete.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) content: Content,
    pub(super) digest: [u8; 16],
    pub(super) modified: SystemTime,
}

impl Part {
    pub(super) fn etag(&self) -> String {
        hex(&self.digest)
    }
}

/// A multipart upload that is not complete.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    pub(super) key: String,
    pub(super) started: SystemTime,
    pub(super) content_type: Option<String>,
    pub(super) parts: BTreeMap<i32, Part>,
}

/// What one bucket holds.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    pub(super) objects: BTreeMap<String, Object>,
    pub(super) uploads: BTreeMap<String, Upload>,
    started: u64,
}

/// Under which condition a write happens, and what S3 answers when it does not hold.
#[derive(Debug, Default)]
pub(super) struct Condition {
    pub(super) matches: Option<ETagCondition>,
    pub(super) none_match: Option<ETagCondition>,
}

impl Condition {
    fn check(&self, current: Option<&Object>) -> S3Result<()> {
        if let Some(wanted) = &self.matches {
            let Some(current) = current else {
                return Err(s3_error!(NoSuchKey));
            };
            if !is(wanted, current) {
                return Err(s3_error!(PreconditionFailed));
            }
        }
        if let (Some(unwanted), Some(current)) = (&self.none_match, current)
            && is(unwanted, current)
        {
            return Err(s3_error!(PreconditionFailed));
        }
        Ok(())
    }
}

/// Whether an object is the one that a condition names.
pub(super) fn is(condition: &ETagCondition, object: &Object) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(etag) => etag.as_strong() == Some(&object.etag),
    }
}

impl Bucket {
    /// The object called `key`.
    pub(super) fn object(&self, key: &str) -> S3Result<&Object> {
        self.objects.get(key).ok_or_else(|| s3_error!(NoSuchKey))
    }

    pub(super) fn put(
        &mut self,
        key: String,
        object: Object,
        condition: &Condition,
    ) -> S3Result<()> {
        condition.check(self.objects.get(&key))?;
        self.objects.insert(key, object);
        Ok(())
    }

    /// Removes an object; one that is missing is removed already.
    pub(super) fn delete(&mut self, key: &str, condition: &Condition) -> S3Result<()> {
        condition.check(self.objects.get(key))?;
        self.objects.remove(key);
        Ok(())
    }

    /// Starts an upload and returns its id.
    pub(super) fn start(&mut self, key: String, content_type: Option<String>) -> String {
        self.started += 1;
        let id = format!("upload-{:08}", self.started);
        self.uploads.insert(
            id.clone(),
            Upload {
                key,
                started: SystemTime::now(),
                content_type,
                parts: BTreeMap::new(),
            },
        );
        id
    }

    /// The upload `id`, which must be one of `key`.
    pub(super) fn upload(&mut self, key: &str, id: &str) -> S3Result<&mut Upload> {
        self.uploads
            .get_mut(id)
            .filter(|upload| upload.key == key)
            .ok_or_else(|| s3_error!(NoSuchUpload))
    }

    /// Forgets an upload and its parts.
    pub(super) fn abort(&mut self, key: &str, id: &str) -> S3Result<()> {
        self.upload(key, id)?;
        self.uploads.remove(id);
        Ok(())
    }

    /// Makes an object of the parts `chosen`, by number and `ETag`; returns its own.
    pub(super) fn complete(
        &mut self,
        key: &str,
        id: &str,
        chosen: &[(i32, String)],
        condition: &Condition,
    ) -> S3Result<String> {
        let upload = self.upload(key, id)?;
        if chosen.is_empty() || !chosen.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(s3_error!(InvalidPartOrder));
        }
        let mut content = Content::default();
        let mut digests = Vec::new();
        for (place, (number, etag)) in chosen.iter().enumerate() {
            let part = upload
                .parts
                .get(number)
                .filter(|part| part.etag() == *etag)
                .ok_or_else(|| s3_error!(InvalidPart))?;
            if part.content.len() < PART_MINIMUM && place + 1 < chosen.len() {
                return Err(s3_error!(EntityTooSmall));
            }
            content.append(&part.content);
            digests.extend_from_slice(&part.digest);
        }
        let etag = format!(
            "{}-{}",
            hex(&Content::from(Bytes::from(digests)).md5()),
            chosen.len()
        );
        let object = Object {
            content,
            etag: etag.clone(),
            modified: SystemTime::now(),
            content_type: upload.content_type.clone(),
        };
        self.put(key.to_owned(), object, condition)?;
        self.uploads.remove(id);
        Ok(etag)
    }
}

/// All buckets.
#[derive(Debug, Default)]
pub(super) struct Memory(RwLock<BTreeMap<String, Bucket>>);

impl Memory {
    pub(super) fn create(&self, bucket: &str) {
        self.0.write().entry(bucket.to_owned()).or_default();
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.0.read().keys().cloned().collect()
    }

    /// Asks something of a bucket.
    pub(super) fn read<T>(
        &self,
        bucket: &str,
        ask: impl FnOnce(&Bucket) -> S3Result<T>,
    ) -> S3Result<T> {
        let buckets = self.0.read();
        ask(buckets.get(bucket).ok_or_else(|| s3_error!(NoSuchBucket))?)
    }

    /// Changes a bucket; nobody sees it half changed.
    pub(super) fn write<T>(
        &self,
        bucket: &str,
        change: impl FnOnce(&mut Bucket) -> S3Result<T>,
    ) -> S3Result<T> {
        let mut buckets = self.0.write();
        change(
            buckets
                .get_mut(bucket)
                .ok_or_else(|| s3_error!(NoSuchBucket))?,
        )
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or_default();
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}
