//! What changes the cluster.

use super::{Cluster, Conflicts, EDITOR, MANAGER, Mode, PERSON, marked, params, value};
use crate::ApiError;
use api::{Identity, Object, ObjectMetaSummary};
use kube::api::{
    DeleteParams, Patch, PatchParams, Preconditions, PropagationPolicy, ValidationDirective,
};
use serde_json::Value;

impl Cluster {
    /// Writes an object by server-side apply, and gives what is known of it then.
    ///
    /// # Errors
    ///
    /// If the API server does not do it.
    pub async fn apply(
        &self,
        object: &Object,
        conflicts: Conflicts,
    ) -> Result<ObjectMetaSummary, ApiError> {
        let (api, name) = (self.objects(object.identity()), &object.identity().name);
        let (body, params) = (Patch::Apply(marked(object)), params(Mode::Real, conflicts));
        let what = format!("apply {}", object.identity());
        let stored = self
            .write(&what, || api.patch_metadata(name, &params, &body))
            .await?;
        Ok(ObjectMetaSummary::new(&stored.metadata))
    }

    /// What the API server would store.
    ///
    /// # Errors
    ///
    /// If the API server does not do it.
    pub async fn try_apply(
        &self,
        object: &Object,
        conflicts: Conflicts,
    ) -> Result<Value, ApiError> {
        let (api, name) = (self.objects(object.identity()), &object.identity().name);
        let (body, params) = (Patch::Apply(marked(object)), params(Mode::Dry, conflicts));
        let what = format!("apply {} (dry run)", object.identity());
        Ok(value(
            &self.call(&what, || api.patch(name, &params, &body)).await?,
        ))
    }

    /// Stores a resource of the registry as a person's file has it. The field manager is kubectl's,
    /// so that both can be used in turn.
    ///
    /// # Errors
    ///
    /// If the API server does not do it.
    pub async fn put(
        &self,
        resource: &Object,
        mode: Mode,
        conflicts: Conflicts,
    ) -> Result<Value, ApiError> {
        let (api, name) = (self.objects(resource.identity()), &resource.identity().name);
        let params = PatchParams {
            field_manager: Some(PERSON.to_owned()),
            ..params(mode, conflicts)
        };
        let body = Patch::Apply(resource.value());
        let what = format!(
            "apply {}{}",
            resource.identity(),
            if mode == Mode::Dry { " (dry run)" } else { "" }
        );
        Ok(value(
            &self
                .write(&what, || api.patch(name, &params, &body))
                .await?,
        ))
    }

    /// The object as it is stored, if there is one.
    ///
    /// # Errors
    ///
    /// If the API server does not do it.
    pub async fn get(&self, identity: &Identity) -> Result<Option<Value>, ApiError> {
        let api = self.objects(identity);
        let found = self
            .call(&format!("get {identity}"), || api.get_opt(&identity.name))
            .await?;
        Ok(found.map(|object| value(&object)))
    }

    /// Changes an object by a JSON merge patch, of a subresource if one is named. One that is
    /// gone is no error: `false`.
    ///
    /// # Errors
    ///
    /// If the API server does not do it.
    pub async fn merge(
        &self,
        identity: &Identity,
        subresource: Option<&str>,
        patch: &Value,
    ) -> Result<bool, ApiError> {
        let (api, params, body) = (
            self.objects(identity),
            PatchParams {
                field_manager: Some(MANAGER.into()),
                ..PatchParams::default()
            },
            Patch::Merge(patch),
        );
        let what = format!("change {identity}");
        let call = || async {
            match subresource {
                None => api
                    .patch_metadata(&identity.name, &params, &body)
                    .await
                    .map(drop),
                Some(part) => api
                    .patch_subresource(part, &identity.name, &params, &body)
                    .await
                    .map(drop),
            }
        };
        match self.write(&what, call).await {
            Ok(()) => Ok(true),
            Err(error) if error.is_missing() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Changes an object by a JSON merge patch, if it still is at `version`; `false` if it is
    /// not.
    ///
    /// # Errors
    ///
    /// If the API server does not do it.
    pub async fn merge_if(
        &self,
        identity: &Identity,
        version: &str,
        mut patch: Value,
    ) -> Result<bool, ApiError> {
        patch["metadata"]["resourceVersion"] = version.into();
        let api = self.objects(identity);
        let (params, body) = (
            PatchParams {
                field_manager: Some(MANAGER.into()),
                ..PatchParams::default()
            },
            Patch::Merge(patch),
        );
        let call = || async {
            match api.patch_metadata(&identity.name, &params, &body).await {
                Ok(_) => Ok(true),
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(false),
                Err(error) => Err(error),
            }
        };
        self.write(&format!("change {identity}"), call).await
    }

    /// Changes an object by a JSON merge patch in a person's name, and gives it as it is stored
    /// then, or would be; `None` if it no longer is at `version`.
    ///
    /// # Errors
    ///
    /// If the API server does not do it.
    pub async fn edit(
        &self,
        identity: &Identity,
        version: &str,
        patch: &Value,
        mode: Mode,
    ) -> Result<Option<Value>, ApiError> {
        let mut patch = patch.clone();
        patch["metadata"]["resourceVersion"] = version.into();
        let api = self.objects(identity);
        let params = PatchParams {
            dry_run: mode == Mode::Dry,
            field_manager: Some(EDITOR.to_owned()),
            field_validation: Some(ValidationDirective::Strict),
            ..PatchParams::default()
        };
        let body = Patch::Merge(patch);
        let call = || async {
            match api.patch(&identity.name, &params, &body).await {
                Ok(stored) => Ok(Some(value(&stored))),
                Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
                Err(error) => Err(error),
            }
        };
        self.write(&format!("change {identity}"), call).await
    }

    /// Deletes the object that has this UID, and no other. One that is gone is no error.
    ///
    /// # Errors
    ///
    /// If the API server does not do it.
    pub async fn delete(&self, identity: &Identity, uid: &str) -> Result<(), ApiError> {
        let api = self.objects(identity);
        let preconditions = Some(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        });
        let params = DeleteParams {
            preconditions,
            propagation_policy: Some(PropagationPolicy::Background),
            ..DeleteParams::default()
        };
        let deleted = self
            .write(&format!("delete {identity}"), || async {
                api.delete(&identity.name, &params).await.map(drop)
            })
            .await;
        match deleted {
            Err(error) if error.is_missing() => Ok(()),
            other => other,
        }
    }
}
