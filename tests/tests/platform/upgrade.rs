//! The Helm chart is upgraded, removed and installed again under a shop that runs.

#![allow(clippy::disallowed_methods, reason = "the test makes its files itself")]

use e2e::{
    chart,
    cluster::Cluster,
    fleet::merge,
    platform::{Class, Platform, SYSTEM},
    process::Program,
    web,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// What has to outlive all of it.
const KEPT: [&str; 8] = [
    "crd/shops.longshore.dev",
    "crd/shopclasses.longshore.dev",
    "crd/releases.longshore.dev",
    "crd/rollouts.longshore.dev",
    "shop/steady",
    "namespace/longshore-builds",
    "namespace/edge",
    "priorityclass/longshore-standard",
];

/// Objects by their names, each with its uid, and with how often its containers began again.
type Seen = BTreeMap<String, (String, u64)>;

fn seen(objects: &[Value]) -> Seen {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let restarts = |object: &Value| {
        let containers = ["initContainerStatuses", "containerStatuses"].map(|kind| {
            object["status"][kind]
                .as_array()
                .cloned()
                .unwrap_or_default()
        });
        containers
            .iter()
            .flatten()
            .filter_map(|status| status["restartCount"].as_u64())
            .sum()
    };
    let one = |object: &Value| {
        let metadata = &object["metadata"];
        (
            format!("{} {}", text(&object["kind"]), text(&metadata["name"])),
            (text(&metadata["uid"]), restarts(object)),
        )
    };
    objects.iter().map(one).collect()
}

fn pods(cluster: &Cluster, namespace: &str) -> Seen {
    seen(
        cluster.get(&["pods", "--namespace", namespace])["items"]
            .as_array()
            .map_or(&[], Vec::as_slice),
    )
}

fn kept(cluster: &Cluster) -> Seen {
    seen(&KEPT.map(|name| cluster.get(&[name])))
}

/// The chart as its next version may be: its number, and a field that a definition gets.
fn next_version(scratch: &Path) -> PathBuf {
    let chart = scratch.join("chart");
    Program::new("cp")
        .arg("--recursive")
        .arg(chart::path())
        .arg(&chart)
        .run()
        .expect(0);
    let change = |file: &str, change: &dyn Fn(&str) -> String| {
        let path = chart.join(file);
        let text = fs::read_to_string(&path).unwrap();
        let changed = change(&text);
        assert_ne!(text, changed, "{file}");
        fs::write(path, changed).unwrap();
    };
    change("Chart.yaml", &|text| {
        text.replace("\nversion: 0.", "\nversion: 99.")
    });
    change("files/crds/shops.yaml", &|text| {
        let line = text
            .lines()
            .find(|line| line.trim() == "properties:")
            .unwrap();
        let indent = " ".repeat(line.len() - line.trim_start().len() + 2);
        text.replacen(
            &format!("{line}\n"),
            &format!("{line}\n{indent}next:\n{indent}  type: string\n"),
            1,
        )
    });
    chart
}

/// Brings the scheduler back for the tests that follow, whatever fails here.
struct Back<'a>(&'a Platform<'a>);

impl Drop for Back<'_> {
    fn drop(&mut self) {
        drop(chart::upgrade(self.0.cluster, &chart::path(), &self.0.values()).run());
    }
}

/// Helm removes all but what is kept, and says so.
fn uninstalled(cluster: &Cluster) {
    let told = chart::uninstall(cluster);
    let told = format!("{}{}", told.stdout, told.stderr);
    println!("{told}");
    assert!(told.contains("kept due to the resource policy"), "{told}");
    assert!(
        KEPT.iter()
            .filter(|name| !name.starts_with("shop/"))
            .all(|name| told.contains(name.split_once('/').unwrap().1)),
        "{told}"
    );
    assert_eq!(
        cluster
            .kubectl([
                "get",
                "deployment/longshore-scheduler",
                "--namespace",
                SYSTEM
            ])
            .run()
            .code(),
        Some(1)
    );
}

#[test]
fn shops_run_on_while_the_chart_is_upgraded_removed_and_installed_again() {
    let cluster = Cluster::alone();
    let platform = Platform::install(&cluster);
    // Whatever a test before this one has installed.
    drop(Back(&platform));
    platform.rolled_out(SYSTEM, "deployment/longshore-scheduler");
    let _back = Back(&platform);
    platform.class(&Class::php("steady"));
    let shop = platform.tenant("steady");
    web::write_sources(&shop.module("page"), "steady", "");
    shop.register(shop.publish(&[("page", "")], "shared = [\"media\"]"));
    shop.open("steady", &json!({ "scale": { "min": 2, "max": 2 } }));
    shop.served_by(2);
    shop.settled();
    let (shops, stays) = (pods(&cluster, &shop.namespace), kept(&cluster));
    assert!(shops.len() >= 2, "{shops:?}");
    let has_next = || {
        let definition = cluster.get(&["crd/shops.longshore.dev"]);
        definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["next"]
            .is_object()
    };
    let unchanged = |after: &str| {
        assert_eq!(
            pods(&cluster, &shop.namespace),
            shops,
            "pods of the shop, after {after}"
        );
        assert_eq!(kept(&cluster), stays, "after {after}");
    };

    // The next version of the chart, with the image and the values of before.
    let scratch = e2e::shop::scratch();
    let schedulers = pods(&cluster, SYSTEM);
    assert!(!has_next());
    chart::upgrade(&cluster, &next_version(scratch.path()), &platform.values())
        .run()
        .expect(0);
    assert!(has_next(), "an upgrade brings a definition's new field");
    assert_eq!(
        pods(&cluster, SYSTEM),
        schedulers,
        "nothing that its pods are made of has changed"
    );
    unchanged("the next version");

    // Back to this version, and other resources for the scheduler.
    let mut values = platform.values();
    merge(
        &mut values,
        &json!({ "scheduler": { "resources": { "requests": { "cpu": "50m" } } } }),
    );
    chart::upgrade(&cluster, &chart::path(), &values)
        .run()
        .expect(0);
    platform.rolled_out(SYSTEM, "deployment/longshore-scheduler");
    e2e::cluster::eventually(
        "pods of the scheduler with other resources",
        std::time::Duration::from_mins(2),
        || {
            let replaced = pods(&cluster, SYSTEM);
            schedulers
                .keys()
                .all(|pod| !replaced.contains_key(pod))
                .then_some(())
        },
    );
    unchanged("other resources");

    uninstalled(&cluster);
    unchanged("helm uninstall");
    // Without anything of Longshore's but what is kept, a shop's pod that goes is followed by
    // another one.
    let gone = shop.pods().remove(0).name;
    cluster.ask(&["delete", "pod", &gone, "--namespace", &shop.namespace]);
    let served = shop.served_by(2);
    assert!(
        served.iter().all(|pod| pod.name != gone)
            && shop
                .page(&served[0], "/")
                .unwrap()
                .body
                .starts_with("entry=steady ")
    );

    // Installed again, it takes what was kept as its own, and the shop with it.
    let shops = pods(&cluster, &shop.namespace);
    chart::install(&cluster, &platform.values());
    platform.rolled_out(SYSTEM, "deployment/longshore-scheduler");
    assert_eq!(
        (pods(&cluster, &shop.namespace), kept(&cluster)),
        (shops, stays),
        "after another install"
    );
    shop.change(&json!({ "scale": { "min": 1, "max": 1 } }));
    shop.served_by(1);
}
