//! Deployments, Jobs, CronJobs and routes as they are watched: metadata and a few numbers, without
//! the pod template, which is most of them.

use super::state::Route;
use api::Truth;
use client::{Found, Kind};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{
    Resource,
    core::{ApiResource, DynamicResourceScope, ObjectMeta},
};
use serde::{Deserialize, de::IgnoredAny};
use std::borrow::Cow;

/// A workload, as it is held.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) found: Found,
    pub(crate) spec: Spec,
    pub(crate) status: Status,
}

impl Workload {
    /// Nothing for an object without a name.
    pub(crate) fn new(kind: &Kind, object: Observed) -> Option<Self> {
        Some(Self {
            found: Found::new(kind, object.metadata)?,
            spec: object.spec,
            status: object.status,
        })
    }
}

/// A workload, as it comes.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Observed {
    #[serde(default)]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

/// What is wanted of it.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Spec {
    pub(crate) replicas: Option<u32>,
}

/// How it is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Status {
    pub(crate) observed_generation: i64,
    pub(crate) replicas: u32,
    pub(crate) ready_replicas: u32,
    pub(crate) updated_replicas: u32,
    pub(crate) conditions: Vec<Ended>,
    /// Of a CronJob.
    pub(crate) last_successful_time: Option<Time>,
    /// Of an Ingress.
    pub(crate) load_balancer: LoadBalancer,
    /// Of an HTTPRoute: what each Gateway says of it.
    pub(crate) parents: Vec<Parent>,
}

impl Status {
    /// Whether visitors' requests take this route, as far as its controller has said so.
    pub(crate) fn route(&self) -> Route {
        if !self.load_balancer.ingress.is_empty() {
            return (Truth::True, String::new());
        }
        let accepted = |parent: &Parent| {
            parent
                .conditions
                .iter()
                .find(|it| it.kind == "Accepted")
                .map(|it| (it.status == "True", it.message.clone()))
        };
        match self.parents.iter().find_map(accepted) {
            Some((true, _)) => (Truth::True, String::new()),
            Some((false, why)) => (Truth::False, why),
            None => (Truth::Unknown, String::new()),
        }
    }
}

/// Addresses of an Ingress.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct LoadBalancer {
    ingress: Vec<IgnoredAny>,
}

/// What a Gateway says of an HTTPRoute.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Parent {
    conditions: Vec<Ended>,
}

/// A condition, as far as it matters.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Ended {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) status: String,
    #[serde(default)]
    message: String,
}

impl Resource for Observed {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(dt: &ApiResource) -> Cow<'_, str> {
        dt.kind.as_str().into()
    }

    fn group(dt: &ApiResource) -> Cow<'_, str> {
        dt.group.as_str().into()
    }

    fn version(dt: &ApiResource) -> Cow<'_, str> {
        dt.version.as_str().into()
    }

    fn api_version(dt: &ApiResource) -> Cow<'_, str> {
        dt.api_version.as_str().into()
    }

    fn plural(dt: &ApiResource) -> Cow<'_, str> {
        dt.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
