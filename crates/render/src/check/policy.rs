//! Every pod is selected by a NetworkPolicy, and where its way out is closed, by one that opens it.

use super::{
    Finding,
    checked_object::{CheckedObject, list, text},
};
use serde_json::Value;

pub(super) fn check(objects: &[CheckedObject<'_>], findings: &mut Vec<Finding>) {
    let policies: Vec<&CheckedObject<'_>> = objects
        .iter()
        .filter(|object| object.kind() == "NetworkPolicy")
        .collect();
    let templates: Vec<(&CheckedObject<'_>, &Value)> = objects
        .iter()
        .filter_map(|object| Some((object, object.template()?)))
        .collect();
    if policies.is_empty() || templates.is_empty() {
        return;
    }
    for (object, template) in &templates {
        let labels = &template["metadata"]["labels"];
        let selecting: Vec<_> = policies
            .iter()
            .filter(|policy| selects(&policy.value["spec"]["podSelector"], labels))
            .collect();
        let closed = selecting.iter().any(|policy| {
            list(&policy.value["spec"]["policyTypes"])
                .iter()
                .any(|kind| kind == "Egress")
        });
        let opened = selecting
            .iter()
            .any(|policy| !list(&policy.value["spec"]["egress"]).is_empty());
        if selecting.is_empty() {
            object.find(
                "policy",
                format!("no NetworkPolicy selects its pods, whose labels are {labels}"),
                findings,
            );
        } else if closed && !opened {
            object.find(
                "policy",
                format!("no NetworkPolicy lets its pods out, whose labels are {labels}"),
                findings,
            );
        }
    }
    for policy in &policies {
        let selector = &policy.value["spec"]["podSelector"];
        if !templates
            .iter()
            .any(|(_, template)| selects(selector, &template["metadata"]["labels"]))
        {
            policy.find(
                "policy",
                format!("it selects no pods: {selector}"),
                findings,
            );
        }
    }
}

/// As the API server selects; an operator that nothing here uses selects nothing, and is found so.
fn selects(selector: &Value, labels: &Value) -> bool {
    let equal = selector["matchLabels"].as_object().is_none_or(|wanted| {
        wanted
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
    });
    let expression = |it: &Value| {
        let found = labels.get(text(&it["key"]));
        match text(&it["operator"]) {
            "In" => found.is_some_and(|found| list(&it["values"]).contains(found)),
            "Exists" => found.is_some(),
            _ => false,
        }
    };
    equal && list(&selector["matchExpressions"]).iter().all(expression)
}
