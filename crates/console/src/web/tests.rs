//! Pages, as a browser gets them, of a registry that a test filled.

mod baseline;
mod cloud;
mod jobs;
mod new;
mod work;

use super::*;
use crate::{
    begun::Begun,
    guard::Guard,
    person::{People, Person},
    registry::Registry,
    view::View,
};
use api::{Release, Rollout, Shop, ShopClass, fixtures};
use axum::body::Body;
use client::scripted::{Exchange, Script, expect, list};
use futures_util::stream;
use http::{Request, StatusCode, header::SET_COOKIE};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::{convert::Infallible, iter};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

const REVIEW: &str = "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
const HOST: &str = "127.0.0.1:9000";

/// The console, what it knows, and the API server that it may ask.
struct Console {
    routes: Router,
    registry: Arc<Registry>,
    guard: Arc<Guard>,
    script: Script,
}

fn may() -> Exchange {
    expect(REVIEW).made_of(|sent| json!({ "spec": sent["spec"], "status": { "allowed": true } }))
}

async fn console(exchanges: impl IntoIterator<Item = Exchange>) -> Console {
    let me = json!({ "status": { "userInfo": { "username": "anna <script>" } } });
    let who = expect("POST /apis/authentication.k8s.io/v1/selfsubjectreviews").answers(me);
    let script = Script::new(iter::once(who).chain(exchanges));
    let person = Person::new(script.cluster(), "longshore-system")
        .await
        .unwrap();
    let registry = Arc::new(Registry::default());
    let guard = Arc::new(Guard::new("127.0.0.1:9000".parse().unwrap()));
    registry.all::<Shop>(vec![shop()]);
    registry.all::<ShopClass>(vec![fixtures::class("php", json!({}))]);
    registry.all::<Release>(Vec::new());
    registry.all::<Rollout>(vec![rollout()]);
    let desk = Desk {
        registry: Arc::clone(&registry),
        guard: Arc::clone(&guard),
        people: People::One(person),
        login: None,
        own: script.cluster(),
        figures: Arc::default(),
        namespace: "longshore-system".to_owned(),
        begun: Begun::default(),
        stop: CancellationToken::new(),
    };
    Console {
        routes: routes(desk),
        registry,
        guard,
        script,
    }
}

fn shop() -> Shop {
    let more = json!({ "config": { "values": { "a/b": "<script>alert(1)</script>" } } });
    let mut shop = fixtures::shop("acme", more);
    shop.metadata.generation = Some(7);
    let conditions = json!([{ "type": "Ready", "status": "False", "reason": "PageFails",
        "message": "</td><script>alert(2)</script>", "lastTransitionTime": "2026-12-01T10:00:00Z" }]);
    let status = json!({ "observedGeneration": 7, "pods": "1/2", "conditions": conditions });
    shop.status = Some(serde_json::from_value(status).unwrap());
    shop
}

fn rollout() -> Rollout {
    let mut spec = operations::rollout::defaults("shops-acme-3");
    spec.started = Some(api::Started {
        by: "\"><script>".to_owned(),
        why: "<img src=x>".to_owned(),
    });
    let mut rollout = Rollout::new("r", spec);
    let status = json!({ "phase": "Moving", "wave": 1, "counts": { "all": 4, "done": 1, "moving": 1, "waiting": 2, "failed": 0, "returned": 0 } });
    rollout.status = Some(serde_json::from_value(status).unwrap());
    rollout
}

struct Page {
    code: StatusCode,
    headers: http::HeaderMap,
    text: String,
}

impl Console {
    async fn ask(&self, request: http::request::Builder, body: String) -> Page {
        let cookie = self.guard.cookie();
        let request = request
            .header("host", HOST)
            .header("cookie", cookie.split(';').next().unwrap())
            .body(Body::from(body))
            .unwrap();
        let response = self.routes.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Page {
            code: head.status,
            headers: head.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    async fn get(&self, path: &str) -> Page {
        self.ask(Request::get(path), String::new()).await
    }

    async fn post(&self, path: &str, form: &str) -> Page {
        let request = Request::post(path)
            .header("origin", format!("http://{HOST}"))
            .header("content-type", "application/x-www-form-urlencoded");
        let token = self.guard.form_token("");
        self.ask(request, format!("token={token}&{form}")).await
    }
}

#[tokio::test]
async fn every_page_is_whole_and_runs_nothing_that_a_tenant_wrote() {
    let pod = json!({
        "metadata": { "name": "web-1" }, "spec": { "nodeName": "<img>", "containers": [] },
    });
    let one = json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [pod] });
    let away = json!({ "kind": "Status", "code": 503, "message": "no endpoints" });
    let watch = "GET /api/v1/namespaces/watch/services/longshore-watch:api/proxy/v1/shops";
    let away = |path: &str| expect(&format!("{watch}{path}")).refuses_as(away.clone());
    let console = console([
        may(), // halt
        may(), // start rollouts
        may(), // change any shop
        may(), // make shops
        may(), // change acme
        may(), // start Jobs of acme
        expect("GET /apis/batch/v1/namespaces/shop-acme/cronjobs/backup").refuses(
            403,
            "Forbidden",
            "cronjobs <script>",
        ),
        expect("GET /api/v1/namespaces/shop-acme/pods").answers(one),
        expect("GET /apis/batch/v1/namespaces/shop-acme/cronjobs/backup").answers(json!({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {},
            "status": { "lastSuccessfulTime": "2026-12-01T02:10:00Z" },
        })),
        may(), // steer r
        away(""),
        may(), // lift
    ])
    .await;
    let pages = [
        ("/shops", "1 of 1 shop"),
        ("/shops/acme", "not served; pods: 1/2"),
        ("/shops/acme/restore", "Not now: shop acme is Active"),
        ("/shops/acme/edit/config", "a/b = &#60;script&#62;alert(1)"),
        ("/shops/acme/edit/domains", "acme.example primary"),
        ("/many?shop=acme", "Change 1 shop<"),
        ("/new", "<option value=\"php\">php</option>"),
        ("/import", "type=\"file\""),
        ("/releases", "No Release is in the cluster"),
        ("/rollouts", "shops-acme-3"),
        ("/rollouts/r", "1 of 4 shops run it"),
        ("/fleet", "no endpoints"),
        ("/audit", "&#60;img src=x&#62;"),
        ("/halt", "Rollouts go on."),
    ];
    for (path, said) in pages {
        let page = console.get(path).await;
        assert_eq!(page.code, StatusCode::OK, "{path}: {}", page.text);
        assert!(page.text.contains(said), "{path}: {}", page.text);
        assert!(
            page.text.ends_with("</html>\n") || page.text.ends_with("</html>"),
            "{path}"
        );
        assert!(
            page.text.len() < 60 << 10,
            "{path}: {} bytes",
            page.text.len()
        );
        let scripts = page.text.matches("<script").count();
        assert_eq!(scripts, 2, "{path}: {}", page.text);
        assert!(
            !page.text.contains("<img") && !page.text.contains(" style="),
            "{path}"
        );
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
        assert_eq!(page.headers["cache-control"], "no-store", "{path}");
    }
    console.script.end();
}

#[tokio::test]
async fn the_part_of_a_shop_that_follows_changes_asks_nothing_that_is_not_watched() {
    // Of the rights, which are kept for a while.
    let console = console(iter::repeat_with(may).take(4)).await;
    for _ in 0..3 {
        let request = Request::get("/shops/acme").header("hx-target", "shop");
        let page = console.ask(request, String::new()).await;
        assert_eq!(page.code, StatusCode::OK, "{}", page.text);
        assert!(page.text.contains("not served; pods: 1/2"), "{}", page.text);
    }
    console.script.end();
}

#[tokio::test]
async fn what_is_not_here_says_so_and_what_it_is_called() {
    let console = console([may(), may(), may()]).await;
    for (path, said) in [
        ("/shops/other", "There is no shop other."),
        ("/shops/acme/edit/soul", "A shop has no soul to change."),
        ("/rollouts/none", "There is no rollout none."),
        ("/rollouts/new", "Choose shops, or a release"),
        ("/nowhere", "There is no such page."),
        ("/login?secret=wrong", "This is not the address"),
    ] {
        let page = console.get(path).await;
        assert_eq!(page.code, StatusCode::NOT_FOUND, "{path}");
        assert!(page.text.contains(said), "{path}: {}", page.text);
    }
}

#[tokio::test]
async fn the_shops_of_a_node_are_those_whose_pods_are_there() {
    for (shop, said) in [("acme", "1 of 1 shop"), ("other", "0 of 1 shop")] {
        let pod = json!({ "name": "web-1", "labels": { "longshore.dev/shop": shop } });
        let pods =
            expect("GET /api/v1/pods fieldSelector=spec.nodeName%3Dn1").answers(list(&[pod], None));
        let rights = iter::repeat_with(may).take(4);
        let console = console(iter::once(pods).chain(rights)).await;
        let page = console.get("/shops?node=n1").await;
        assert!(page.text.contains(said), "{}", page.text);
        assert!(page.text.contains("value=\"n1\""));
        console.script.end();
    }
}

#[tokio::test]
async fn a_rollout_is_paused_in_the_name_of_who_clicked() {
    let path = "PATCH /apis/longshore.dev/v1alpha1/rollouts/r";
    let stored = json!({ "apiVersion": "longshore.dev/v1alpha1", "kind": "Rollout", "metadata": { "name": "r", "resourceVersion": "5" }, "spec": { "release": "shops-acme-3" } });
    let console = console([
        expect(path).made_of(|sent: Value| {
            assert_eq!(sent["spec"]["paused"], true);
            json!({ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": { "name": "r" } })
        }),
        expect("GET /apis/longshore.dev/v1alpha1/rollouts/r").answers(stored.clone()),
        expect(&format!("{path}/status")).made_of(move |sent: Value| {
            let act = &sent["status"]["history"][0];
            assert_eq!((&act["by"], &act["why"]), (&json!("anna <script>"), &json!("lunch")));
            stored
        }),
    ])
    .await;
    let page = console.post("/rollouts/r", "do=pause&why=+lunch+").await;
    assert_eq!(page.code, StatusCode::SEE_OTHER, "{}", page.text);
    assert_eq!(page.headers["location"], "/rollouts/r");
    assert!(page.headers.contains_key(SET_COOKIE));
    console.script.end();
}

#[tokio::test]
async fn a_form_of_another_run_or_page_does_nothing() {
    let console = console([]).await;
    let request =
        || Request::post("/halt").header("content-type", "application/x-www-form-urlencoded");
    let own = request().header("origin", format!("http://{HOST}"));
    let page = console.ask(own, "do=halt&why=x&token=old".to_owned()).await;
    assert_eq!(page.code, StatusCode::FORBIDDEN);
    assert!(page.text.contains("load the page again"), "{}", page.text);
    let other = request().header("origin", "https://evil.example");
    let token = console.guard.form_token("");
    let page = console.ask(other, format!("do=halt&token={token}")).await;
    assert_eq!(page.code, StatusCode::FORBIDDEN);
    console.script.end();
}

#[tokio::test]
async fn what_a_refused_request_brings_along_is_read_so_that_its_sender_sees_why() {
    let console = console([]).await;
    let (end, read) = oneshot::channel();
    let late = stream::once(async move {
        tokio::task::yield_now().await;
        end.send(()).unwrap();
        Ok::<_, Infallible>("do=halt")
    });
    let request = Request::post("/halt")
        .header("host", HOST)
        .header("cookie", console.guard.cookie())
        .header("origin", "https://evil.example")
        .body(Body::from_stream(late))
        .unwrap();
    let response = console.routes.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    read.await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_read_stays_in_the_form() {
    let console = console([may(), may()]).await;
    let form = "generation=7&step=plan&min=two&max=4&cpu=65&workers=&campaigns=";
    let page = console.post("/shops/acme/edit/scale", form).await;
    assert_eq!(page.code, StatusCode::OK);
    assert!(
        page.text.contains("expected a whole number"),
        "{}",
        page.text
    );
    assert!(page.text.contains("value=\"two\"") && page.text.contains("value=\"4\""));
    console.script.end();
}

#[tokio::test]
async fn nobody_sees_half_a_registry() {
    let console = console([may(), may()]).await;
    // As after a start: nothing is listed yet.
    let fresh = Desk {
        registry: Arc::default(),
        guard: Arc::clone(&console.guard),
        people: People::One(Person::seeing(View::ALL)),
        login: None,
        own: Script::new([]).cluster(),
        figures: Arc::default(),
        namespace: "longshore-system".to_owned(),
        begun: Begun::default(),
        stop: CancellationToken::new(),
    };
    assert!(console.registry.read().is_listed());
    assert!(fresh.sight(&View::ALL).is_none());
}
