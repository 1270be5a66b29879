//! One generated object: who it is, and its bytes.

use kube::Resource;
use release::Sha256;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, cell::RefCell, fmt};

/// Who an object is for the API server.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// Such as `apps/v1`.
    pub api_version: Cow<'static, str>,
    /// Such as `Deployment`.
    pub kind: Cow<'static, str>,
    /// `None` if the kind is cluster-scoped.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// A generated object, ready for a server-side apply.
///
/// ```
/// use k8s_openapi::api::core::v1::Namespace;
/// use api::Object;
///
/// let mut namespace = Namespace::default();
/// namespace.metadata.name = Some("shop-acme".to_owned());
/// let object = Object::new(&namespace);
/// assert_eq!(object.identity().to_string(), "Namespace shop-acme");
/// let json = br#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop-acme"}}"#;
/// assert_eq!(object.json(), json);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    identity: Identity,
    json: Vec<u8>,
}

impl Object {
    /// The object as it is written: fields in the order of their types, maps sorted, nothing that
    /// is absent.
    #[must_use]
    pub fn new<T>(object: &T) -> Self
    where
        T: Resource<DynamicType = ()> + Serialize,
    {
        let meta = object.meta();
        let identity = Identity {
            api_version: T::api_version(&()),
            kind: T::kind(&()),
            namespace: meta.namespace.clone(),
            name: meta.name.clone().unwrap_or_default(),
        };
        Self {
            identity,
            json: bytes(object),
        }
    }

    /// An object of a kind that no crate has types for; `object` names itself.
    pub fn of_kind(
        api_version: &'static str,
        kind: &'static str,
        meta: &kube::core::ObjectMeta,
        object: &impl Serialize,
    ) -> Self {
        let identity = Identity {
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: meta.namespace.clone(),
            name: meta.name.clone().unwrap_or_default(),
        };
        Self {
            identity,
            json: bytes(object),
        }
    }

    /// An object that was read from somewhere, such as a file or the API server.
    #[must_use]
    pub fn dynamic(object: &kube::core::DynamicObject) -> Self {
        let types = object.types.clone().unwrap_or_default();
        let identity = Identity {
            api_version: types.api_version.into(),
            kind: types.kind.into(),
            namespace: object.metadata.namespace.clone(),
            name: object.metadata.name.clone().unwrap_or_default(),
        };
        Self {
            identity,
            json: bytes(object),
        }
    }

    /// Who it is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Its JSON, the same bytes for the same object at every time.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// The digest of its JSON: what the hash gate compares.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        Sha256::digest(&self.json)
    }

    /// The object as a tree, for who looks into it.
    #[must_use]
    pub fn value(&self) -> serde_json::Value {
        serde_json::from_slice(&self.json).unwrap_or_default()
    }
}

fn bytes(object: &impl Serialize) -> Vec<u8> {
    thread_local! {
        /// Grows to the largest object once, and not anew for each.
        static ROOM: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    ROOM.with_borrow_mut(|room| {
        room.clear();
        // Only a map whose keys are no text could fail, and none of these types has one.
        serde_json::to_writer(&mut *room, object).unwrap_or_default();
        room.clone()
    })
}
