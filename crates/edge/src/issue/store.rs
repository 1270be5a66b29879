//! What the issuer keeps in the cluster. Every write goes through the fence: whoever leads no
//! longer writes nothing.
//!
//! ```text
//!  Secret    certificates-<shard>   host → key, leaf, chain
//!  ConfigMap certificates-<shard>   host → record, JSON
//!  ConfigMap acme                   thumbprint, for the agents
//!
//!  Secret    acme-account           the account's credentials                 in `edge-acme`
//!  Secret    acme-orders            host → order on its way, JSON             in `edge-acme`
//! ```
//!
//! Agents read all Secrets of the namespace `edge`, because rights cannot tell those of one
//! namespace apart for who lists them. The account's key is in a namespace of its own, which the
//! issuer alone reads, and in which nothing runs: who may create Secrets beside a service account
//! gets its token.
//!
//! One host is one key, changed by a merge patch: what another host has is not sent, and cannot be
//! lost.

use super::{
    acme::{Kept, Pending},
    problem::Problem,
};
use crate::certificate::{
    CertificateRecord, Checked, LABEL, check, host_of, key_of, shard_name, shard_of,
};
use api::{
    Object,
    edge::{NAMESPACE, PRIVATE},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use client::{ApiError, Cluster, Conflicts};
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Secret},
};
use kube::{
    Resource,
    api::{Api, ListParams},
    core::ObjectMeta,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Debug};
use tracing::warn;

/// The Secret of the account.
const ACCOUNT: &str = "acme-account";
/// Its key.
const CREDENTIALS: &str = "credentials.json";
/// The ConfigMap that tells agents how to answer.
const ACME: &str = "acme";
/// Its key.
const THUMBPRINT: &str = "thumbprint";
/// The Secret of orders on their way.
const ORDERS: &str = "acme-orders";
/// Objects in one page of a list: a full Secret is a MiB.
const PAGE: u32 = 16;
/// Shards that are written at the same time.
const AT_ONCE: usize = 8;

/// What was kept.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) records: BTreeMap<String, CertificateRecord>,
    /// Certificates that are good now.
    pub(super) certificates: BTreeMap<String, Checked>,
    pub(super) orders: BTreeMap<String, Pending>,
}

/// Records by host; nothing where one is forgotten.
pub(super) type Records = BTreeMap<String, Option<CertificateRecord>>;

/// The cluster, as the issuer writes it.
#[derive(Debug, Clone)]
pub(super) struct Store(pub(super) Cluster);

#[derive(Debug, Clone, Copy)]
enum Kind {
    Secret,
    ConfigMap,
}

impl Store {
    /// Reads everything that is kept.
    ///
    /// # Errors
    ///
    /// Where the API server does not do it.
    pub(super) async fn load(&self, now: Timestamp) -> Result<Loaded, ApiError> {
        let certificates = self.shards(|secret: Secret| {
            let data = secret.data.unwrap_or_default().into_iter();
            let checked = data.filter_map(|(key, value)| {
                let host = host_of(&key);
                match check(&value.0, &host, now) {
                    // The key of each host is not held for ever.
                    Ok(checked) => {
                        let pem = String::new();
                        Some((host, Checked { pem, ..checked }))
                    }
                    Err(problem) => {
                        warn!(host, %problem, "certificate is not used");
                        None
                    }
                }
            });
            checked.collect::<Vec<_>>()
        });
        let certificates = certificates.await?;
        let records = self.shards(|map: ConfigMap| {
            let data = map.data.unwrap_or_default().into_iter();
            let read = data.filter_map(|(key, value)| {
                let host = host_of(&key);
                match serde_json::from_str(&value) {
                    Ok(record) => Some((host, record)),
                    Err(error) => {
                        warn!(host, %error, "record is not readable");
                        None
                    }
                }
            });
            read.collect::<Vec<_>>()
        });
        let mut loaded = Loaded {
            records: records.await?.into_iter().flatten().collect(),
            certificates: certificates.into_iter().flatten().collect(),
            orders: BTreeMap::new(),
        };
        for (key, value) in self.secret(PRIVATE, ORDERS).await? {
            if let Ok(order) = serde_json::from_slice(&value.0) {
                loaded.orders.insert(host_of(&key), order);
            }
        }
        Ok(loaded)
    }

    /// What `read` makes of each shard of a kind.
    async fn shards<K, T>(&self, read: impl Fn(K) -> T) -> Result<Vec<T>, ApiError>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.0.client(), NAMESPACE);
        let api = &api;
        let params = ListParams::default()
            .labels(&format!("{}={}", LABEL.0, LABEL.1))
            .limit(PAGE);
        let page = |params| async move { api.list(&params).await };
        let keep = |shard| Some(read(shard));
        self.0.pages("list certificates", params, page, keep).await
    }

    async fn secret(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<BTreeMap<String, ByteString>, ApiError> {
        let api: Api<Secret> = Api::namespaced(self.0.client(), namespace);
        let what = format!("get Secret {namespace}/{name}");
        let found = self.0.call(&what, || api.get_opt(name)).await?;
        Ok(found.and_then(|it| it.data).unwrap_or_default())
    }

    /// The account that is kept.
    ///
    /// # Errors
    ///
    /// Where the API server does not do it.
    pub(super) async fn account(&self) -> Result<Option<Kept>, ApiError> {
        let mut data = self.secret(PRIVATE, ACCOUNT).await?;
        let json = data.remove(CREDENTIALS);
        Ok(json.and_then(|it| String::from_utf8(it.0).ok()).map(Kept))
    }

    /// Keeps an account.
    ///
    /// # Errors
    ///
    /// Where the API server does not do it.
    pub(super) async fn keep_account(&self, account: &Kept) -> Result<(), ApiError> {
        let data = BTreeMap::from([(CREDENTIALS.to_owned(), Some(account.0.clone()))]);
        self.change(Kind::Secret, ACCOUNT, data).await
    }

    /// Tells the agents how to answer.
    ///
    /// # Errors
    ///
    /// Where the API server does not do it.
    pub(super) async fn publish(&self, thumbprint: &str) -> Result<(), ApiError> {
        let data = BTreeMap::from([(THUMBPRINT.to_owned(), Some(thumbprint.to_owned()))]);
        self.change(Kind::ConfigMap, ACME, data).await
    }

    /// Keeps an order on its way; nothing where it is over.
    ///
    /// # Errors
    ///
    /// Where the API server does not do it.
    pub(super) async fn order(&self, host: &str, order: Option<&Pending>) -> Result<(), ApiError> {
        // Only a map whose keys are no text could fail.
        let json = order.map(|it| serde_json::to_string(it).unwrap_or_default());
        let data = BTreeMap::from([(key_of(host), json)]);
        self.change(Kind::Secret, ORDERS, data).await
    }

    /// Keeps the certificate of a host.
    ///
    /// # Errors
    ///
    /// Where the API server does not do it, such as where the shard is full.
    pub(super) async fn certificate(&self, host: &str, pem: &str) -> Result<(), Problem> {
        let name = shard_name(shard_of(host));
        let data = BTreeMap::from([(key_of(host), Some(pem.to_owned()))]);
        let written = self.change(Kind::Secret, &name, data).await;
        written.map_err(|error| not_stored(host, &name, &error))
    }

    /// Whether the certificate of a host is kept.
    ///
    /// # Errors
    ///
    /// Where the API server does not do it.
    pub(super) async fn has(&self, host: &str) -> Result<bool, ApiError> {
        let secret = self.secret(NAMESPACE, &shard_name(shard_of(host))).await?;
        Ok(secret.contains_key(&key_of(host)))
    }

    /// Keeps records, and forgets those that are nothing; gives those that were not written.
    pub(super) async fn records(&self, records: Records) -> Vec<String> {
        let mut shards: BTreeMap<u32, Records> = BTreeMap::new();
        for (host, record) in records {
            shards
                .entry(shard_of(&host))
                .or_default()
                .insert(host, record);
        }
        let write = |(shard, records): (u32, Records)| async move {
            let hosts: Vec<String> = records.keys().cloned().collect();
            match self.shard(&shard_name(shard), records).await {
                Ok(()) => Vec::new(),
                Err(error) => {
                    warn!(shard = shard_name(shard), %error, "records are not written");
                    hosts
                }
            }
        };
        let failed: Vec<Vec<String>> = stream::iter(shards)
            .map(write)
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        failed.concat()
    }

    async fn shard(&self, name: &str, records: Records) -> Result<(), ApiError> {
        // The certificate of a host that is forgotten is over, and goes first: one without a record
        // would be found again.
        let gone: BTreeMap<String, Option<String>> = records
            .iter()
            .filter(|(_, record)| record.is_none())
            .map(|(host, _)| (key_of(host), None))
            .collect();
        if !gone.is_empty() {
            self.change(Kind::Secret, name, gone).await?;
        }
        let data = records
            .into_iter()
            .map(|(host, record)| {
                // Only a map whose keys are no text could fail.
                let json = record.map(|it| serde_json::to_string(&it).unwrap_or_default());
                (key_of(&host), json)
            })
            .collect();
        self.change(Kind::ConfigMap, name, data).await
    }

    /// Changes keys of an object, and makes it where it is missing.
    async fn change(
        &self,
        kind: Kind,
        name: &str,
        data: BTreeMap<String, Option<String>>,
    ) -> Result<(), ApiError> {
        let data: BTreeMap<String, Value> = data
            .into_iter()
            .map(|(key, value)| {
                let encoded = value.map(|text| match kind {
                    Kind::Secret => BASE64_STANDARD.encode(text),
                    Kind::ConfigMap => text,
                });
                (key, encoded.map_or(Value::Null, Value::String))
            })
            .collect();
        let patch = json!({ "data": data });
        let empty = empty(kind, name);
        if self.0.merge(empty.identity(), None, &patch).await? {
            return Ok(());
        }
        self.0.apply(&empty, Conflicts::Refuse).await?;
        let what = empty.identity();
        if self.0.merge(what, None, &patch).await? {
            return Ok(());
        }
        // Somebody deletes it again and again.
        Err(ApiError::Slow {
            what: format!("change {what}"),
            within: client::REQUEST,
        })
    }
}

/// The object with its labels and without contents.
fn empty(kind: Kind, name: &str) -> Object {
    let shard = name.starts_with("certificates-");
    let private = [ACCOUNT, ORDERS].contains(&name);
    let mut labels = BTreeMap::from([(
        "app.kubernetes.io/managed-by".to_owned(),
        "longshore".to_owned(),
    )]);
    let component = if shard { LABEL.1 } else { "acme" };
    labels.insert(LABEL.0.to_owned(), component.to_owned());
    let metadata = ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(if private { PRIVATE } else { NAMESPACE }.to_owned()),
        labels: Some(labels),
        ..ObjectMeta::default()
    };
    match kind {
        Kind::Secret => Object::new(&Secret {
            metadata,
            ..Secret::default()
        }),
        Kind::ConfigMap => Object::new(&ConfigMap {
            metadata,
            ..ConfigMap::default()
        }),
    }
}

fn not_stored(host: &str, name: &str, error: &ApiError) -> Problem {
    let text = error.to_string();
    // Kubernetes: `data: Too long: may not be more than 1048576 bytes`.
    let full = matches!(error, ApiError::Refused { status, .. } if status.code == 413
        || (status.code == 422 && status.message.contains("Too long")));
    if full {
        return Problem::host(
            "shard-full",
            format!(
                "the certificate of {host} does not fit into Secret {NAMESPACE}/{name}, which \
                 holds 1 MiB; the operator has to look at what is in it"
            ),
        );
    }
    Problem::us(
        "not-stored",
        format!("the certificate of {host} is not stored yet: {text}"),
    )
}
