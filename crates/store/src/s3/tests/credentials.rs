//! Credentials that are renewed, and none.

use super::{
    super::{S3Store, connect::assemble},
    options,
    server::{Reply, Server},
    store,
    writing::done,
};
use crate::{Condition, ObjectStore as _, StoreError};
use aws_config::SdkConfig;
use aws_credential_types::provider::{
    self, ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future,
};
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// Gives another identity each time it is asked.
#[derive(Debug, Default)]
struct Rotating(AtomicU64);

impl ProvideCredentials for Rotating {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let key = format!("KEY{}", self.0.fetch_add(1, Relaxed) + 1);
        future::ProvideCredentials::ready(provider::Result::Ok(Credentials::new(
            key, "secret", None, None, "test",
        )))
    }
}

/// A store whose identity comes from `provider`.
fn identified_by(provider: impl ProvideCredentials + 'static, server: &Server) -> S3Store {
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(provider))
        .build();
    S3Store(Arc::new(assemble(
        &sdk,
        Some(server.endpoint.clone()),
        "shop",
        None,
        &options(&server.endpoint),
    )))
}

#[tokio::test]
async fn expired_credentials_are_renewed() {
    let server = Server::start(|request, _| match request {
        request if request.head.contains("credential=key1/") => {
            Reply::error("400 Bad Request", "ExpiredToken")
        }
        _ => done(),
    })
    .await;
    identified_by(Rotating::default(), &server)
        .put("a", "mine".into(), Condition::Always)
        .await
        .unwrap();
    assert!(
        server.requests()[1].head.contains("credential=key2/"),
        "{}",
        server.requests()[1].head
    );
}

#[tokio::test]
async fn credentials_that_stay_expired_are_a_refusal() {
    let server = Server::script(vec![Reply::error("400 Bad Request", "ExpiredToken")]).await;
    let error = store(&server)
        .await
        .put("a", "mine".into(), Condition::Always)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, StoreError::Forbidden { code, .. } if code == "ExpiredToken"),
        "{error:?}"
    );
}

/// Gives no identity, for one reason or another.
#[derive(Debug)]
struct Nobody(fn() -> CredentialsError);

impl ProvideCredentials for Nobody {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(self.0()))
    }
}

#[tokio::test]
async fn no_credentials_is_another_error_than_nobody_who_could_say() {
    let server = Server::script(vec![done()]).await;
    let none = identified_by(Nobody(CredentialsError::not_loaded_no_source), &server)
        .head("a")
        .await
        .unwrap_err();
    assert!(matches!(none, StoreError::NoCredentials { .. }), "{none:?}");
    let silent = identified_by(
        Nobody(|| CredentialsError::provider_error("no answer")),
        &server,
    )
    .head("a")
    .await
    .unwrap_err();
    assert!(
        matches!(silent, StoreError::Unreachable { .. }),
        "{silent:?}"
    );
    assert!(server.requests().is_empty());
}
