//! The steps of a plan against a scripted API server.

use super::*;
use crate::{
    refused,
    scripted::{Exchange, Script, expect},
};
use api::Object;
use kube::core::DynamicObject;
use serde_json::{Value, json};

fn object(kind: &str, name: &str) -> Object {
    let object = json!({
        "apiVersion": "v1", "kind": kind,
        "metadata": { "name": name, "namespace": "shop-acme" },
    });
    let object: DynamicObject = serde_json::from_value(object).expect("an object");
    Object::dynamic(&object)
}

fn applied(name: &str) -> Exchange {
    patch(name, "!force=true")
}

fn forced(name: &str) -> Exchange {
    patch(name, "force=true")
}

fn patch(name: &str, force: &str) -> Exchange {
    expect(&format!(
        "PATCH /api/v1/namespaces/shop-acme/configmaps/{name} {force} fieldManager=longshore \
         fieldValidation=Strict"
    ))
}

/// Another manager owns a field.
fn owned() -> Value {
    json!({
        "kind": "Status", "status": "Failure", "reason": "Conflict", "code": 409, "message": "m",
        "details": { "causes": [
            { "reason": "FieldManagerConflict", "message": "conflict with \"helm\"", "field": ".data.a" },
        ] },
    })
}

#[tokio::test]
async fn objects_are_written_in_their_order_and_carry_the_digest_of_themselves() {
    let (first, second) = (object("ConfigMap", "a"), object("ConfigMap", "b"));
    let digest = first.digest().to_string();
    let script = Script::new([
        applied("a").made_of(move |mut sent| {
            let annotations = &sent["metadata"]["annotations"];
            assert_eq!(annotations[api::APPLIED].as_str(), Some(&*digest));
            sent["metadata"]["uid"] = "u-a".into();
            sent
        }),
        applied("b").stores(),
    ]);
    let all = vec![Step::Create(&first), Step::Write(&second)];
    let done = steps(&script.cluster(), all, Ownership::Ask).await;
    script.end();
    let done = done.expect("both are written");
    let names: Vec<_> = done
        .written
        .iter()
        .map(|(it, _)| it.name.as_str())
        .collect();
    assert_eq!((names, done.writes()), (vec!["a", "b"], 2));
    assert_eq!(done.written[0].1.uid, "u-a");
    assert_eq!(done.written[0].1.applied, Some(first.digest()));
}

#[tokio::test]
async fn it_stops_at_the_first_refusal_and_says_what_was_done_before() {
    let all = ["a", "b", "c"].map(|name| object("ConfigMap", name));
    let script = Script::new([
        applied("a").stores(),
        applied("b").refuses(422, "Invalid", "b is wrong"),
    ]);
    let all = all.iter().map(Step::Write).collect();
    let stopped = steps(&script.cluster(), all, Ownership::Ask).await;
    script.end();
    let stopped = stopped.expect_err("b is refused");
    assert_eq!(stopped.done.writes(), 1);
    assert!(
        stopped.error.to_string().contains("b is wrong"),
        "{}",
        stopped.error
    );
}

#[tokio::test]
async fn fields_of_another_manager_are_refused_or_taken_and_told() {
    let object = object("ConfigMap", "a");
    let script = Script::new([applied("a").refuses_as(owned())]);
    let stopped = steps(
        &script.cluster(),
        vec![Step::Write(&object)],
        Ownership::Ask,
    )
    .await;
    script.end();
    assert!(stopped.expect_err("helm owns it").error.is_owned());

    let script = Script::new([applied("a").refuses_as(owned()), forced("a").stores()]);
    let done = steps(
        &script.cluster(),
        vec![Step::Write(&object)],
        Ownership::Take,
    )
    .await;
    script.end();
    let taken = done.expect("it is taken").taken;
    assert!(taken.len() == 1 && taken[0].contains("helm"), "{taken:?}");
}

#[tokio::test]
async fn a_deletion_names_the_object_that_was_looked_at() {
    let map = object("ConfigMap", "a");
    let deleted = || {
        let identity = map.identity().clone();
        Step::Delete(Deletion {
            identity,
            uid: "u-1".to_owned(),
        })
    };
    let request = || expect("DELETE /api/v1/namespaces/shop-acme/configmaps/a");
    let gone = request().made_of(|sent| {
        assert_eq!(sent["preconditions"]["uid"], "u-1");
        assert_eq!(sent["propagationPolicy"], "Background");
        json!({ "kind": "Status", "status": "Success" })
    });
    // One that somebody else deleted is no error; one that was made anew is.
    let cases = [
        (gone, true),
        (request().refuses(404, "NotFound", "a is gone"), true),
        (request().refuses(422, "Invalid", "the UID differs"), false),
    ];
    for (exchange, ends_well) in cases {
        let script = Script::new([exchange]);
        let done = steps(&script.cluster(), vec![deleted()], Ownership::Ask).await;
        script.end();
        assert_eq!(done.map(|done| done.writes()).ok(), ends_well.then_some(1));
    }
}

#[tokio::test]
async fn who_no_longer_leads_writes_nothing() {
    let object = object("ConfigMap", "a");
    let script = Script::new([]);
    let cluster = script.cluster().fenced(std::sync::Arc::new(|| false));
    let stopped = steps(&cluster, vec![Step::Write(&object)], Ownership::Take).await;
    script.end();
    let error = stopped.expect_err("it is fenced").error;
    assert!(matches!(error, ApiError::Fenced { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_passes_by_itself_is_written_again() {
    let object = object("ConfigMap", "a");
    let script = Script::new([
        applied("a").refuses(503, "ServiceUnavailable", "wait"),
        applied("a").refuses(409, "Conflict", "somebody wrote"),
        applied("a").stores(),
    ]);
    let done = steps(
        &script.cluster(),
        vec![Step::Write(&object)],
        Ownership::Ask,
    )
    .await;
    script.end();
    assert!(done.is_ok() && refused(503).is_transient());
}
