//! What is said of shops that wait, fail or are held.

use super::*;
use api::ShopStatus;

fn shop(conditions: Vec<Condition>) -> Shop {
    let spec =
        serde_json::json!({"class": "c", "channel": "shops/acme", "domains": [], "services": {}});
    let mut shop = Shop::new("a", serde_json::from_value(spec).unwrap());
    shop.metadata.generation = Some(2);
    shop.status = Some(ShopStatus {
        observed_generation: Some(2),
        conditions,
        ..ShopStatus::default()
    });
    shop
}

fn explain(shop: &Shop, halted: Option<&str>) -> String {
    text(&why(
        "a",
        shop,
        (&Fleet::default(), &Claims::default()),
        halted,
        "2026-11-23T12:00:00Z".parse().unwrap(),
    ))
}

#[test]
fn a_shop_without_a_release_says_what_to_apply() {
    let text = explain(&shop(Vec::new()), None);
    assert!(
        text.contains("no Release of channel shops/acme")
            && text.contains("release resource --store … --channel shops/acme |"),
        "{text}"
    );
}

/// What rendering would say of a shop that the scheduler has looked at, its conditions say; of one
/// that was changed since, nobody else says it.
#[test]
fn what_rendering_says_is_asked_only_of_a_shop_that_was_changed() {
    let schedule = serde_json::json!([{"cron": "0 0 31 2 *", "durationHours": 1, "min": 3}]);
    let mut shop = api::fixtures::shop(
        "a",
        serde_json::json!({"scale": {"min": 1, "max": 4, "schedule": schedule}}),
    );
    shop.metadata.generation = Some(2);
    shop.status = Some(ShopStatus {
        observed_generation: Some(2),
        ..ShopStatus::default()
    });
    let mut fleet = Fleet::default();
    let class = api::fixtures::class("php", serde_json::json!({}));
    fleet.classes.insert("php".into(), class);
    let explain = |shop: &Shop| {
        let now = "2026-11-23T12:00:00Z".parse().unwrap();
        text(&why("a", shop, (&fleet, &Claims::default()), None, now))
    };
    assert!(
        !explain(&shop).contains("scale.schedule"),
        "{}",
        explain(&shop)
    );
    shop.metadata.generation = Some(3);
    let text = explain(&shop);
    assert!(
        text.contains("shop a: scale.schedule: ") && text.contains("0 0 31 2 *"),
        "{text}"
    );
}

#[test]
fn releases_that_cannot_be_read_are_named() {
    let mut answer = why(
        "a",
        &shop(Vec::new()),
        (&Fleet::default(), &Claims::default()),
        None,
        "2026-11-23T12:00:00Z".parse().unwrap(),
    );
    answer.unreadable(&["Release acme-43: spec.envelope is not a release object".to_owned()]);
    let text = text(&answer);
    assert!(
        text.contains("Release acme-43: spec.envelope is not")
            && text.contains("→ delete Releases that cannot be read"),
        "{text}"
    );
}

#[test]
fn a_shop_that_waits_for_its_pods_is_not_called_served() {
    let condition = |kind: &str, reason: &str, message: &str| Condition {
        kind: kind.into(),
        status: Truth::True,
        reason: reason.into(),
        message: message.into(),
        observed_generation: Some(2),
        last_transition_time: "2026-11-23T11:00:00Z".parse().unwrap(),
    };
    let switching = condition(
        "DatabaseCurrent",
        assign::SWITCHING,
        "visitors wait until every pod is seen to run sequence 43",
    );
    let text = explain(
        &shop(vec![condition("Ready", "Available", ""), switching]),
        None,
    );
    assert!(
        text.starts_with("a: closed until every pod runs its release"),
        "{text}"
    );
    assert!(
        text.contains(
            "no visitor is let in since 2026-11-23T11:00:00Z: visitors wait until every pod"
        ),
        "{text}"
    );
}

#[test]
fn why_a_release_was_rejected_is_told_after_its_pod_is_gone() {
    let mut shop = shop(Vec::new());
    let told = |sequence: i64, back: Option<i64>| {
        serde_json::from_value(
            serde_json::json!({"name": "r", "sequence": sequence, "manifest": format!("m{sequence}"), "returnedFrom": back}),
        )
        .unwrap()
    };
    let status = shop.status.as_mut().unwrap();
    let why = "before the switch, / through php-fpm: status 500: PHP Fatal error".to_owned();
    status.rejected = vec![RejectedRelease {
        manifest: "m43".into(),
        sequence: 43,
        pod: "web-7".into(),
        at: "noon".into(),
        why,
    }];
    status.release = Some(told(43, None));
    let text = explain(&shop, None);
    assert!(
        text.contains(
            "pod web-7 rejected sequence 43 at noon: before the switch, / through php-fpm: \
             status 500: PHP"
        ),
        "{text}"
    );
    assert!(
        text.contains("pods that start get the release before") && text.contains("rollout resume"),
        "{text}"
    );
    shop.status.as_mut().unwrap().release = Some(told(42, Some(43)));
    let text = explain(&shop, None);
    assert!(
        text.contains("pod web-7 rejected sequence 43") && !text.contains("pods that start"),
        "{text}"
    );
    shop.status.as_mut().unwrap().release = Some(told(44, None));
    assert!(
        !explain(&shop, None).contains("web-7"),
        "it runs something else by now"
    );
}

#[test]
fn what_holds_a_shop_comes_with_what_to_do() {
    let condition = Condition {
        kind: "Applied".into(),
        status: Truth::False,
        reason: "Conflict".into(),
        message: r#"spec.replicas belongs to "hpa""#.into(),
        observed_generation: Some(2),
        last_transition_time: "2026-11-23T11:00:00Z".parse().unwrap(),
    };
    let text = explain(&shop(vec![condition]), Some("halted by ana: sale"));
    for part in [
        "not Applied since 2026-11-23T11:00:00Z: Conflict",
        "belongs to \"hpa\"",
        "--take-over",
        "halted by ana",
        "halt --lift",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn a_host_that_waits_for_its_proof_is_told_once_with_the_record_to_make() {
    let condition = |kind: &str, reason: &str| Condition {
        kind: kind.into(),
        status: Truth::False,
        reason: reason.into(),
        message: "until DNS has _longshore.acme.example".into(),
        observed_generation: Some(2),
        last_transition_time: "2026-11-23T11:00:00Z".parse().unwrap(),
    };
    let [routes, proofs] = [
        condition("RoutesProgrammed", "HostNotProven"),
        condition("DomainsProven", "NotProven"),
    ];
    let both = explain(&shop(vec![routes.clone(), proofs]), None);
    assert_eq!(both.matches("_longshore.acme.example").count(), 1, "{both}");
    assert!(both.contains("→ the owner of the domain makes the record"));
    // A class that does not ask, and a host that is proven to be another shop's.
    let one = explain(&shop(vec![routes]), None);
    assert_eq!(one.matches("_longshore.acme.example").count(), 1, "{one}");
}
