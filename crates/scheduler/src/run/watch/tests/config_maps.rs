//! ConfigMaps of the edge: what is remembered of certificates, and who visits.

use super::*;
use api::edge::certificate::{key_of, shard_name, shard_of};
use jiff::Timestamp;

const CERTIFICATES: &str = "/api/v1/namespaces/edge/configmaps \
                            labelSelector=app.kubernetes.io%2Fcomponent%3Dcertificates";
const REPORTS: &str = "/api/v1/namespaces/edge/configmaps fieldSelector=metadata.name%3Dvisits";

/// What is remembered of the certificate of a host.
fn remembered(host: &str, record: &Value) -> Value {
    json!({
        "metadata": { "name": shard_name(shard_of(host)) },
        "data": { (key_of(host)): record.to_string() },
    })
}

/// What one replica of the edge tells of visitors: how many seconds ago the last one came, by
/// namespace.
fn report(seconds: &Value) -> Value {
    let report = json!({ "at": Timestamp::UNIX_EPOCH.to_string(), "seconds": seconds });
    json!({ "metadata": { "name": "visits" }, "data": { "edge-1": report.to_string() } })
}

/// The shop `acme` is without pods, and `beta` always has some.
fn knows_idle(controller: &Controller) {
    let scale = json!({ "scale": { "idle": { "after": "5m", "mode": "Zero" } } });
    let mut acme = fixtures::shop("acme", scale);
    let status = json!({ "atZeroSince": Timestamp::UNIX_EPOCH.to_string() });
    acme.status = Some(serde_json::from_value(status).unwrap());
    controller.lock().shop(acme);
    knows(controller, &["beta"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_of_a_host_has_the_shop_reconcile_that_has_it() {
    let issued = json!({ "state": "Issued", "issuer": "R11" });
    let failed = json!({ "state": "Issued", "issuer": "R11", "problem": "no A record" });
    // The issuer's own: no status of a Shop says that.
    let counted = json!({ "state": "Issued", "issuer": "R11", "failures": 2 });
    let known = remembered("acme.example", &issued);
    for (change, object, expected) in [
        (
            "MODIFIED",
            remembered("acme.example", &failed),
            &["Slow acme"][..],
        ),
        ("MODIFIED", remembered("acme.example", &counted), &[][..]),
        ("ADDED", remembered("www.else.example", &issued), &[][..]),
        ("DELETED", known.clone(), &["Slow acme"][..]),
    ] {
        let changes = [(change, 8, object)];
        let known = slice::from_ref(&known);
        let prepare = |controller: &Controller| knows(controller, &["acme", "beta"]);
        let controller = changed(CERTIFICATES, known, &changes, prepare, certificates).await;
        assert_eq!(asked(&controller), expected, "{changes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_visitor_of_a_shop_without_pods_is_urgent_and_others_wake_nobody() {
    for (seconds, expected) in [
        (
            json!({ "shop-acme": 4, "shop-beta": 4 }),
            &["Urgent acme"][..],
        ),
        (json!({ "shop-beta": 4, "shop-gone": 4 }), &[][..]),
    ] {
        let added = [("ADDED", 8, report(&seconds))];
        let controller = changed(REPORTS, &[], &added, knows_idle, visits).await;
        assert_eq!(asked(&controller), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn without_its_map_nobody_knows_who_has_no_visitors() {
    let known = |controller: &Controller| {
        let state = controller.lock();
        let quiet = state.visits.quiet_since("shop-acme", Timestamp::now());
        quiet.is_some()
    };
    let nobody = report(&json!({}));
    let reports = slice::from_ref(&nobody);
    let controller = listed(REPORTS, reports, knows_idle, visits).await;
    assert!(known(&controller));
    let deleted = [("DELETED", 8, nobody.clone())];
    let told = changed(REPORTS, reports, &deleted, knows_idle, visits).await;
    // While nobody watched.
    let missed = relisted(REPORTS, (reports, &[]), knows_idle, visits).await;
    assert!(!known(&told) && !known(&missed));
}
