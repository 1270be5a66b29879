//! The client: region, endpoint and identity as aws-config finds them, or as they are overridden.

use super::{Inner, clock::Clock, settings};
use crate::{Action, Options, S3Settings, Stats, StoreError, Subject, retry::Retry};
use aws_config::{
    BehaviorVersion, SdkConfig, environment::EnvironmentVariableRegionProvider,
    imds::region::ImdsRegionProvider, meta::region::RegionProviderChain,
    profile::ProfileFileRegionProvider, retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_sdk_s3::config::{
    Builder, Credentials, IdentityCache, Region, RequestChecksumCalculation,
    ResponseChecksumValidation, StalledStreamProtectionConfig,
};
use aws_types::service_config::ServiceConfigKey;
use parking_lot::Mutex;
use release::RelativePath;
use std::sync::{Arc, atomic::AtomicBool};

/// What to sign for where an endpoint is set and no region: MinIO and others take it, and it is the
/// SDKs' oldest default.
const ANY_REGION: &str = "us-east-1";

/// Finds region, endpoint and identity; asks nothing of S3 itself.
pub(super) async fn connect(
    bucket: &str,
    prefix: Option<&RelativePath>,
    options: &Options,
) -> Result<Inner, StoreError> {
    let settings = &options.s3;
    let known = match &settings.region {
        Some(region) => Some(Region::new(region.clone())),
        None => {
            RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
                .or_else(ProfileFileRegionProvider::new())
                .region()
                .await
        }
    };
    // Set and empty is not set, as for other programs.
    let known = known.filter(|region| !region.as_ref().is_empty());
    // With a region given, aws-config does not ask the instance metadata, which takes seconds where
    // there is none.
    let mut sdk = load(
        known.clone().unwrap_or(Region::from_static(ANY_REGION)),
        settings,
    )
    .await;
    let endpoint = settings
        .endpoint
        .clone()
        .or_else(|| configured_endpoint(&sdk))
        .filter(|endpoint| !endpoint.is_empty());
    if known.is_none() && endpoint.is_none() {
        let Some(region) = ImdsRegionProvider::builder().build().region().await else {
            let subject = Subject {
                action: Action::Open,
                key: String::new(),
                store: format!("bucket {bucket}").into(),
            };
            return Err(StoreError::Region {
                subject,
                asked: None,
                actual: None,
            });
        };
        sdk = load(region, settings).await;
    }
    let shown: Arc<str> = format!("bucket {bucket}").into();
    settings::check(sdk.region().map(Region::as_ref), endpoint.as_deref()).map_err(
        |(name, problem)| StoreError::Setting {
            subject: Subject {
                action: Action::Open,
                key: String::new(),
                store: shown,
            },
            name,
            problem,
        },
    )?;
    Ok(assemble(&sdk, endpoint, bucket, prefix, options))
}

async fn load(region: Region, settings: &S3Settings) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).region(region);
    if let Some(own) = &settings.credentials {
        let token = own.session_token.clone();
        loader = loader.credentials_provider(Credentials::new(
            &own.access_key,
            &own.secret_key,
            token,
            None,
            "settings",
        ));
    }
    let sdk = loader.load().await;
    match sdk.credentials_provider() {
        Some(found) => sdk
            .into_builder()
            .credentials_provider(settings::Proper::shared(found))
            .build(),
        None => sdk,
    }
}

/// `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, or the profile's, in the SDK's own order.
fn configured_endpoint(sdk: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id("S3")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    sdk.service_config()
        .and_then(|config| config.load_config(key))
        .or_else(|| sdk.endpoint_url().map(str::to_owned))
}

pub(super) fn assemble(
    sdk: &SdkConfig,
    endpoint: Option<String>,
    bucket: &str,
    prefix: Option<&RelativePath>,
    options: &Options,
) -> Inner {
    let region = sdk.region().map_or(ANY_REGION, Region::as_ref).to_owned();
    let shown = endpoint.as_deref().map_or_else(
        || format!("https://s3.{region}.amazonaws.com"),
        settings::without_user,
    );
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(options.connect_timeout)
        // Ours grow with the bytes that are sent, and a body's floor is measured where it is read.
        .disable_read_timeout()
        .disable_operation_timeout()
        .disable_operation_attempt_timeout()
        .build();
    let uploads = StalledStreamProtectionConfig::enabled()
        .upload_enabled(true)
        .download_enabled(false)
        .grace_period(options.window)
        .build();
    let proxy = settings::proxy(endpoint.as_deref());
    let mut config = Builder::from(sdk).force_path_style(endpoint.is_some());
    config.set_endpoint_url(endpoint);
    let stats = Arc::new(Stats::default());
    let config = config
        .interceptor(Clock(Arc::clone(&stats)))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .stalled_stream_protection(uploads)
        // Several S3 implementations refuse the trailing checksums that the SDK sends by default;
        // our own digests are signed.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .identity_cache(IdentityCache::lazy().build())
        .build();
    Inner {
        client: Mutex::new((0, aws_sdk_s3::Client::from_conf(config.clone()))),
        config,
        bucket: bucket.to_owned(),
        prefix: prefix
            .map(|prefix| format!("{prefix}/"))
            .unwrap_or_default(),
        name: format!("bucket {bucket} at {shown}").into(),
        region,
        proxy,
        retry: Retry::new(options, Arc::clone(&stats)),
        options: options.clone(),
        stats,
        seen: AtomicBool::new(false),
    }
}
