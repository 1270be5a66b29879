//! Variables of the containers that pull releases and switch to them.

use crate::made::rendered;
use api::{Migrating, Object};
use serde_json::Value;
use std::collections::BTreeMap;

/// The programs that trust releases by the class's root.
const PROGRAMS: [&str; 2] = ["longshore-init", "longshore-agent"];

/// The lowest root that each container accepts: of all containers of these programs, and of others
/// that were given one.
fn floors(floor: Option<u64>) -> BTreeMap<String, Option<String>> {
    let objects = rendered("aws", |_, class, context| {
        class.spec.store.trust_floor = floor;
        context.migrating = Migrating::Now;
    });
    let mut found = BTreeMap::new();
    for object in &objects {
        let value = object.value();
        let pod = &value["spec"]["template"]["spec"];
        let containers = ["initContainers", "containers"]
            .into_iter()
            .filter_map(|field| pod[field].as_array())
            .flatten();
        for container in containers {
            let floor = variable(container, "LONGSHORE_TRUST_FLOOR");
            let program = container["command"][0].as_str().unwrap_or_default();
            if floor.is_some() || PROGRAMS.contains(&program) {
                found.insert(described(object, container), floor);
            }
        }
    }
    found
}

fn variable(container: &Value, name: &str) -> Option<String> {
    let variables = container["env"].as_array()?;
    let found = variables.iter().find(|it| it["name"] == name)?;
    found["value"].as_str().map(str::to_owned)
}

fn described(object: &Object, container: &Value) -> String {
    let identity = object.identity();
    let name = container["name"].as_str().unwrap_or_default();
    format!("{} {}: {name}", identity.kind, identity.name)
}

#[test]
fn whatever_pulls_or_switches_is_told_the_lowest_root_that_its_class_accepts() {
    let all = |floor: Option<&str>| -> BTreeMap<String, Option<String>> {
        [
            "Deployment cron: agent",
            "Deployment cron: pull",
            "Deployment web: agent",
            "Deployment web: pull",
            "Job release-42: agent",
            "Job release-42: pull",
        ]
        .map(|container| (container.to_owned(), floor.map(str::to_owned)))
        .into()
    };
    assert_eq!(floors(Some(3)), all(Some("3")));
    assert_eq!(floors(None), all(None));
}
