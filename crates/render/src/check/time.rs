//! Cron expressions that come, time zones, and grace periods that are long enough.

use super::{
    Finding,
    checked_object::{CheckedObject, list, text},
};
use crate::DRAIN;
use api::schedule::{comes, time_zone};

pub(super) fn check(object: &CheckedObject<'_>, findings: &mut Vec<Finding>) {
    if object.kind() == "CronJob" {
        if let Err(error) = comes(text(&object.value["spec"]["schedule"])) {
            object.find("cron", error.to_string(), findings);
        }
        if let Err(error) = time_zone(text(&object.value["spec"]["timeZone"])) {
            object.find("time-zone", error.to_string(), findings);
        }
    }
    let Some(template) = object.template() else {
        return;
    };
    let grace = template["spec"]["terminationGracePeriodSeconds"]
        .as_i64()
        .unwrap_or(30);
    for container in list(&template["spec"]["containers"]) {
        let Some(sleep) = container
            .pointer("/lifecycle/preStop/sleep/seconds")
            .and_then(serde_json::Value::as_i64)
        else {
            continue;
        };
        if sleep + DRAIN >= grace {
            let name = text(&container["name"]);
            let problem = format!(
                "container {name} waits {sleep} s and its requests {DRAIN} s, and the pod is \
                 killed after {grace} s"
            );
            object.find("grace", problem, findings);
        }
    }
}
