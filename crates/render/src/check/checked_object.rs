//! An object as checks see it: its tree, and the pod that it makes.

use super::Finding;
use api::{Identity, Object};
use serde_json::Value;

/// One object.
#[derive(Debug)]
pub(super) struct CheckedObject<'a> {
    pub(super) object: &'a Object,
    pub(super) value: Value,
}

impl<'a> CheckedObject<'a> {
    pub(super) fn at(object: &'a Object) -> Self {
        Self {
            object,
            value: object.value(),
        }
    }

    pub(super) fn identity(&self) -> &'a Identity {
        self.object.identity()
    }

    pub(super) fn kind(&self) -> &'a str {
        &self.object.identity().kind
    }

    pub(super) fn find(
        &self,
        rule: &'static str,
        problem: impl Into<String>,
        findings: &mut Vec<Finding>,
    ) {
        findings.push(Finding {
            object: self.identity().clone(),
            rule,
            problem: problem.into(),
        });
    }

    /// The template of the pods that this object makes.
    pub(super) fn template(&self) -> Option<&Value> {
        match self.kind() {
            "Deployment" | "Job" | "DaemonSet" => self.value.pointer("/spec/template"),
            "CronJob" => self.value.pointer("/spec/jobTemplate/spec/template"),
            _ => None,
        }
    }

    /// The containers of those pods, init containers first.
    pub(super) fn containers(&self) -> impl Iterator<Item = &Value> {
        let spec = self.template().map(|template| &template["spec"]);
        let of = move |field: &str| spec.map(|spec| list(&spec[field])).into_iter().flatten();
        of("initContainers").chain(of("containers"))
    }
}

/// The items of a list, and none of what is no list.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text, or nothing.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
