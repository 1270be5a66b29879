//! Who sees what.

use super::*;
use crate::registry::Stored;
use crate::rights::Rights;
use api::{ResolvedRelease, fixtures};
use client::scripted::{Exchange, Script, expect};
use serde_json::{Value, json};

const MAY: &str = "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
const RULES: &str = "POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews";

/// The API server says yes to this, and no to everything else.
fn only(verb: &'static str, resource: &'static str, name: Option<&'static str>) -> Exchange {
    expect(MAY).made_of(move |sent| {
        let asked = &sent["spec"]["resourceAttributes"];
        let named = name.is_none_or(|name| asked["name"] == name);
        let allowed = asked["verb"] == verb && asked["resource"] == resource && named;
        json!({ "spec": sent["spec"], "status": { "allowed": allowed } })
    })
}

fn rules(rules: Value) -> Exchange {
    expect(RULES).made_of(move |sent| {
        let status = json!({ "resourceRules": rules, "nonResourceRules": [], "incomplete": true });
        json!({ "spec": sent["spec"], "status": status })
    })
}

async fn asked(script: &Script) -> View {
    let sees = Rights::new(script.cluster(), "longshore-system").sees();
    let view = View::ask(&sees);
    let view = view.await.unwrap();
    script.end();
    view
}

fn these(names: &[&str]) -> Visible {
    Visible::These(names.iter().map(|name| (*name).to_owned()).collect())
}

#[tokio::test]
async fn whoever_may_list_everything_sees_everything() {
    let yes = || {
        expect(MAY).made_of(|sent| json!({ "spec": sent["spec"], "status": { "allowed": true } }))
    };
    let view = asked(&Script::new([yes(), yes(), yes()])).await;
    assert!(view.is_all());
}

#[tokio::test]
async fn rules_name_shops_and_each_of_them_is_asked_for() {
    let of = |names: Value| json!({ "verbs": ["get", "patch"], "apiGroups": ["longshore.dev"], "resources": ["shops"], "resourceNames": names });
    let others = json!({ "verbs": ["*"], "apiGroups": ["apps"], "resources": ["*"], "resourceNames": ["other"] });
    let script = Script::new([
        only("none", "", None),
        only("none", "", None),
        only("none", "", None),
        rules(json!([
            of(json!(["acme", "bikes"])),
            others,
            of(json!(["acme"]))
        ])),
        only("get", "shops", Some("acme")),
        // The rules name it, and another authorizer says no.
        only("none", "", None),
    ]);
    let expected = View {
        shops: these(&["acme"]),
        rollouts: these(&[]),
        halt: false,
    };
    assert_eq!(asked(&script).await, expected);
}

#[tokio::test]
async fn nobody_sees_anything_if_nobody_can_say() {
    let away = || expect(MAY).refuses(503, "ServiceUnavailable", "away");
    let script = Script::new([away(), away(), away()]).in_any_order();
    let sees = Rights::new(script.cluster(), "longshore-system").sees();
    let view = View::ask(&sees);
    view.await.unwrap_err();
}

fn rollout(shops: &[&str], canaries: &[&str]) -> Rollout {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let mut spec = operations::rollout::defaults("r");
    (spec.shops, spec.canaries) = (owned(shops), owned(canaries));
    Rollout::new("r", spec)
}

fn known() -> Known {
    let mut known = Known::default();
    for (name, class) in [("acme", "php"), ("bikes", "secret-class")] {
        let shop = fixtures::shop(
            name,
            json!({ "class": class, "channel": format!("shops/{name}") }),
        );
        known.fleet.shops.insert(name.to_owned(), shop);
        known
            .fleet
            .classes
            .insert(class.to_owned(), fixtures::class(class, json!({})));
        let mut release: ResolvedRelease = fixtures::release(3, release::Migration::None);
        release.channel = format!("shops/{name}").parse().unwrap();
        release.name = format!("shops-{name}-3");
        known
            .stored
            .insert(release.name.clone(), Stored::new(&release, None));
        known
            .fleet
            .releases
            .insert(release.channel.clone(), [(3, release)].into());
    }
    for (name, shops, canaries) in [
        ("acme", &["acme"][..], &[][..]),
        ("bikes", &["bikes"], &[]),
        ("both", &["acme", "bikes"], &[]),
        ("all", &[], &[]),
        ("canary", &["acme"], &["bikes"]),
    ] {
        known
            .fleet
            .rollouts
            .insert(name.to_owned(), rollout(shops, canaries));
    }
    known
        .unreadable
        .insert("shops-bikes-4".to_owned(), "spec.envelope".to_owned());
    known.halt = Some(Halt {
        by: "boris".to_owned(),
        at: "2026-12-01T10:00:00Z".to_owned(),
        why: "bikes is down".to_owned(),
    });
    known
}

#[test]
fn of_other_shops_nothing_is_left() {
    let seen = View::of_shop("acme").filter(&known());
    let text = format!(
        "{:?} {:?} {:?} {:?}",
        seen.fleet, seen.halt, seen.stored, seen.unreadable
    );
    assert!(
        text.contains("acme") && !text.contains("bikes") && !text.contains("secret-class"),
        "{text}"
    );
    assert_eq!(seen.fleet.rollouts.keys().collect::<Vec<_>>(), ["acme"]);
    // A name that is taken is not given twice.
    assert!(seen.is_taken("bikes") && !seen.is_taken("free"));
}

#[test]
fn a_rollout_may_be_named_to_somebody() {
    let mut view = View::of_shop("acme");
    view.rollouts = these(&["all"]);
    let seen = view.filter(&known());
    assert_eq!(
        seen.fleet.rollouts.keys().collect::<Vec<_>>(),
        ["acme", "all"]
    );
    view.rollouts = Visible::All;
    assert_eq!(view.filter(&known()).fleet.rollouts.len(), 5);
}
