//! The pod's identity at AWS, by which EFS decides what it may mount: where the SDK finds it
//! (variables, a role for a service account, Pod Identity, the node's role), as for the store.

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use mounts::tunnel::{AccessKey, Credentials};
use std::{future::Future, pin::Pin};
use tokio::sync::OnceCell;

/// Asks for credentials whenever some are needed: once an hour, or before they end.
#[derive(Debug)]
pub(crate) struct PodIdentity {
    region: Region,
    provider: OnceCell<Option<SharedCredentialsProvider>>,
}

impl PodIdentity {
    /// In the region of the file system, whose STS is asked where a role is to be assumed.
    pub(crate) fn new(region: String) -> Self {
        Self {
            region: Region::new(region),
            provider: OnceCell::new(),
        }
    }

    async fn provider(&self) -> Option<SharedCredentialsProvider> {
        aws_config::defaults(BehaviorVersion::latest())
            .region(self.region.clone())
            .load()
            .await
            .credentials_provider()
    }

    async fn key(&self) -> Result<AccessKey, String> {
        let provider = self
            .provider
            .get_or_init(|| self.provider())
            .await
            .as_ref()
            .ok_or("the pod has no identity at AWS")?;
        let found = provider
            .provide_credentials()
            .await
            .map_err(|error| runtime::Chain(&error).to_string())?;
        Ok(AccessKey {
            id: found.access_key_id().to_owned(),
            secret: found.secret_access_key().to_owned(),
            session_token: found.session_token().map(str::to_owned),
            expires: found.expiry(),
        })
    }
}

impl Credentials for PodIdentity {
    fn now(&self) -> Pin<Box<dyn Future<Output = Result<AccessKey, String>> + Send + '_>> {
        Box::pin(self.key())
    }
}
