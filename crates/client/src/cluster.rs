//! A connection to the API server, and every call that Longshore makes.

mod metadata;
mod pages;
mod write;

pub use metadata::World;

use crate::{ApiError, kind::resource_of, retry};
use api::{APPLIED, Identity, Object};
use futures_util::future::BoxFuture;
use kube::{
    Client, Config,
    api::{Api, DynamicObject, PatchParams, ValidationDirective},
    config::KubeConfigOptions,
};
use serde_json::{Value, json};
use std::{fmt, future::Future, sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};

/// The one field manager under which everything is written.
pub const MANAGER: &str = "longshore";
/// The field manager of `kubectl apply --server-side`.
const PERSON: &str = "kubectl";
/// The field manager of what people change in the console.
const EDITOR: &str = "longshore-console";
/// Label selector of everything that is ours.
pub const OURS: &str = "app.kubernetes.io/managed-by=longshore";
/// How long one request may take.
pub const REQUEST: Duration = Duration::from_secs(8);
/// What happens to fields that another manager owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflicts {
    /// The object is not written, and the owner is named.
    Refuse,
    /// They become ours; only fields that we ask for.
    Take,
}

/// Whether anything is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The API server says what would be stored, and stores nothing.
    Dry,
    /// It is stored.
    Real,
}

/// Says whether this process may still write.
pub type Fence = Arc<dyn Fn() -> bool + Send + Sync>;

/// Waits for a request's turn.
pub type RequestGate = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// A connection to the API server.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    /// How long a call may take in all, including retries.
    patience: Duration,
    fence: Option<Fence>,
    gate: Option<RequestGate>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

impl Cluster {
    /// Connects as kubectl does: the kubeconfig's context, or the pod's service account.
    ///
    /// # Errors
    ///
    /// If the API server does not do it.
    pub async fn connect(context: Option<&str>, patience: Duration) -> Result<Self, ApiError> {
        let failed = |error: kube::Error| ApiError::Config(Box::new(error));
        let options = KubeConfigOptions {
            context: context.map(str::to_owned),
            ..KubeConfigOptions::default()
        };
        let mut config = match context {
            Some(_) => Config::from_kubeconfig(&options)
                .await
                .map_err(|error| failed(error.into()))?,
            None => Config::infer()
                .await
                .map_err(|error| failed(kube::Error::InferConfig(error)))?,
        };
        config.connect_timeout = Some(Duration::from_secs(5));
        // Our retries have a deadline, and obey the API server's Retry-After.
        config.default_retry = false;
        Ok(Self {
            client: Client::try_from(config).map_err(failed)?,
            patience,
            fence: None,
            gate: None,
        })
    }

    /// A connection that tests play.
    #[cfg(any(test, feature = "fixtures"))]
    #[must_use]
    pub fn over(client: Client) -> Self {
        Self {
            client,
            patience: REQUEST,
            fence: None,
            gate: None,
        }
    }

    /// The same connection, which gives calls up after this time.
    #[must_use]
    pub fn patient(&self, patience: Duration) -> Self {
        Self {
            patience,
            ..self.clone()
        }
    }

    /// Makes a call once, for callers that come back anyway.
    ///
    /// # Errors
    ///
    /// If the API server does not do it.
    pub async fn once<T, F>(&self, what: &str, call: impl FnOnce() -> F) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, kube::Error>>,
    {
        self.pass().await;
        match timeout(Duration::from_secs(3), call()).await {
            Ok(answer) => answer.map_err(|error| ApiError::new(what, error)),
            Err(_elapsed) => Err(ApiError::Slow {
                what: what.to_owned(),
                within: Duration::from_secs(3),
            }),
        }
    }

    /// The same connection, whose writes stop where `fence` says so.
    #[must_use]
    pub fn fenced(&self, fence: Fence) -> Self {
        Self {
            fence: Some(fence),
            ..self.clone()
        }
    }

    /// The same connection, each of whose requests waits for its turn.
    #[must_use]
    pub fn queued(&self, gate: RequestGate) -> Self {
        Self {
            gate: Some(gate),
            ..self.clone()
        }
    }

    async fn pass(&self) {
        if let Some(gate) = &self.gate {
            gate().await;
        }
    }

    /// The same connection through another client.
    pub(crate) fn through(&self, client: Client) -> Self {
        Self {
            client,
            ..self.clone()
        }
    }

    /// The kube client beneath it, for calls that this type does not offer.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    fn objects(&self, identity: &Identity) -> Api<DynamicObject> {
        let resource = resource_of(identity);
        match &identity.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }

    /// Makes a call, with its deadlines.
    ///
    /// # Errors
    ///
    /// If the API server does not do it.
    pub async fn call<T, F>(&self, what: &str, call: impl Fn() -> F) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, kube::Error>>,
    {
        let once = || async {
            self.pass().await;
            match timeout(REQUEST, call()).await {
                Ok(answer) => answer.map_err(|error| ApiError::new(what, error)),
                Err(_elapsed) => Err(ApiError::Slow {
                    what: what.to_owned(),
                    within: REQUEST,
                }),
            }
        };
        retry::until(Instant::now() + self.patience, once).await
    }

    /// The same for a call that writes.
    ///
    /// # Errors
    ///
    /// If the API server does not do it.
    pub async fn write<T, F>(&self, what: &str, call: impl Fn() -> F) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, kube::Error>>,
    {
        let once = || async {
            self.pass().await;
            // Checked last, because the turn may take long to come.
            if self.fence.as_ref().is_some_and(|fence| !fence()) {
                return Err(ApiError::Fenced {
                    what: what.to_owned(),
                });
            }
            match timeout(REQUEST, call()).await {
                Ok(answer) => answer.map_err(|error| ApiError::new(what, error)),
                Err(_elapsed) => Err(ApiError::Slow {
                    what: what.to_owned(),
                    within: REQUEST,
                }),
            }
        };
        retry::until(Instant::now() + self.patience, once).await
    }
}

/// Who a Shop is.
#[must_use]
pub fn shop(name: &str) -> Identity {
    longshore("Shop", name)
}

/// Who one of our own resources is.
#[must_use]
pub fn longshore(kind: &'static str, name: &str) -> Identity {
    Identity {
        api_version: "longshore.dev/v1alpha1".into(),
        kind: kind.into(),
        namespace: None,
        name: name.to_owned(),
    }
}

fn params(mode: Mode, conflicts: Conflicts) -> PatchParams {
    PatchParams {
        dry_run: mode == Mode::Dry,
        force: conflicts == Conflicts::Take,
        field_manager: Some(MANAGER.to_owned()),
        field_validation: Some(ValidationDirective::Strict),
    }
}

/// The object with the digest of itself on it: what the gate compares.
fn marked(object: &Object) -> Value {
    let mut value = object.value();
    if !value["metadata"]["annotations"].is_object() {
        value["metadata"]["annotations"] = json!({});
    }
    value["metadata"]["annotations"][APPLIED] = Value::from(object.digest().to_string());
    value
}

fn value(object: &DynamicObject) -> Value {
    // Only a map whose keys are no text could fail.
    serde_json::to_value(object).unwrap_or_default()
}

#[cfg(test)]
mod tests;
