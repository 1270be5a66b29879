//! Who asks.

use crate::rights::{Right, Rights};
use client::{ApiError, Cluster};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Api, PostParams};
use operations::Who;

/// Who asks, and the connection that acts as that person.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    /// The name that the API server knows.
    pub(crate) name: String,
    /// What acts as the person.
    pub(crate) cluster: Cluster,
    rights: Rights,
}

impl Person {
    /// Whoever `cluster` acts as, as the API server calls that person. `namespace` is that of the
    /// scheduler.
    ///
    /// # Errors
    ///
    /// If the API server does not say it.
    pub(crate) async fn of(cluster: Cluster, namespace: &str) -> Result<Self, ApiError> {
        let api: Api<SelfSubjectReview> = Api::all(cluster.client());
        let (params, review) = (PostParams::default(), SelfSubjectReview::default());
        let call = || api.create(&params, &review);
        let answer = cluster.call("ask who this is", call).await?;
        let name = answer
            .status
            .and_then(|status| status.user_info)
            .and_then(|user| user.username);
        Ok(Self {
            name: name.unwrap_or_else(|| "unknown".to_owned()),
            rights: Rights::new(cluster.clone(), namespace),
            cluster,
        })
    }

    /// Whether the person may do this.
    pub(crate) async fn may(&self, right: Right, name: Option<&str>) -> bool {
        self.rights.may(right, name).await
    }

    /// The person, for the record.
    pub(crate) fn who(&self, why: &str) -> Who {
        Who {
            by: self.name.clone(),
            why: why.trim().to_owned(),
        }
    }
}
