//! The CustomResourceDefinitions: generated from the types, and made as plain as the API server
//! likes them.

use super::{Release, Rollout, Shop, ShopClass};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::CustomResourceExt as _;

/// The four definitions, in the order in which they are installed.
#[must_use]
pub fn definitions() -> [CustomResourceDefinition; 4] {
    [
        ShopClass::crd(),
        Release::crd(),
        Shop::crd(),
        Rollout::crd(),
    ]
    .map(plain)
}

fn plain(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        if let Some(schema) = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
        {
            tidy(schema);
        }
    }
    crd
}

/// Leaves out what the API server does not know or need.
fn tidy(schema: &mut JSONSchemaProps) {
    // Not of OpenAPI: the API server would warn at each apply. The range says the same.
    schema.format.take_if(|format| format.starts_with("uint"));
    // A null for an optional field is dropped by the API server, so that nobody has to tell it from
    // a missing one.
    schema.nullable = None;
    if let Some(text) = &mut schema.description {
        // `kubectl explain` breaks lines itself.
        *text = text.replace('\n', " ");
    }
    schema
        .properties
        .iter_mut()
        .flatten()
        .for_each(|(_, inner)| tidy(inner));
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        tidy(items);
    }
    if let Some(k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaPropsOrBool::Schema(values)) =
        &mut schema.additional_properties
    {
        tidy(values);
    }
}
