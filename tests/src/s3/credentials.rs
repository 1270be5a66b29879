//! Which keys may sign requests; changeable while the server runs, as credentials rotate.

use parking_lot::RwLock;
use s3s::{
    S3Result,
    auth::{S3Auth, SecretKey},
    s3_error,
};
use std::{collections::BTreeMap, sync::Arc};

/// Secrets by access key.
#[derive(Clone, Default)]
pub(super) struct Keyring(Arc<RwLock<BTreeMap<String, SecretKey>>>);

impl Keyring {
    /// Replaces every key.
    pub(super) fn set(&self, keys: impl IntoIterator<Item = (String, String)>) {
        let keys = keys
            .into_iter()
            .map(|(access, secret)| (access, secret.into()))
            .collect();
        *self.0.write() = keys;
    }
}

#[async_trait::async_trait]
impl S3Auth for Keyring {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let keys = self.0.read();
        keys.get(access_key)
            .cloned()
            .ok_or_else(|| s3_error!(InvalidAccessKeyId))
    }
}
