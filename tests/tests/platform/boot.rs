//! Pods of a rendered Deployment: from their creation to Ready, what they have from the store, and
//! what they may.

#![allow(clippy::disallowed_methods, reason = "the test makes its files itself")]

use e2e::{
    cluster::{Cluster, Level, eventually},
    platform::{
        Class, Platform,
        boot::{STAGES, Watch},
        picture,
    },
    tree::{self, Shape},
    web,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::Path, time::Duration};

/// Files of the release, beside its page.
const FILES: usize = 3000;
/// How long pods may take on two cores.
const LONG: Duration = Duration::from_mins(3);

#[test]
fn pods_boot_on_both_nodes_and_the_second_of_a_node_has_nothing_from_the_store() {
    let cluster = Cluster::alone();
    let platform = Platform::install(&cluster);
    platform.class(&Class::php("boot"));
    let shop = platform.tenant("boot");
    web::write_sources(&shop.module("page"), "boot-1", "");
    tree::generate(
        &shop.module("code"),
        Shape {
            seed: 7,
            files: FILES,
        },
    )
    .unwrap();
    let sequence = shop.publish(
        &[("page", ""), ("code", "app/code")],
        "shared = [\"media\"]",
    );
    shop.register(sequence);

    let mut watch = Watch::begin(&cluster, &shop);
    shop.open("boot", &json!({ "scale": { "min": 2, "max": 2 } }));
    let first = watch.ready(2, LONG);
    let nodes: BTreeSet<_> = first.iter().map(|boot| boot.node.as_str()).collect();
    assert_eq!(nodes, BTreeSet::from(["n1", "n2"]), "{first:#?}");
    for boot in &first {
        assert!(
            boot.pull["sequence"] == sequence && boot.pull["files"].as_u64() > Some(FILES as u64),
            "{boot:#?}"
        );
    }
    // Of each node, somebody had to ask the store; that may have been the pod of cron.
    shop.served_by(2);
    let before = platform.store.used();
    assert!(before.gets > 2, "{before:?}");

    // Two more, one on each node.
    shop.change(&json!({ "scale": { "min": 4, "max": 4 } }));
    let all = watch.ready(4, LONG);
    shop.served_by(4);
    let second: Vec<_> = all
        .iter()
        .filter(|boot| first.iter().all(|earlier| earlier.pod != boot.pod))
        .collect();
    for boot in &second {
        // The one question is about a newer trust root, so that a key that was withdrawn is not
        // believed from a cache.
        assert!(
            boot.fetched() == Some(0) && boot.pull["requests"].as_u64() <= Some(1),
            "{boot:#?}"
        );
        assert!(
            boot.pull["cached_bytes"].as_u64() > Some(100_000),
            "{boot:#?}"
        );
    }
    // Each asks whether there is a newer trust root, which there is not; one object that is in the
    // cache would be one more.
    let after = platform.store.used();
    assert!(
        after.gets <= before.gets + second.len() as u64,
        "{before:?}, then {after:?}"
    );
    for pod in shop.pods() {
        assert_eq!(
            shop.page(&pod, "/").unwrap().body,
            "entry=boot-1 class=boot-1 template=boot-1 asset=boot-1"
        );
    }
    for pod in shop.list("web") {
        one_after_the_other(&pod);
    }
    let report = json!({ "files": FILES, "first": first, "second": second });
    let out = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let bars: Vec<_> = first
        .iter()
        .map(|boot| boot.bar("from the store"))
        .chain(second.iter().map(|boot| boot.bar("from the node cache")))
        .collect();
    let stages = STAGES.map(|(stage, _)| stage);
    picture::write(
        out,
        "boot",
        &report.to_string(),
        &picture::picture("From a pod's creation to Ready, by stage", &stages, &bars),
    );
}

/// By the kubelet's own clock, of whole seconds: nothing starts before what it stands on.
#[track_caller]
fn one_after_the_other(pod: &Value) {
    let container = |list: &str, name: &str| {
        let all = pod["status"][list].as_array().unwrap();
        all.iter()
            .find(|status| status["name"] == name)
            .unwrap_or_else(|| panic!("{name} is not in {all:#?}"))["state"]
            .clone()
    };
    let [pull, agent, php] =
        ["pull", "agent", "php-fpm"].map(|name| container("initContainerStatuses", name));
    let nginx = container("containerStatuses", "nginx");
    let times = [
        &pull["terminated"]["finishedAt"],
        &agent["running"]["startedAt"],
        &php["running"]["startedAt"],
        &nginx["running"]["startedAt"],
    ];
    let times = times.map(|time| {
        time.as_str()
            .unwrap_or_else(|| panic!("a container did not start: {:#}", pod["status"]))
    });
    assert!(
        times.is_sorted(),
        "pull ended, agent, php-fpm and nginx started at {times:?}"
    );
}

#[test]
fn a_release_that_another_key_signed_starts_nowhere() {
    let cluster = Cluster::alone();
    let platform = Platform::install(&cluster);
    platform.class(&Class::php("boot"));
    let shop = platform.tenant("foreign");
    web::write_sources(&shop.module("page"), "foreign", "");
    let sequence = shop.publish(&[("page", "")], "shared = [\"media\"]");
    // What somebody could do who can write to the registry and holds no key of ours.
    let mut resource = shop.resource(sequence);
    let mut envelope: Value =
        serde_json::from_str(resource["spec"]["envelope"].as_str().unwrap()).unwrap();
    envelope["signatures"] = json!([]);
    let forged = platform.path("foreign.json");
    fs::write(&forged, envelope.to_string()).unwrap();
    platform.longshore(["key", "generate", "foreign"]).expect(0);
    platform
        .longshore(["sign", "foreign.json", "--key", "foreign.key"])
        .expect(0);
    resource["spec"]["envelope"] = fs::read_to_string(&forged).unwrap().into();
    platform.apply(&resource.to_string());
    shop.open("boot", &json!({ "scale": { "min": 1, "max": 1 } }));
    let ended = eventually("the end of longshore-init", LONG, || {
        let pods = shop.list("web");
        let pull = pods.first()?["status"]["initContainerStatuses"]
            .as_array()?
            .iter()
            .find(|status| status["name"] == "pull")?
            .clone();
        // The kubelet starts it again and again; what is there of it depends on when one looks.
        ["state", "lastState"]
            .iter()
            .map(|which| pull[which]["terminated"].clone())
            .find(Value::is_object)
    });
    assert_eq!(ended["exitCode"], 65, "{ended:#}");
    assert!(
        ended["message"]
            .as_str()
            .is_some_and(|text| text.starts_with("signature")),
        "{ended:#}"
    );
    let pods = shop.list("web");
    let started = |pod: &Value| pod["status"]["containerStatuses"][0]["state"]["waiting"].is_null();
    assert!(!pods.iter().any(started), "{pods:#?}");
}

#[test]
fn tenants_are_restricted_and_hold_nothing_of_ours() {
    let cluster = Cluster::alone();
    let platform = Platform::install(&cluster);
    // One image for everything: longshore-init, the agent, php-fpm and nginx, each by its command.
    let class = Class::php("one-image");
    platform.class(&Class {
        longshore: class.shop,
        ..class
    });
    let shop = platform.tenant("restricted");
    web::write_sources(&shop.module("page"), "restricted", "");
    shop.register(shop.publish(&[("page", "")], "shared = [\"media\"]"));
    shop.open("one-image", &json!({ "scale": { "min": 1, "max": 1 } }));
    let pod = shop.served_by(1).remove(0);
    assert_eq!(
        shop.page(&pod, "/").unwrap().body,
        "entry=restricted class=restricted template=restricted asset=restricted"
    );

    // The tenant's own containers, in a namespace that admits nothing else.
    let live = cluster.get(&["pod", &pod.name, "--namespace", &shop.namespace]);
    let containers = ["initContainers", "containers"]
        .iter()
        .flat_map(|list| live["spec"][list].as_array().unwrap());
    let images: BTreeSet<_> = containers
        .map(|container| container["image"].as_str().unwrap())
        .collect();
    assert!(
        images.len() == 1 && images.iter().all(|image| image.contains("longshore-shop")),
        "{images:?}"
    );
    let namespace = cluster.namespace("tenants", Level::Restricted);
    let as_pod = |keep: &dyn Fn(&str) -> bool| {
        let mut spec = live["spec"].clone();
        let names = |container: &Value| keep(container["name"].as_str().unwrap());
        spec["initContainers"].as_array_mut().unwrap().retain(names);
        // What stands for the node here is Pod Security's business with volumes, and not with
        // containers.
        for volume in spec["volumes"].as_array_mut().unwrap() {
            if volume["hostPath"].is_object() {
                *volume = json!({ "name": volume["name"], "emptyDir": {} });
            }
        }
        for field in [
            "serviceAccountName",
            "serviceAccount",
            "nodeName",
            "priority",
            "priorityClassName",
            "preemptionPolicy",
        ] {
            spec.as_object_mut().unwrap().remove(field);
        }
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "copy" }, "spec": spec })
            .to_string()
    };
    let create = |yaml: String| {
        namespace
            .kubectl(&["create", "--dry-run=server", "--filename", "-"])
            .input(yaml)
            .run()
    };
    create(as_pod(&|name| name != "agent" && name != "pull")).expect(0);
    let refused = create(as_pod(&|_| true));
    assert!(
        refused.code() == Some(1)
            && refused
                .stderr
                .contains(r#"container "agent" must not set securityContext.privileged=true"#),
        "{refused:#?}"
    );
    assert!(
        !refused.stderr.contains("php-fpm") && !refused.stderr.contains("nginx"),
        "{refused:#?}"
    );

    for container in ["php-fpm", "nginx"] {
        let run = |script: &str| shop.exec(&pod.name, container, &["sh", "-c", script]);
        assert_eq!(run("id -u").expect(0).stdout, "10001\n");
        assert!(
            run("touch /srv/shop/current/x || touch /srv/shop/x || touch /etc/x").code() != Some(0)
        );
        let found = run(
            "ls -d /node /etc/longshore /var/run/secrets/kubernetes.io 2>/dev/null; env | grep -E \
             'AWS|LONGSHORE'; true",
        )
        .expect(0);
        assert_eq!(found.stdout, "", "{container} sees what it must not");
    }
}
