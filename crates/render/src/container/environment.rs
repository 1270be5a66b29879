//! Variables of `longshore-init` and `longshore-agent`, each with a name from `runtime::variable`,
//! and of their AWS client.

use crate::{path, shop_context::ShopContext};
use api::CloudIdentity;
use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, SecretKeySelector};
use runtime::variable::{self, Variable};

/// A variable with a value.
pub(crate) fn plain(name: &str, value: impl Into<String>) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.into()),
        value_from: None,
    }
}

pub(super) fn setting(variable: &Variable, value: impl Into<String>) -> EnvVar {
    plain(variable.name, value)
}

/// What init and agent have in common.
pub(super) fn shared(context: &ShopContext<'_>) -> Vec<EnvVar> {
    let store = &context.class.store;
    let mut variables = vec![
        setting(&variable::STORE, &store.location),
        setting(&variable::CHANNEL, &context.spec.channel),
        setting(&variable::ROOT, path::ROOT),
        setting(
            &variable::TRUST,
            format!("{}/{}", path::TRUST, path::TRUST_FILE),
        ),
        // The cluster says when: the release object of this ConfigMap counts, and not the
        // channel's head.
        setting(&variable::RELEASE, path::RELEASE),
    ];
    variables.extend(
        store
            .trust_floor
            .map(|version| setting(&variable::TRUST_FLOOR, version.to_string())),
    );
    if context.media.is_some() {
        variables.push(setting(&variable::STORAGE, path::SHARED));
    }
    variables.push(setting(&variable::WRITABLE, path::WRITABLE));
    if context.configured().is_some() {
        variables.push(setting(&variable::TEMPLATES, path::APP));
        variables.extend(
            context
                .spec
                .config
                .secret_ref
                .as_ref()
                .map(|_| setting(&variable::SECRETS, path::SECRET)),
        );
        variables.push(setting(&variable::CONFIGURED, path::CONFIGURED));
    }
    if let Some(cache) = &context.class.node_cache {
        // A directory in the hostPath, which the kubelet makes as 0755: this one is made by
        // ourselves, as 0700.
        variables.push(setting(&variable::CACHE, format!("{}/cache", path::NODE)));
        variables.push(setting(&variable::CACHE_LIMIT, &cache.limit));
    }
    variables.push(plain("AWS_REGION", &store.region));
    variables.extend(
        store
            .endpoint
            .as_ref()
            .map(|endpoint| plain("AWS_ENDPOINT_URL_S3", endpoint)),
    );
    variables.extend(identity(&context.class.identity));
    variables
}

/// How the store knows these two containers, and no other of the pod.
pub(crate) fn identity(identity: &CloudIdentity) -> Vec<EnvVar> {
    let role = |arn: &str| {
        vec![
            plain("AWS_ROLE_ARN", arn),
            plain(
                "AWS_WEB_IDENTITY_TOKEN_FILE",
                format!("{}/token", path::IDENTITY),
            ),
            plain("AWS_ROLE_SESSION_NAME", "longshore"),
        ]
    };
    if let Some(web) = &identity.web_identity {
        return role(&web.role_arn);
    }
    if let Some(azure) = &identity.azure {
        return role(&azure.role_arn);
    }
    if let Some(google) = &identity.google {
        return role(&google.role_arn);
    }
    let Some(secret) = &identity.secret else {
        return Vec::new();
    };
    [
        ("AWS_ACCESS_KEY_ID", "access-key-id"),
        ("AWS_SECRET_ACCESS_KEY", "secret-access-key"),
    ]
    .map(|(variable, key)| EnvVar {
        name: variable.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: secret.name.clone(),
                key: key.to_owned(),
                optional: None,
            }),
            ..EnvVarSource::default()
        }),
    })
    .into()
}
