//! What is known of workloads and routes as they change, what is forgotten with them, and whom
//! they wake.

use super::*;
use crate::run::{
    testing::controller,
    watch::testing::{
        asked, at, changed, hears, kind, listed, lists, lists_on, ours, page, relisted, unprepared,
        watches, woken,
    },
};
use api::{Truth, namespace};
use client::{SHOP, scripted::Script};
use jiff::Timestamp;
use render::BUILDS;
use serde_json::{Value, json};
use std::{collections::BTreeMap, slice};

fn workload(shop: &str, name: &str, spec: &Value, status: &Value) -> Value {
    let metadata = json!({
        "name": name, "namespace": namespace(shop), "uid": format!("uid-{shop}-{name}"),
        "generation": 1, "labels": { (SHOP): shop },
    });
    json!({ "metadata": metadata, "spec": spec, "status": status })
}

/// The Deployment `web` of three pods, of which so many are ready.
fn web(shop: &str, ready: u32) -> Value {
    let status = json!({
        "observedGeneration": 1, "replicas": 3, "readyReplicas": ready, "updatedReplicas": 2,
    });
    workload(shop, "web", &json!({ "replicas": 3 }), &status)
}

fn cron(wanted: u32, running: u32, observed: i64) -> Value {
    let status = json!({ "replicas": running, "observedGeneration": observed });
    workload("acme", "cron", &json!({ "replicas": wanted }), &status)
}

fn job(name: &str, condition: &str, truth: &str) -> Value {
    let conditions = json!([{ "type": condition, "status": truth }]);
    let status = json!({ "conditions": conditions });
    workload("acme", name, &json!({}), &status)
}

fn backup(status: &Value) -> Value {
    workload("acme", "backup", &json!({}), status)
}

fn route(status: &Value) -> Value {
    workload("acme", "web", &json!({}), status)
}

/// What comes of a list.
async fn list(name: &str, objects: &[Value], prepare: impl FnOnce(&Controller)) -> Arc<Controller> {
    let kind = kind(name);
    let watch = |controller, stop| workloads(controller, kind, stop);
    listed(&ours(kind), objects, prepare, watch).await
}

/// What comes of changes some time after a list of `known`.
async fn change(name: &str, known: &[Value], changes: &[(&str, usize, Value)]) -> Arc<Controller> {
    let kind = kind(name);
    let watch = |controller, stop| workloads(controller, kind, stop);
    changed(&ours(kind), known, changes, unprepared, watch).await
}

#[tokio::test(start_paused = true)]
async fn pods_that_become_ready_wake_their_shop_and_the_rollouts_and_a_heartbeat_nobody() {
    for (ready, news) in [(2, true), (1, false)] {
        let known = [at(8, &web("acme", 1))];
        let changes = [("MODIFIED", 9, web("acme", ready))];
        let controller = change("Deployment", &known, &changes).await;
        let pods = Pods {
            wanted: 3,
            ready,
            updated: 2,
            current: true,
        };
        assert_eq!(controller.lock().pods["acme"], pods);
        let expected: &[&str] = if news { &["Normal acme"] } else { &[] };
        assert_eq!(asked(&controller), expected);
        assert_eq!(woken(&controller.rollouts), news);
    }
}

#[tokio::test(start_paused = true)]
async fn pods_are_not_current_until_their_controller_has_seen_the_newest_template() {
    let mut edited = web("acme", 3);
    edited["metadata"]["generation"] = json!(2);
    let known = [at(8, &web("acme", 3))];
    let controller = change("Deployment", &known, &[("MODIFIED", 9, edited)]).await;
    assert!(!controller.lock().pods["acme"].current);
    assert_eq!(asked(&controller), ["Normal acme"]);
    assert!(woken(&controller.rollouts));
}

#[tokio::test(start_paused = true)]
async fn cron_is_there_until_its_last_pod_has_ended() {
    for (wanted, running, observed, there) in [
        (1, 1, 1, true),
        (0, 1, 1, true),
        (0, 0, 0, true),
        (0, 0, 1, false),
    ] {
        let known = [at(8, &cron(1, 1, 1))];
        let changes = [("MODIFIED", 9, cron(wanted, running, observed))];
        let controller = change("Deployment", &known, &changes).await;
        let found = controller.lock().crons.contains("acme");
        assert_eq!(found, there, "{wanted} {running} {observed}");
        assert_eq!(woken(&controller.rollouts), !there);
    }
}

#[tokio::test(start_paused = true)]
async fn the_job_of_a_migration_tells_how_it_goes() {
    for (condition, truth, expected) in [
        ("Complete", "True", Progress::Done),
        ("Failed", "True", Progress::Failed),
        ("Failed", "False", Progress::Runs),
        ("SuccessCriteriaMet", "True", Progress::Runs),
    ] {
        let added = [("ADDED", 8, job("release-42", condition, truth))];
        let controller = change("Job", &[], &added).await;
        let expected = BTreeMap::from([(42, expected)]);
        assert_eq!(
            controller.lock().migrations["acme"],
            expected,
            "{condition}"
        );
        assert_eq!(asked(&controller), ["Normal acme"]);
        assert!(woken(&controller.rollouts));
    }
}

#[tokio::test(start_paused = true)]
async fn a_last_backup_is_no_migration_and_the_end_of_any_other_job_wakes_nobody() {
    let last = [("ADDED", 8, job("last-backup-20261130", "Complete", "True"))];
    let controller = change("Job", &[], &last).await;
    let done = BTreeMap::from([("last-backup-20261130".to_owned(), Progress::Done)]);
    assert_eq!(controller.lock().last_backups["acme"], done);
    assert!(controller.lock().migrations.is_empty());

    let known = [at(8, &job("reindex", "Complete", "False"))];
    let ended = [("MODIFIED", 9, job("reindex", "Complete", "True"))];
    let controller = change("Job", &known, &ended).await;
    assert_eq!(asked(&controller), [""; 0]);
    assert!(!woken(&controller.rollouts));
    assert!(controller.lock().migrations.is_empty());
}

#[tokio::test(start_paused = true)]
async fn whoever_deletes_the_job_of_a_failed_migration_gets_another_one() {
    let knows_why = |controller: &Controller| {
        let why = (42, None);
        controller.lock().failures.insert("acme".to_owned(), why);
    };
    let failed = job("release-42", "Failed", "True");
    let known = [at(8, &failed)];
    let kind = kind("Job");
    for (change, forgotten) in [("MODIFIED", false), ("DELETED", true)] {
        let changes = [(change, 9, failed.clone())];
        let watch = |controller, stop| workloads(controller, kind, stop);
        let controller = changed(&ours(kind), &known, &changes, knows_why, watch).await;
        let state = controller.lock();
        assert_eq!(state.migrations["acme"].is_empty(), forgotten);
        assert_eq!(state.failures.is_empty(), forgotten);
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_of_the_last_backup_is_that_of_the_cron_job_of_this_name() {
    let time = "2026-11-30T03:00:00Z";
    let made: Timestamp = time.parse().unwrap();
    for (status, expected) in [
        (json!({ "lastSuccessfulTime": time }), Some(made)),
        (json!({}), None),
    ] {
        let other = workload("beta", "other", &json!({}), &status);
        let added = [("ADDED", 8, backup(&status)), ("ADDED", 9, other)];
        let controller = change("CronJob", &[], &added).await;
        let state = controller.lock();
        let known: Vec<_> = state.backups.iter().collect();
        assert_eq!(known, [(&"acme".to_owned(), &expected)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_route_is_as_its_controller_says() {
    let accepted = |status: &str| {
        let condition = json!({ "type": "Accepted", "status": status, "message": "no listener" });
        json!({ "parents": [{ "conditions": [condition] }] })
    };
    let address = json!({ "loadBalancer": { "ingress": [{ "ip": "192.0.2.1" }] } });
    for (kind, status, truth, why) in [
        ("Ingress", json!({}), Truth::Unknown, ""),
        ("Ingress", address, Truth::True, ""),
        ("HTTPRoute", json!({ "parents": [] }), Truth::Unknown, ""),
        ("HTTPRoute", accepted("True"), Truth::True, ""),
        ("HTTPRoute", accepted("False"), Truth::False, "no listener"),
    ] {
        let controller = change(kind, &[], &[("ADDED", 8, route(&status))]).await;
        let name = (kind.to_owned(), "web".to_owned());
        let expected = BTreeMap::from([(name, (truth, why.to_owned()))]);
        assert_eq!(
            controller.lock().routes["acme"],
            expected,
            "{kind} {status}"
        );
        assert_eq!(asked(&controller), ["Normal acme"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_a_workload_is_forgotten_with_it_and_its_shop_reconciles() {
    for (kind, object) in [
        ("Deployment", web("acme", 3)),
        ("Deployment", cron(1, 1, 1)),
        ("Job", job("release-42", "Complete", "True")),
        ("Job", job("last-backup-20261130", "Complete", "True")),
        ("CronJob", backup(&json!({}))),
        ("Ingress", route(&json!({}))),
        ("HTTPRoute", route(&json!({}))),
    ] {
        let known = at(8, &object);
        let deleted = [("DELETED", 9, known.clone())];
        let controller = change(kind, slice::from_ref(&known), &deleted).await;
        assert_eq!(asked(&controller), ["Normal acme"], "{kind}");
        let state = controller.lock();
        assert!(state.world.is_empty() && state.pods.is_empty() && state.crons.is_empty());
        assert!(state.backups.is_empty());
        assert!(state.migrations.values().all(BTreeMap::is_empty));
        assert!(state.last_backups.values().all(BTreeMap::is_empty));
        assert!(state.routes.values().all(BTreeMap::is_empty));
    }
}

#[tokio::test(start_paused = true)]
async fn another_deployment_has_no_pods_to_count_and_takes_none_with_it() {
    let search = workload("acme", "search", &json!({ "replicas": 1 }), &json!({}));
    let known = [at(8, &web("acme", 2)), at(8, &search)];
    let deleted = [("DELETED", 9, search)];
    let controller = change("Deployment", &known, &deleted).await;
    assert_eq!(asked(&controller), ["Normal acme"]);
    let state = controller.lock();
    assert_eq!(state.pods["acme"].ready, 2);
    assert!(state.crons.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_no_shop_wakes_nobody() {
    let mut foreign = web("acme", 3);
    foreign["metadata"]["labels"] = json!({});
    let changes = [("ADDED", 8, foreign.clone()), ("DELETED", 9, foreign)];
    for changes in [&changes[..1], &changes[..]] {
        let controller = change("Deployment", &[], changes).await;
        assert_eq!(asked(&controller), [""; 0]);
        assert!(!woken(&controller.rollouts));
        let state = controller.lock();
        assert!(state.world.is_empty() && state.pods.is_empty() && state.builds.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_build_is_remembered_as_long_as_its_job_is_there_and_wakes_no_shop() {
    let mut build = job("build-php-42", "Complete", "True");
    build["metadata"]["labels"] = json!({});
    build["metadata"]["namespace"] = json!(BUILDS);
    let changes = [("ADDED", 8, build.clone()), ("DELETED", 9, build)];
    let controller = change("Job", &[], &changes[..1]).await;
    let done = BTreeMap::from([("build-php-42".to_owned(), Progress::Done)]);
    assert_eq!(controller.lock().builds, done);
    assert_eq!(asked(&controller), [""; 0]);
    let controller = change("Job", &[], &changes).await;
    assert!(controller.lock().builds.is_empty());
    // While nobody watched. A list of another kind says nothing of builds.
    for (kind, left) in [("Job", 0), ("Deployment", 1)] {
        let prepare = |controller: &Controller| controller.lock().builds = done.clone();
        let controller = list(kind, &[], prepare).await;
        assert_eq!(controller.lock().builds.len(), left);
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_is_read_page_by_page() {
    let kind = kind("Deployment");
    let path = ours(kind);
    let script = Script::new([
        lists(&path).answers(page(&[web("acme", 1)], 7, Some("next"))),
        lists_on(&path).answers(page(&[web("beta", 2)], 7, None)),
        watches(&path, 7).stays_silent(),
    ]);
    let controller = Arc::new(controller(&script));
    let watch = |controller, stop| workloads(controller, kind, stop);
    hears(&script, &controller, watch).await;
    let state = controller.lock();
    let ready = ["acme", "beta"].map(|shop| state.pods[shop].ready);
    assert_eq!((ready, state.pods.len()), ([1, 2], 2));
}

#[tokio::test(start_paused = true)]
async fn before_everything_was_read_a_list_wakes_nobody() {
    for (unread, expected) in [(None, &["Normal acme"][..]), (Some("shops"), &[][..])] {
        let prepare = |controller: &Controller| controller.lock().unread.extend(unread);
        let controller = list("Deployment", &[web("acme", 3)], prepare).await;
        assert_eq!(asked(&controller), expected);
        assert_eq!(controller.lock().pods["acme"].ready, 3);
    }
}

#[tokio::test(start_paused = true)]
async fn what_changed_while_nobody_watched_is_found_and_wakes_no_shop_that_did_not_change() {
    let before = ["acme", "beta", "gamma"].map(|shop| at(8, &web(shop, 1)));
    let after = [at(9, &web("beta", 2)), at(8, &web("gamma", 1))];
    let kind = kind("Deployment");
    let watch = |controller, stop| workloads(controller, kind, stop);
    let controller = relisted(&ours(kind), (&before, &after), unprepared, watch).await;
    assert_eq!(asked(&controller), ["Normal acme", "Normal beta"]);
    assert!(woken(&controller.rollouts), "pods became ready");
    let state = controller.lock();
    assert!(!state.pods.contains_key("acme") && !state.world.contains_key("acme"));
    assert_eq!(["beta", "gamma"].map(|shop| state.pods[shop].ready), [2, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_route_that_was_deleted_while_nobody_watched_is_forgotten_and_one_of_another_kind_is_not()
{
    let kind = kind("Ingress");
    let watch = |controller, stop| workloads(controller, kind, stop);
    let other = ("HTTPRoute".to_owned(), "web".to_owned());
    let prepare = |controller: &Controller| {
        let accepted = (Truth::True, String::new());
        let mut state = controller.lock();
        let routes = state.routes.entry("acme".to_owned()).or_default();
        routes.insert(other.clone(), accepted);
    };
    let before = [at(8, &route(&json!({})))];
    let controller = relisted(&ours(kind), (&before, &[]), prepare, watch).await;
    assert_eq!(asked(&controller), ["Normal acme"]);
    let state = controller.lock();
    assert!(state.routes["acme"].keys().eq([&other]));
}

#[tokio::test(start_paused = true)]
async fn why_a_migration_failed_is_forgotten_with_its_job_whoever_saw_it_go() {
    let kind = kind("Job");
    let watch = |controller, stop| workloads(controller, kind, stop);
    let prepare = |controller: &Controller| {
        let mut state = controller.lock();
        state.failures.insert("acme".to_owned(), (42, None));
    };
    let before = [at(8, &job("release-42", "Failed", "True"))];
    let controller = relisted(&ours(kind), (&before, &[]), prepare, watch).await;
    assert_eq!(asked(&controller), ["Normal acme"]);
    assert!(controller.lock().failures.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_workload_that_cannot_be_read_stops_nothing_of_what_follows() {
    let mut torn = web("acme", 1);
    torn["spec"]["replicas"] = json!(-1);
    let known = [at(8, &web("acme", 2))];
    let changes = [("MODIFIED", 9, torn), ("ADDED", 10, web("beta", 3))];
    let controller = change("Deployment", &known, &changes).await;
    assert_eq!(asked(&controller), ["Normal beta"]);
    assert_eq!(controller.lock().pods["acme"].ready, 2);
}
