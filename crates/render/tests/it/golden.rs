//! Each example as it is rendered, byte for byte; and what states and moments change in it.

mod isolation;
mod refused;
mod unreadable;

use crate::{
    committed::compare,
    made::{MAGENTO1, PLATFORMS, example, find, has, rendered},
};
use api::{
    Idle, IdleMode, Migrating, Object, RenderContext, ResolvedRelease, ShopClass, ShopState,
    Tenants,
};
use registry::{Form, text};
use release::Migration;
use render::{RenderError, check, render};
use serde_json::json;

fn yaml(objects: &[Object]) -> String {
    text(Form::Yaml, objects.iter().map(Object::value)).unwrap()
}

#[test]
fn the_examples_are_rendered_as_committed() {
    for (platform, shop) in PLATFORMS {
        let objects = rendered(platform, |_, _, _| {});
        assert_eq!(check::shop(&objects), [], "{platform}");
        compare(
            &format!("crates/render/tests/golden/{platform}/{shop}.yaml"),
            &yaml(&objects),
        );
    }
}

#[test]
fn the_example_of_magento1_passes_the_checks() {
    let objects = rendered(MAGENTO1, |_, _, _| {});
    assert_eq!(check::shop(&objects), []);
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    for (platform, _) in PLATFORMS {
        assert_eq!(
            rendered(platform, |_, _, _| {}),
            rendered(platform, |_, _, _| {})
        );
    }
}

#[test]
fn a_campaign_raises_the_floor_and_idleness_lowers_it() {
    let spec = |floor: Option<u32>, after: Option<&str>| {
        let objects = rendered("aws", |shop, _, render_context| {
            shop.spec.scale.idle = after.map(|after| Idle {
                after: after.parse().unwrap(),
                mode: IdleMode::KeepOne,
            });
            *render_context = RenderContext {
                floor,
                ..RenderContext::default()
            };
        });
        let spec = find(&objects, "HorizontalPodAutoscaler", "web")["spec"].clone();
        (
            spec["minReplicas"].as_u64(),
            spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"].as_u64(),
        )
    };
    assert_eq!(
        (spec(None, None), spec(Some(8), None)),
        ((Some(2), Some(300)), (Some(8), Some(300)))
    );
    assert_eq!(
        (spec(None, Some("30m")), spec(Some(8), Some("1h"))),
        ((Some(1), Some(1800)), (Some(8), Some(3600)))
    );
}

#[test]
fn replicas_are_the_autoscalers_where_there_is_one() {
    let objects = rendered("aws", |_, _, _| {});
    assert!(
        find(&objects, "Deployment", "web")["spec"]
            .get("replicas")
            .is_none()
    );
    let objects = rendered("aws", |shop, _, _| {
        (shop.spec.scale.max, shop.spec.scale.idle) = (shop.spec.scale.min, None);
    });
    assert_eq!(find(&objects, "Deployment", "web")["spec"]["replicas"], 2);
    assert!(!has(&objects, "HorizontalPodAutoscaler", "web"));
}

#[test]
fn a_shop_at_zero_has_no_web_pods_and_goes_on_with_cron_until_a_campaign_begins() {
    let zero = |at_zero, floor| {
        rendered("aws", |shop, _, render_context| {
            shop.spec.scale.idle = Some(Idle {
                after: "30m".parse().unwrap(),
                mode: IdleMode::Zero,
            });
            *render_context = RenderContext {
                at_zero,
                floor,
                ..RenderContext::default()
            };
        })
    };
    let replicas =
        |objects: &[Object], name| find(objects, "Deployment", name)["spec"]["replicas"].as_u64();
    let asleep = zero(true, None);
    assert_eq!(
        (replicas(&asleep, "web"), replicas(&asleep, "cron")),
        (Some(0), Some(1))
    );
    assert!(!has(&asleep, "HorizontalPodAutoscaler", "web"));
    assert!(has(&asleep, "Service", "web") && check::shop(&asleep).is_empty());
    for up in [zero(false, None), zero(true, Some(2))] {
        assert_ne!(replicas(&up, "web"), Some(0));
    }
}

#[test]
fn a_suspended_shop_has_no_pods_and_an_archived_one_only_its_data() {
    let suspended = rendered("gcp", |shop, _, _| shop.spec.state = ShopState::Suspended);
    assert_eq!(find(&suspended, "Deployment", "web")["spec"]["replicas"], 0);
    assert_eq!(
        find(&suspended, "Deployment", "cron")["spec"]["replicas"],
        0
    );
    assert!(
        !has(&suspended, "HorizontalPodAutoscaler", "web") && !has(&suspended, "HTTPRoute", "web")
    );
    assert_eq!(check::shop(&suspended), []);

    let archived = rendered("gcp", |shop, _, _| shop.spec.state = ShopState::Archived);
    let kinds: Vec<_> = archived
        .iter()
        .map(|object| object.identity().kind.to_string())
        .collect();
    assert_eq!(
        kinds,
        ["Namespace", "PersistentVolume", "PersistentVolumeClaim"]
    );
}

#[test]
fn a_shop_in_maintenance_is_closed_for_visitors_and_open_for_the_probe() {
    let objects = rendered("aws", |shop, _, _| shop.spec.state = ShopState::Maintenance);
    let conf = objects
        .iter()
        .map(Object::value)
        .find_map(|object| object["data"]["nginx.conf"].as_str().map(str::to_owned))
        .unwrap();
    assert!(
        conf.contains("set $closed 1;\n        if (-f")
            && conf.contains("127.0.0.1 0;")
            && conf.contains("set $closed 0;"),
        "{conf}"
    );
    assert_eq!(find(&objects, "Deployment", "cron")["spec"]["replicas"], 0);
}

#[test]
fn a_migration_runs_while_the_controller_says_so_and_cron_waits() {
    let objects = rendered("aws", |_, _, render_context| {
        render_context.migrating = Migrating::Now;
    });
    assert!(has(&objects, "Job", "release-42") && has(&objects, "Lease", "migration"));
    assert_eq!(find(&objects, "Deployment", "cron")["spec"]["replicas"], 0);
    assert_eq!(check::shop(&objects), []);
    let soon = rendered("aws", |_, _, render_context| {
        render_context.migrating = Migrating::Soon;
    });
    assert!(!has(&soon, "Job", "release-42"), "cron has not ended yet");
    assert_eq!(find(&soon, "Deployment", "cron")["spec"]["replicas"], 0);
    let migrated = rendered("aws", |_, _, render_context| {
        (render_context.migrating, render_context.migrated) =
            (Migrating::Now, Some(42.try_into().unwrap()));
    });
    assert!(!has(&migrated, "Job", "release-42"));
    assert_eq!(
        find(&migrated, "ConfigMap", "release")["data"]["migrated"],
        "42"
    );
}

#[test]
fn a_migration_begins_again_where_only_the_pull_failed_and_pulls_the_release_in_force() {
    let job = find(
        &rendered("aws", |_, _, render_context| {
            render_context.migrating = Migrating::Now;
        }),
        "Job",
        "release-42",
    );
    let pod = &job["spec"]["template"]["spec"];
    let containers = |kind: &str| {
        pod[kind]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let all = [containers("initContainers"), containers("containers")].concat();
    let rules = job["spec"]["podFailurePolicy"]["rules"].as_array().unwrap();
    let actions: Vec<_> = rules
        .iter()
        .map(|rule| {
            (
                rule["onExitCodes"]["containerName"].as_str(),
                rule["action"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        actions,
        [
            (Some("pull"), "Count"),
            (Some("migrate"), "FailJob"),
            (None, "FailJob")
        ]
    );
    // The API server refuses a rule about a container that is not there.
    assert!(
        actions
            .iter()
            .filter_map(|(container, _)| *container)
            .all(|container| all.iter().any(|known| known == container)),
        "{all:?}"
    );
    assert!(job["spec"]["backoffLimit"].as_i64().unwrap() > 0);
    // A pod that begins late has its whole time.
    let (whole, one) = (
        &job["spec"]["activeDeadlineSeconds"],
        &pod["activeDeadlineSeconds"],
    );
    assert!(
        whole.as_i64().unwrap() >= 2 * one.as_i64().unwrap(),
        "{whole} {one}"
    );
    let release = |pod: &serde_json::Value| {
        let variables = pod["initContainers"][0]["env"].as_array().unwrap().clone();
        variables
            .iter()
            .find(|it| it["name"] == "LONGSHORE_RELEASE")
            .unwrap()["value"]
            .clone()
    };
    assert_eq!(release(pod), "/etc/longshore/release/release.json");
    let web = find(&rendered("aws", |_, _, _| {}), "Deployment", "web");
    assert_eq!(
        release(&web["spec"]["template"]["spec"]),
        "/etc/longshore/release"
    );
}

#[test]
fn what_pods_start_with_is_in_the_config_map_and_changes_no_pod() {
    let (shop, class, release) = example("aws");
    let before = ResolvedRelease {
        sequence: 41.try_into().unwrap(),
        envelope: "{\"before\": 1}".to_owned(),
        ..release.clone()
    };
    let render_context = RenderContext {
        previous: Some(before.clone()),
        rejected: vec!["aa".to_owned(), "bb".to_owned()],
        retried: Some("2026-11-23T12:00:00Z".to_owned()),
        chosen: true,
        ..RenderContext::default()
    };
    let [plain, told] = [RenderContext::default(), render_context.clone()]
        .map(|render_context| render(&shop, &class, Some(&release), &render_context).unwrap());
    let changed: Vec<_> = told
        .iter()
        .filter(|object| !plain.contains(object))
        .map(|object| object.identity().to_string())
        .collect();
    assert_eq!(changed.len(), 1, "{changed:?}");
    let data = find(&told, "ConfigMap", "release")["data"].clone();
    assert_eq!(
        (&data["previous.json"], &data["rejected"], &data["chosen"]),
        (&"{\"before\": 1}".into(), &"aa\nbb\n".into(), &"42".into())
    );
    assert_eq!(
        data["retry"],
        format!("{} 2026-11-23T12:00:00Z", release.manifest)
    );
    // A shop that was moved to another channel has no use for it.
    let moved = RenderContext {
        previous: Some(ResolvedRelease {
            channel: "shops/other".parse().unwrap(),
            ..before
        }),
        ..render_context
    };
    let moved = render(&shop, &class, Some(&release), &moved).unwrap();
    assert!(
        find(&moved, "ConfigMap", "release")["data"]
            .get("previous.json")
            .is_none()
    );
}

#[test]
fn a_breaking_migration_keeps_visitors_out_without_a_new_pod() {
    let (shop, class, mut release) = example("aws");
    let closed = RenderContext {
        closed: true,
        ..RenderContext::default()
    };
    for (migration, expected) in [
        (Migration::Breaking, 2),
        (Migration::Additive, 0),
        (Migration::None, 0),
    ] {
        release.migration = migration;
        let [open, shut] = [RenderContext::default(), closed.clone()]
            .map(|render_context| render(&shop, &class, Some(&release), &render_context).unwrap());
        let changed: Vec<_> = shut
            .iter()
            .filter(|object| !open.contains(object))
            .map(|object| object.identity().to_string())
            .collect();
        assert_eq!(changed.len(), expected, "{changed:?}");
        assert_eq!(
            find(&shut, "ConfigMap", "release")["data"]
                .get("closed")
                .is_some(),
            expected > 0
        );
        assert_eq!(
            find(&shut, "Deployment", "cron")["spec"]["replicas"],
            i32::from(expected == 0),
            "cron waits, too"
        );
        assert_eq!(check::shop(&shut), []);
    }
}

#[test]
fn a_metric_that_nobody_serves_is_not_scaled_by() {
    let metrics = |metric: Option<&str>| {
        let objects = rendered("aws", |shop, class, _| {
            shop.spec.scale.target.busy_workers_percent = Some(60);
            class.spec.busy_workers_metric = metric.map(str::to_owned);
        });
        find(&objects, "HorizontalPodAutoscaler", "web")["spec"]["metrics"].clone()
    };
    assert_eq!(metrics(None).as_array().unwrap().len(), 1);
    assert_eq!(
        metrics(Some("busy"))[1]["pods"],
        json!({ "metric": { "name": "busy" }, "target": { "averageValue": "600m", "type": "AverageValue" } })
    );
}

#[test]
fn another_release_changes_one_object() {
    let (shop, class, release) = example("aws");
    let other = ResolvedRelease {
        sequence: 43.try_into().unwrap(),
        envelope: release.envelope.replace(' ', ""),
        ..release.clone()
    };
    let [before, after] = [release, other]
        .map(|release| render(&shop, &class, Some(&release), &RenderContext::default()).unwrap());
    let changed: Vec<_> = before
        .iter()
        .filter(|object| !after.contains(object))
        .map(|object| object.identity().to_string())
        .collect();
    assert_eq!(changed, ["ConfigMap shop-acme/release"]);
}
