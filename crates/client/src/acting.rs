//! A connection that acts as somebody else: each of its requests is impersonated, over the
//! connections of the program itself.

use crate::Cluster;
use http::{HeaderName, HeaderValue, Request};
use kube::{Client, client::Body};
use std::sync::Arc;
use tower::service_fn;

const USER: HeaderName = HeaderName::from_static("impersonate-user");
const GROUP: HeaderName = HeaderName::from_static("impersonate-group");
/// What names of Kubernetes' own begin with: whoever acts as one of them may do what no person may.
const RESERVED: &str = "system:";

/// Somebody as whom requests are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Somebody {
    name: String,
    headers: Arc<[(HeaderName, HeaderValue)]>,
}

/// Nobody can act under this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SomebodyError {
    /// The name is one of Kubernetes' own.
    #[error("{what} {name:?} begins with system:, which is for Kubernetes' own accounts")]
    Reserved {
        /// A user or a group.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The name is empty, or would not arrive as it is.
    #[error("{what} {name:?} is empty, begins or ends with a space, or has control characters")]
    Form {
        /// A user or a group.
        what: &'static str,
        /// Its name.
        name: String,
    },
}

impl Somebody {
    /// A user and the groups of that user.
    ///
    /// # Errors
    ///
    /// If one of the names is of Kubernetes' own, or cannot be sent as it is.
    pub fn new(name: &str, groups: &[String]) -> Result<Self, SomebodyError> {
        let user = (USER, value("the user", name)?);
        let groups = groups
            .iter()
            .map(|group| Ok((GROUP, value("the group", group)?)));
        let all = std::iter::once(Ok(user)).chain(groups);
        Ok(Self {
            name: name.to_owned(),
            headers: all.collect::<Result<_, _>>()?,
        })
    }

    /// The name of the user.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn value(what: &'static str, name: &str) -> Result<HeaderValue, SomebodyError> {
    let name_of = || name.to_owned();
    // The API server compares bytes; but what looks like a reserved name is none that a person has.
    if name.trim_start().to_lowercase().starts_with(RESERVED) {
        return Err(SomebodyError::Reserved {
            what,
            name: name_of(),
        });
    }
    let form = || SomebodyError::Form {
        what,
        name: name_of(),
    };
    // Servers trim the values of headers: another name would arrive.
    if name.is_empty() || name.trim() != name || name.contains(char::is_control) {
        return Err(form());
    }
    HeaderValue::from_bytes(name.as_bytes()).map_err(|_| form())
}

impl Cluster {
    /// The same connection, each of whose requests is made as `somebody`. What the program may do
    /// itself counts for none of them.
    #[must_use]
    pub fn acting_as(&self, somebody: &Somebody) -> Self {
        let (client, headers) = (self.client(), Arc::clone(&somebody.headers));
        let namespace = client.default_namespace().to_owned();
        let service = service_fn(move |mut request: Request<Body>| {
            let client = client.clone();
            for (name, value) in headers.iter() {
                request.headers_mut().append(name, value.clone());
            }
            async move { client.send(request).await }
        });
        self.through(Client::new(service, namespace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn somebody(name: &str, groups: &[&str]) -> Result<Somebody, SomebodyError> {
        let groups: Vec<_> = groups.iter().map(|group| (*group).to_owned()).collect();
        Somebody::new(name, &groups)
    }

    #[test]
    fn nobody_acts_as_an_account_of_kubernetes() {
        for (user, group) in [
            ("system:admin", "a"),
            ("system:", "a"),
            (" System:admin", "a"),
            ("anna", "system:masters"),
        ] {
            let error = somebody(user, &[group]).unwrap_err();
            assert!(matches!(error, SomebodyError::Reserved { .. }), "{error}");
        }
        somebody("oidc:system:admin", &["systems"]).unwrap();
    }

    #[test]
    fn a_name_arrives_as_it_is_or_not_at_all() {
        for bad in ["", " anna", "anna ", "an\nna", "an\u{85}na", "an\0na"] {
            let error = somebody(bad, &[]).unwrap_err();
            assert!(matches!(error, SomebodyError::Form { .. }), "{error}");
            somebody("anna", &[bad]).unwrap_err();
        }
        let found = somebody("Ægir Ö", &["a,b", "c d"]).unwrap();
        assert_eq!(found.headers[0].1.as_bytes(), "Ægir Ö".as_bytes());
        assert_eq!(found.headers.len(), 3);
    }
}
