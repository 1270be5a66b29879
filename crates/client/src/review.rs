//! What the API server says of who asks: the name, and what that account may do.

use crate::{ApiError, Cluster};
use k8s_openapi::api::{
    authentication::v1::SelfSubjectReview,
    authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
};
use kube::api::{Api, PostParams};

impl Cluster {
    /// The name under which the API server knows who asks.
    ///
    /// # Errors
    ///
    /// If the API server does not say it.
    pub async fn who(&self) -> Result<String, ApiError> {
        let api: Api<SelfSubjectReview> = Api::all(self.client());
        let (params, review) = (PostParams::default(), SelfSubjectReview::default());
        let call = || api.create(&params, &review);
        let answer = self.call("ask who this is", call).await?;
        let user = answer.status.and_then(|status| status.user_info);
        let name = user.and_then(|user| user.username);
        Ok(name.unwrap_or_else(|| "unknown".to_owned()))
    }

    /// Whether who asks may do this. It is asked once: callers come back anyway.
    ///
    /// # Errors
    ///
    /// If the API server does not say it.
    pub async fn may(&self, attributes: ResourceAttributes) -> Result<bool, ApiError> {
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(attributes),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let api: Api<SelfSubjectAccessReview> = Api::all(self.client());
        let params = PostParams::default();
        let call = || async { api.create(&params, &review).await };
        let answered = self.once("ask for rights", call).await?;
        Ok(answered.status.is_some_and(|status| status.allowed))
    }
}
