//! Plans against a scripted API server: what is asked, and what is made of the answers.

mod claims;

use super::*;
use crate::Action;
use api::{APPLIED, fixtures};
use client::{
    KINDS, Kind, SHOP,
    scripted::{Exchange, Script, expect, list},
};
use release::Migration;
use serde_json::json;

fn now() -> Timestamp {
    "2026-11-30T12:00:00Z".parse().expect("a time")
}

/// One shop, its class and its release.
fn fleet() -> Fleet {
    let mut fleet = Fleet::default();
    let release = fixtures::release(7, Migration::None);
    fleet
        .shops
        .insert("acme".into(), fixtures::shop("acme", json!({})));
    fleet
        .classes
        .insert("php".into(), fixtures::class("php", json!({})));
    let releases = fleet.releases.entry(release.channel.clone()).or_default();
    releases.insert(7, release);
    fleet
}

/// What the cluster would have of a shop if everything were as it should be.
fn rendered(fleet: &Fleet) -> Vec<Object> {
    let shop = fleet.shops.get("acme");
    super::rendered(fleet, &Claims::default(), "acme", shop, now()).expect("objects")
}

/// Answers to the lists of what a cluster has.
fn lists(objects: &[Object], shop: &str) -> Vec<Exchange> {
    let of = |kind: &&Kind| {
        let metadata: Vec<_> = objects
            .iter()
            .map(Object::identity)
            .zip(objects)
            .filter(|(it, _)| it.kind == kind.name && it.api_version == kind.api_version)
            .map(|(it, object)| {
                json!({
                    "name": it.name, "namespace": it.namespace, "uid": it.name, "resourceVersion": "1",
                    "labels": { SHOP: shop },
                    "annotations": { APPLIED: object.digest().to_string() },
                    "creationTimestamp": "2026-11-01T00:00:00Z",
                })
            })
            .collect();
        let resource = kind.resource();
        let api = if resource.group.is_empty() {
            "api"
        } else {
            "apis"
        };
        let path = format!("GET /{api}/{}/{}", resource.api_version, resource.plural);
        expect(&path).answers(list(&metadata, None))
    };
    KINDS.iter().collect::<Vec<_>>().iter().map(of).collect()
}

async fn planned(script: &Script, fleet: &Fleet, remove: Option<Limit>) -> Result<Plan, ApiError> {
    let question = PlanRequest {
        fleet,
        claims: &Claims::new(fleet),
        before: &Fleet::default(),
        tries: TRIES,
        shops: &BTreeSet::new(),
        registry: Registry::Whole { shops: 200 },
        remove,
        resources: &[],
        conflicts: Conflicts::Refuse,
        fields: true,
        now: now(),
    };
    let plan = plan(
        &script.cluster().patient(std::time::Duration::ZERO),
        &question,
    )
    .await;
    script.end();
    plan
}

#[tokio::test]
async fn a_shop_that_is_as_it_should_be_is_not_tried() {
    let fleet = fleet();
    let script = Script::new(lists(&rendered(&fleet), "acme"));
    let plan = planned(&script, &fleet, None).await.expect("a plan");
    assert!(plan.is_empty() && plan.failed.is_empty(), "{plan:?}");
    assert_eq!(plan.looked_at, 1);
}

#[tokio::test]
async fn of_a_new_shop_only_what_is_in_no_namespace_is_tried() {
    let fleet = fleet();
    let script = Script::new([expect("PATCH /api/v1/namespaces/shop-acme dryRun=All").stores()])
        .with_empty_lists();
    let plan = planned(&script, &fleet, None).await.expect("a plan");
    let changes = &plan.shops["acme"];
    assert_eq!(changes.len(), rendered(&fleet).len());
    assert!(changes.iter().all(|change| change.action == Action::Create));
}

#[tokio::test]
async fn an_object_of_another_digest_is_shown_field_by_field() {
    let fleet = fleet();
    let mut objects = rendered(&fleet);
    let place = objects
        .iter()
        .position(|it| it.identity().kind == "ServiceAccount");
    let place = place.expect("a ServiceAccount");
    let wanted = objects[place].clone();
    let identity = wanted.identity().clone();
    let mut other = wanted.value();
    other["automountServiceAccountToken"] = true.into();
    let other: kube::core::DynamicObject = serde_json::from_value(other).expect("an object");
    objects[place] = Object::dynamic(&other);
    let path = format!(
        "/api/v1/namespaces/shop-acme/serviceaccounts/{}",
        identity.name
    );
    let mut exchanges = lists(&objects, "acme");
    exchanges.push(expect(&format!("GET {path}")).answers(objects[place].value()));
    exchanges.push(expect(&format!("PATCH {path} dryRun=All !force=true")).answers(wanted.value()));
    let plan = planned(&Script::new(exchanges), &fleet, None).await;
    let plan = plan.expect("a plan");
    let change = &plan.shops["acme"][0];
    assert_eq!((&change.object, change.action), (&identity, Action::Change));
    let paths: Vec<_> = change
        .fields
        .iter()
        .map(|field| field.path.as_str())
        .collect();
    assert_eq!(paths, ["automountServiceAccountToken"]);
}

#[tokio::test]
async fn a_refusal_is_part_of_the_plan_and_an_outage_is_its_end() {
    let fleet = fleet();
    let path = "PATCH /api/v1/namespaces/shop-acme dryRun=All";
    let script = Script::new([expect(path).refuses(403, "Forbidden", "no namespaces here")])
        .with_empty_lists();
    let plan = planned(&script, &fleet, None).await.expect("a plan");
    let refused = plan.shops["acme"]
        .iter()
        .find_map(|change| change.refused.as_deref());
    assert!(
        refused.is_some_and(|why| why.contains("no namespaces here")),
        "{plan:?}"
    );

    let script =
        Script::new([expect(path).refuses(503, "ServiceUnavailable", "later")]).with_empty_lists();
    let error = planned(&script, &fleet, None)
        .await
        .expect_err("it cannot be asked");
    assert!(error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_shop_that_left_the_registry_is_held_or_taken_down_without_its_data() {
    let objects = rendered(&fleet());
    let empty = Fleet::default();
    let held = planned(&Script::new(lists(&objects, "acme")), &empty, None).await;
    let held = held.expect("a plan");
    assert!(
        held.is_empty() && held.held[0].contains("--prune"),
        "{held:?}"
    );

    let script = Script::new(lists(&objects, "acme"));
    let plan = planned(&script, &empty, Some(Limit::Default)).await;
    let plan = plan.expect("a plan");
    let changes = &plan.shops["acme"];
    let goes = |kind: &str| changes.iter().any(|change| change.object.kind == kind);
    assert!(changes.iter().all(|change| change.action == Action::Delete));
    assert!(goes("Deployment") && !goes("Namespace"), "{changes:?}");
}
