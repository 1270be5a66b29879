//! Deployments, Jobs, CronJobs and routes as they are watched: metadata and a few numbers, without
//! the pod template, which is most of them; and what is kept of that.

use api::Truth;
use client::{Kind, ObjectSummary};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{
    Resource,
    core::{ApiResource, DynamicResourceScope, ObjectMeta},
};
use serde::{Deserialize, de::IgnoredAny};
use std::borrow::Cow;

/// Begins the name of such a Job; its day follows, so that a failed one is tried again.
pub const LAST_BACKUP: &str = "last-backup-";

/// Pods of a Deployment, and how its last rolling update goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pods {
    /// Pods that are asked for.
    pub wanted: u32,
    /// Pods that serve.
    pub ready: u32,
    /// Pods of the newest template.
    pub updated: u32,
    /// Whether the controller has seen the newest template.
    pub current: bool,
}

/// The state of a Job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It is running, or waits for a pod.
    Runs,
    /// It succeeded.
    Done,
    /// It failed.
    Failed,
}

/// What the controller of an Ingress or HTTPRoute said about it; nothing while that is `Unknown`.
pub type Route = (Truth, String);

/// The sequence of a migration Job.
#[must_use]
pub fn migration_of(job: &str) -> Option<u64> {
    job.strip_prefix("release-")?.parse().ok()
}

/// A workload, as it is held.
#[derive(Debug)]
pub struct Workload {
    /// What it is, and its metadata.
    pub found: ObjectSummary,
    /// What is wanted of it.
    pub spec: Spec,
    /// How it is.
    pub status: Status,
}

impl Workload {
    /// Nothing for an object without a name.
    #[must_use]
    pub fn new(kind: &Kind, object: RawWorkload) -> Option<Self> {
        Some(Self {
            found: ObjectSummary::new(kind, object.metadata)?,
            spec: object.spec,
            status: object.status,
        })
    }
}

/// A workload, as it comes.
#[derive(Debug, Clone, Deserialize)]
pub struct RawWorkload {
    #[serde(default)]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

/// What is wanted of it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Spec {
    pub replicas: Option<u32>,
}

/// How it is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    pub observed_generation: i64,
    pub replicas: u32,
    pub ready_replicas: u32,
    pub updated_replicas: u32,
    pub conditions: Vec<Ended>,
    /// Of a CronJob.
    pub last_successful_time: Option<Time>,
    /// Of an Ingress.
    pub load_balancer: LoadBalancer,
    /// Of an HTTPRoute: what each Gateway says of it.
    pub parents: Vec<Parent>,
}

impl Status {
    /// Whether visitors' requests take this route, as far as its controller has said so.
    pub fn route(&self) -> Route {
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
pub struct LoadBalancer {
    ingress: Vec<IgnoredAny>,
}

/// What a Gateway says of an HTTPRoute.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Parent {
    conditions: Vec<Ended>,
}

/// A condition, as far as it matters.
#[derive(Debug, Clone, Deserialize)]
pub struct Ended {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
    #[serde(default)]
    message: String,
}

impl Resource for RawWorkload {
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
