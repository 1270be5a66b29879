//! Listing a bucket.

use super::Inner;
use crate::{Listed, StoreError, Subject};
use jiff::Timestamp;

impl Inner {
    /// Every object whose key starts with `prefix`, over as many pages as the bucket makes of it
    /// (1,000 keys a page on S3).
    pub(super) async fn list(
        &self,
        subject: &Subject,
        prefix: &str,
    ) -> Result<Vec<Listed>, StoreError> {
        let full = format!("{}{prefix}", self.prefix);
        let (mut found, mut token) = (Vec::new(), None::<String>);
        loop {
            let attempt = || async {
                let request = |client: aws_sdk_s3::Client| {
                    client
                        .list_objects_v2()
                        .bucket(&self.bucket)
                        .prefix(&full)
                        .set_continuation_token(token.clone())
                        .send()
                };
                self.ask(0, request)
                    .await
                    .map_err(|answer| self.failure(subject, answer))
            };
            let page = self.retry.run(subject, attempt).await?;
            for object in page.contents.unwrap_or_default() {
                // A key that is none of ours, such as the folder that a console made.
                let Some(key) = object
                    .key
                    .as_deref()
                    .and_then(|key| key.strip_prefix(&self.prefix))
                else {
                    continue;
                };
                if key.parse::<release::RelativePath>().is_err() {
                    continue;
                }
                let size = object
                    .size
                    .and_then(|size| u64::try_from(size).ok())
                    .unwrap_or(0);
                let modified = object.last_modified.and_then(|time| {
                    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
                });
                found.push(Listed {
                    key: key.to_owned(),
                    size,
                    modified: modified.unwrap_or(Timestamp::UNIX_EPOCH),
                });
            }
            match page.next_continuation_token {
                Some(next) if token.as_ref() != Some(&next) => token = Some(next),
                Some(_) => {
                    let code = "the same page twice".to_owned();
                    return Err(StoreError::Refused {
                        subject: subject.clone(),
                        code,
                    });
                }
                None => break,
            }
        }
        found.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        Ok(found)
    }
}
