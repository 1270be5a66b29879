//! Whether the program may act as the people who log in, and how much more than that it may.

use client::{ApiError, Cluster, Somebody};
use k8s_openapi::api::authorization::v1::ResourceAttributes;
use release::Reason;
use tracing::{info, warn};

/// A user whom nobody is, and who has no rights.
const NOBODY: &str = "longshore-console:probe";

/// Why the program cannot act as people.
#[derive(Debug, thiserror::Error)]
pub enum ImpersonationError {
    /// It may not.
    #[error(
        "the service account may act as nobody: it has neither impersonate:user-info of \
         authentication.k8s.io/users (from Kubernetes 1.36 on) nor impersonate of users"
    )]
    Forbidden(#[source] ApiError),
    /// The API server does not say it.
    #[error(transparent)]
    Api(#[from] ApiError),
}

impl ImpersonationError {
    /// The stable reason code.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Forbidden(_) => Reason::Impersonation,
            Self::Api(error) => error.reason(),
        }
    }
}

/// How the program acts as people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Impersonation {
    /// For the requests alone that its role lists.
    Constrained,
    /// For every request, as anybody: it is a cluster admin in all but name.
    Plain,
}

/// Finds out, and says it. The API server tries constrained impersonation first, so the right to
/// plain impersonation alone tells the two apart: whoever has it is not constrained.
///
/// # Errors
///
/// If the program may act as nobody, or if the API server does not say it.
pub(crate) async fn check(own: &Cluster) -> Result<Impersonation, ImpersonationError> {
    // Only a name of Kubernetes' own would fail.
    let nobody = Somebody::new(NOBODY, &[]).unwrap_or_else(|_| unreachable!());
    match own.acting_as(&nobody).who().await {
        Ok(_) => {}
        Err(error) if error.reason() == Reason::ApiForbidden => {
            return Err(ImpersonationError::Forbidden(error));
        }
        Err(error) => return Err(error.into()),
    }
    let anybody = ResourceAttributes {
        verb: Some("impersonate".to_owned()),
        resource: Some("users".to_owned()),
        ..ResourceAttributes::default()
    };
    let how = if own.may(anybody).await? {
        Impersonation::Plain
    } else {
        Impersonation::Constrained
    };
    match how {
        Impersonation::Constrained => info!("people are impersonated, for what the role lists"),
        Impersonation::Plain => warn!(
            "plain impersonation: the service account of this program can act as anybody in every \
             request, and so is a cluster admin. From Kubernetes 1.36 on, take the verb \
             impersonate away from it, and give it the roles of constrained impersonation"
        ),
    }
    Ok(how)
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::scripted::{Script, expect};
    use serde_json::json;

    const ME: &str = "POST /apis/authentication.k8s.io/v1/selfsubjectreviews";
    const MAY: &str = "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

    #[tokio::test]
    async fn whoever_may_act_as_anybody_is_told_from_whoever_may_not() {
        for (allowed, expected) in [
            (false, Impersonation::Constrained),
            (true, Impersonation::Plain),
        ] {
            let script = Script::new([
                expect(ME).answers(json!({})),
                expect(MAY).made_of(move |sent| {
                    assert_eq!(sent["spec"]["resourceAttributes"]["verb"], "impersonate");
                    json!({ "spec": sent["spec"], "status": { "allowed": allowed } })
                }),
            ]);
            assert_eq!(check(&script.cluster()).await.unwrap(), expected);
            script.end();
        }
    }

    #[tokio::test]
    async fn without_the_right_the_error_says_what_is_missing() {
        let forbidden = expect(ME).refuses(403, "Forbidden", "cannot impersonate");
        let script = Script::new([forbidden]);
        let error = check(&script.cluster()).await.unwrap_err();
        assert_eq!(error.reason(), Reason::Impersonation);
        assert!(
            error.to_string().contains("impersonate:user-info"),
            "{error}"
        );
        script.end();
    }
}
