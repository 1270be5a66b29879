//! The Helm chart `manifests/chart`, as `helm template` renders it with everything on: what it has
//! to share with the code, and what nobody may be granted. `make lint` compares the rendering.

use crate::{committed::top, made::example};
use api::{Build, BuildSecret, Object, Priority, SYSTEM, WATCH, definitions, name::system_labels};
use render::{BUILD_ACCOUNT, BUILDS, build, check, edge, priority_class, restricted};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs};

const RENDERING: &str = "crates/render/tests/golden/chart.yaml";

fn documents() -> Vec<Value> {
    let documents = registry::read(&top().join(RENDERING)).unwrap();
    documents
        .into_iter()
        .map(|document| document.value)
        .collect()
}

fn objects() -> impl Iterator<Item = Object> {
    documents()
        .into_iter()
        .map(|value| Object::dynamic(&serde_json::from_value(value).unwrap()))
}

/// The objects of a kind.
fn all(kind: &str) -> Vec<Value> {
    documents()
        .into_iter()
        .filter(|object| object["kind"] == kind)
        .collect()
}

fn words(value: &Value) -> BTreeSet<&str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// Namespaces of the chart with everything on; no program knows the last three.
const NAMESPACES: [&str; 8] = [
    SYSTEM,
    BUILDS,
    edge::NAMESPACE,
    api::edge::PRIVATE,
    WATCH,
    "longshore-logs",
    "monitoring",
    "console",
];

#[test]
fn names_are_those_of_the_code() {
    let names = |kind: &str| -> BTreeSet<String> {
        all(kind)
            .iter()
            .map(|object| object["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names("Namespace"), NAMESPACES.map(str::to_owned).into());
    let classes = [Priority::Gold, Priority::Standard, Priority::Idle].map(priority_class);
    assert!(
        classes
            .iter()
            .all(|class| names("PriorityClass").contains(*class)),
        "{classes:?}"
    );
    let account = all("ServiceAccount")
        .into_iter()
        .find(|object| object["metadata"]["namespace"] == BUILDS)
        .unwrap();
    assert_eq!(account["metadata"]["name"], BUILD_ACCOUNT);
    let mut policies = all("ValidatingAdmissionPolicy").into_iter();
    let of_scheduler = |it: &Value| it["metadata"]["name"] == "longshore-scheduler";
    let policy =
        policies.find(of_scheduler).unwrap()["spec"]["validations"][0]["expression"].to_string();
    for namespace in [SYSTEM, BUILDS, edge::NAMESPACE] {
        assert!(
            policy.contains(&format!("variables.space == '{namespace}'")),
            "{policy}"
        );
    }
}

#[test]
fn the_chart_has_the_version_of_the_programs() {
    let chart = fs::read_to_string(top().join("manifests/chart/Chart.yaml")).unwrap();
    for key in ["version", "appVersion"] {
        assert!(
            chart.contains(&format!("\n{key}: {}\n", env!("CARGO_PKG_VERSION"))),
            "{key}: {chart}"
        );
    }
}

#[test]
fn every_definition_is_in_the_chart() {
    let files = fs::read_dir(top().join("manifests/chart/files/crds")).unwrap();
    let files: BTreeSet<_> = files
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let expected = definitions()
        .into_iter()
        .map(|definition| format!("{}.yaml", definition.spec.names.plural))
        .collect();
    assert_eq!(files, expected);
}

#[test]
fn what_holds_data_or_secrets_is_out_of_reach() {
    let roles = [all("ClusterRole"), all("Role")].concat();
    let granted: Vec<_> = roles
        .iter()
        .flat_map(|role| {
            let all = role["rules"].as_array().unwrap();
            all.iter().map(move |rule| (role, rule))
        })
        .collect();
    assert!(granted.len() > 10, "{granted:?}");
    for (role, rule) in granted {
        let (groups, resources, verbs) = (
            words(&rule["apiGroups"]),
            words(&rule["resources"]),
            words(&rule["verbs"]),
        );
        assert!(
            ![&groups, &resources, &verbs]
                .iter()
                .any(|all| all.contains("*"))
                && (!resources.contains("secrets") || has_certificates(role)),
            "{rule}"
        );
        let data = [
            "namespaces",
            "persistentvolumes",
            "persistentvolumeclaims",
            "shops",
            "jobs",
        ];
        if data.iter().any(|resource| resources.contains(resource)) {
            assert!(
                !verbs.contains("delete") && !verbs.contains("deletecollection"),
                "{rule}"
            );
        }
    }
}

/// Private keys are the edge's, in its own namespaces, where no shop has any.
fn has_certificates(role: &Value) -> bool {
    let namespace = &role["metadata"]["namespace"];
    role["kind"] == "Role"
        && [edge::NAMESPACE, api::edge::PRIVATE]
            .iter()
            .any(|it| namespace == it)
}

/// Alerts of what the chart installs beside Prometheus: somebody else's Prometheus has its own.
const OWN: [&str; 2] = ["alertmanager.yaml", "prometheus.yaml"];

#[test]
fn every_alert_is_in_a_rule() {
    let rules = all("PrometheusRule");
    let found: BTreeSet<&str> = rules
        .iter()
        .flat_map(|rule| rule["spec"]["groups"].as_array().unwrap())
        .flat_map(|group| group["rules"].as_array().unwrap())
        .filter_map(|rule| rule["alert"].as_str())
        .collect();
    let files = fs::read_dir(top().join("manifests/chart/files/alerts")).unwrap();
    let mut alerts = BTreeSet::new();
    for file in files.map(Result::unwrap) {
        if !OWN.map(Into::into).contains(&file.file_name()) {
            let text = fs::read_to_string(file.path()).unwrap();
            let names = text
                .lines()
                .filter_map(|line| line.trim().strip_prefix("- alert: "));
            alerts.extend(names.map(str::to_owned));
        }
    }
    assert_eq!(found, alerts.iter().map(String::as_str).collect());
}

#[test]
fn what_shops_stand_on_is_kept() {
    let kept: BTreeSet<_> = documents()
        .iter()
        .filter(|object| object["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep")
        .map(|object| {
            format!(
                "{} {}",
                object["kind"].as_str().unwrap(),
                object["metadata"]["name"].as_str().unwrap()
            )
        })
        .collect();
    let classes = [Priority::Gold, Priority::Standard, Priority::Idle]
        .map(|class| format!("PriorityClass {}", priority_class(class)));
    let namespaces = NAMESPACES.map(|name| format!("Namespace {name}"));
    // What people said of errors, the uptime of past months, silences, figures and lines.
    let volumes = ["watch", "alertmanager", "prometheus", "logs"];
    let volumes = volumes.map(|name| format!("PersistentVolumeClaim longshore-{name}"));
    let all = classes.into_iter().chain(namespaces).chain(volumes);
    assert_eq!(kept, all.collect());
}

#[test]
fn pods_are_not_replaced_for_a_new_version_of_the_chart() {
    for deployment in all("Deployment") {
        let labels = &deployment["spec"]["template"]["metadata"]["labels"];
        assert_eq!(labels, &deployment["spec"]["selector"]["matchLabels"]);
        let mut expected = system_labels();
        expected.insert(
            "app.kubernetes.io/component".to_owned(),
            labels["app.kubernetes.io/component"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
        assert_eq!(labels, &json!(expected));
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["securityContext"], json!(restricted()));
    }
}

#[test]
fn a_build_is_one_job_for_a_release() {
    let (_, mut class, release) = example("aws");
    assert_eq!(
        build(&class, &release.channel, release.sequence),
        None,
        "where the class says nothing, CI builds"
    );
    let image = Some(format!("registry.example/build@sha256:{:064x}", 1));
    class.spec.build = Some(Build {
        image: image.clone(),
        command: vec!["/build.sh".into()],
        secret: None,
    });
    let job = build(&class, &release.channel, release.sequence).unwrap();
    assert_eq!(
        job.identity().to_string(),
        "Job longshore-builds/build-magento2-standard-shops-acme-42"
    );
    // In the company of its namespace and its account it passes the same checks as a shop.
    let builds = objects().filter(|object| {
        object.identity().namespace.as_deref() == Some(BUILDS) || object.identity().name == BUILDS
    });
    assert_eq!(
        check::shop(&builds.chain([job.clone()]).collect::<Vec<_>>()),
        []
    );
    let container = |job: &Object| job.value()["spec"]["template"]["spec"]["containers"][0].clone();
    assert_eq!(
        (
            container(&job)["image"].as_str(),
            &container(&job)["command"]
        ),
        (image.as_deref(), &json!(["/build.sh"]))
    );

    // Magento 2 is built by its own commands, in the shops' image, which has PHP and our programs.
    class.spec.build = Some(Build {
        image: None,
        command: Vec::new(),
        secret: Some(BuildSecret {
            name: "builds".into(),
        }),
    });
    let job = build(&class, &release.channel, release.sequence).unwrap();
    assert_eq!(container(&job)["image"], class.spec.images.shop);
    let command = container(&job)["command"].as_array().unwrap().clone();
    assert_eq!((&command[0], &command[1]), (&json!("sh"), &json!("-c")));
    assert!(
        [
            "setup:di:compile",
            "setup:static-content:deploy",
            "/etc/build/ci.key"
        ]
        .iter()
        .all(|part| command[2].as_str().unwrap().contains(part))
    );
    let shell = std::process::Command::new("sh")
        .args(["-n", "-c", command[2].as_str().unwrap()])
        .status()
        .unwrap();
    assert!(shell.success(), "a shell reads it");
    let variables = container(&job)["env"].clone();
    let of = |name: &str| {
        variables
            .as_array()
            .unwrap()
            .iter()
            .find(|it| it["name"] == name)
            .cloned()
            .unwrap_or_default()
    };
    assert_eq!(of("BUILD_TRUST")["value"], json!(class.spec.store.trust));
    assert_eq!(
        of("AWS_SECRET_ACCESS_KEY")["valueFrom"]["secretKeyRef"],
        json!({ "name": "builds", "key": "secret-access-key", "optional": true })
    );
    let builds = objects().filter(|object| {
        object.identity().namespace.as_deref() == Some(BUILDS) || object.identity().name == BUILDS
    });
    let findings = check::shop(&builds.chain([job]).collect::<Vec<_>>());
    assert!(
        findings
            .iter()
            .all(|finding| finding.problem.contains("Secret")),
        "its Secret is the operator's: {findings:#?}"
    );
}

#[test]
fn the_scheduler_keeps_the_rules_that_it_checks() {
    let own = objects().filter(|object| {
        object.identity().namespace.as_deref() == Some(SYSTEM) || object.identity().name == SYSTEM
    });
    let findings = check::shop(&own.collect::<Vec<_>>());
    let expected = |problem: &str| {
        // It is the one program that speaks to the API server; and pods that only keep room have no
        // account and no disk.
        problem.contains("get a token for the API server")
            || problem.contains("names ServiceAccount \"\"")
            || problem.contains("get variables of each Service")
            || problem.contains("container pause has no ephemeral-storage")
    };
    let unexpected: Vec<_> = findings
        .iter()
        .filter(|finding| !expected(&finding.problem))
        .collect();
    assert_eq!(unexpected, [] as [&check::Finding; 0]);
}
