//! What a status says of pods, pages and databases.

use super::*;

fn observed(pods: Option<Pods>, page: &PageStatus) -> ObservedShop {
    ObservedShop {
        pods,
        page: page.clone(),
        data: Vec::new(),
    }
}

fn shop(status: Option<ShopStatus>) -> Shop {
    let spec = serde_json::from_value(
        serde_json::json!({"class": "c", "channel": "x", "domains": [], "services": {}}),
    )
    .unwrap();
    let mut shop = Shop::new("a", spec);
    (shop.status, shop.metadata.generation) = (status, Some(3));
    shop
}

fn applied() -> ReconcileOutcome {
    ReconcileOutcome::Applied {
        digest: "d".into(),
        taken: Vec::new(),
    }
}

fn at(minute: i8) -> Timestamp {
    format!("2026-11-23T12:{minute:02}:00Z").parse().unwrap()
}

fn find<'a>(status: &'a ShopStatus, kind: &str) -> &'a Condition {
    status
        .conditions
        .iter()
        .find(|condition| condition.kind == kind)
        .unwrap()
}

#[test]
fn what_did_not_change_is_not_written_again() {
    let pods = Some(Pods {
        wanted: 2,
        ready: 2,
        updated: 2,
        current: true,
    });
    let first = status(
        &shop(None),
        &applied(),
        observed(pods, &PageStatus::Works),
        at(0),
    );
    assert_eq!(
        status(
            &shop(Some(first.clone())),
            &applied(),
            observed(pods, &PageStatus::Works),
            at(5)
        ),
        first
    );
    assert_eq!(
        (
            find(&first, "Ready").status,
            first.pods.as_deref(),
            first.observed_generation
        ),
        (Truth::True, Some("2/2"), Some(3))
    );
}

#[test]
fn a_shop_is_ready_once_its_page_was_seen_and_stays_so() {
    let pods = Some(Pods {
        wanted: 2,
        ready: 1,
        updated: 2,
        current: true,
    });
    let database = |verdict| vec![("DatabaseCurrent", verdict)];
    let empty = || {
        database(Verdict::no(
            "MigrationFailed",
            "database shop_acme on aurora-eu-1 is empty",
        ))
    };
    let fails = PageStatus::Fails("the page of pod web-1: status 503".to_owned());
    let mut new = shop(None);
    for (page, data, reason, message) in [
        (
            &PageStatus::Unknown,
            vec![],
            "PageUnknown",
            "no agent has seen its page yet",
        ),
        (
            &fails,
            empty(),
            "MigrationFailed",
            "database shop_acme on aurora-eu-1 is empty",
        ),
        (
            &fails,
            database(Verdict::yes("Migrated")),
            "PageFails",
            "the page of pod web-1: status 503",
        ),
    ] {
        let found = status(
            &new,
            &applied(),
            ObservedShop {
                data,
                ..observed(pods, page)
            },
            at(1),
        );
        let ready = find(&found, "Ready");
        assert_eq!(
            (
                ready.status,
                ready.reason.as_str(),
                ready.message.as_str(),
                &found.worked
            ),
            (Truth::False, reason, message, &None)
        );
        new.status = Some(found);
    }
    new.status = Some(status(
        &new,
        &applied(),
        observed(pods, &PageStatus::Works),
        at(2),
    ));
    assert_eq!(new.status.as_ref().unwrap().worked, Some(at(2).to_string()));
    // From now on its pods decide.
    let later = status(
        &new,
        &applied(),
        ObservedShop {
            data: empty(),
            ..observed(pods, &fails)
        },
        at(3),
    );
    assert_eq!(
        (find(&later, "Ready").status, later.worked),
        (Truth::True, Some(at(2).to_string()))
    );
}

#[test]
fn a_shop_that_served_before_anybody_asked_for_its_page_goes_on() {
    let pods = Some(Pods {
        wanted: 2,
        ready: 2,
        updated: 2,
        current: true,
    });
    let first = status(
        &shop(None),
        &applied(),
        observed(pods, &PageStatus::Works),
        at(0),
    );
    let old = ShopStatus {
        worked: None,
        ..first.clone()
    };
    assert_eq!(
        find(
            &status(
                &shop(Some(old)),
                &applied(),
                observed(pods, &PageStatus::Unknown),
                at(1)
            ),
            "Ready"
        )
        .status,
        Truth::True
    );
    // Nobody has seen one that never had a pod.
    let none = Some(Pods {
        wanted: 0,
        ..Pods::default()
    });
    let suspended = status(
        &shop(None),
        &applied(),
        observed(none, &PageStatus::Works),
        at(0),
    );
    assert_eq!(
        (find(&suspended, "Ready").status, suspended.worked.clone()),
        (Truth::True, None)
    );
    assert_eq!(
        find(
            &status(
                &shop(Some(suspended)),
                &applied(),
                observed(pods, &PageStatus::Unknown),
                at(1)
            ),
            "Ready"
        )
        .status,
        Truth::False
    );
}

#[test]
fn a_change_has_its_own_time() {
    let ready = |ready| {
        Some(Pods {
            wanted: 2,
            ready,
            updated: 2,
            current: true,
        })
    };
    let first = status(
        &shop(None),
        &applied(),
        observed(ready(2), &PageStatus::Works),
        at(0),
    );
    let second = status(
        &shop(Some(first)),
        &applied(),
        observed(ready(0), &PageStatus::Works),
        at(5),
    );
    assert_eq!(
        (
            find(&second, "Ready").reason.as_str(),
            find(&second, "Ready").last_transition_time
        ),
        ("NoPodReady", at(5))
    );
    assert_eq!(find(&second, "Applied").last_transition_time, at(0));
}

#[test]
fn a_shop_that_serves_and_still_needs_somebody_is_degraded() {
    let some = |ready| {
        Some(Pods {
            wanted: 2,
            ready,
            updated: 2,
            current: true,
        })
    };
    let good = status(
        &shop(None),
        &applied(),
        observed(some(2), &PageStatus::Works),
        at(0),
    );
    assert_eq!(
        (
            find(&good, "Degraded").status,
            find(&good, "Degraded").observed_generation
        ),
        (Truth::False, Some(3))
    );
    let bad = status(
        &shop(None),
        &applied(),
        observed(some(1), &PageStatus::Works),
        at(0),
    );
    assert_eq!(
        (find(&bad, "Ready").status, find(&bad, "Degraded").status),
        (Truth::True, Truth::True)
    );
    assert_eq!(
        find(&bad, "Degraded").message,
        "WorkloadAvailable: SomePodsNotReady"
    );
}

#[test]
fn a_shop_that_cannot_be_rendered_says_why_and_keeps_what_runs() {
    let first = status(
        &shop(None),
        &applied(),
        observed(None, &PageStatus::Works),
        at(0),
    );
    let second = status(
        &shop(Some(first)),
        &ReconcileOutcome::NotRendered("no class".into()),
        observed(None, &PageStatus::Works),
        at(1),
    );
    assert_eq!(
        (
            find(&second, "Ready").message.as_str(),
            second.applied.as_deref()
        ),
        ("no class", Some("d"))
    );
}
