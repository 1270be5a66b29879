//! The console for many people, as browsers of two roles get it: one sees everything and may do
//! everything, and the other has one shop.

use super::baseline::{self, Answer};
use crate::{
    begun::Begun,
    desk::Desk,
    guard::Guard,
    login::testing::Stage,
    person::{Crowd, People},
    registry::Registry,
    session::{Keys, Purpose, SESSION, Session, tests::keys},
    web::routes,
};
use api::{Release, Rollout, Shop, ShopClass, fixtures};
use axum::{Router, body::Body};
use client::Cluster;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use kube::Client;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    convert::Infallible,
    sync::Arc,
};
use tokio_util::sync::CancellationToken;
use tower::{ServiceExt as _, service_fn};

const HOST: &str = "console.example";
/// What a tenant writes wherever anything can be written.
const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}";
const ADMIN: &str = "oidc:clara";
const MANAGER: &str = "oidc:anna";

struct Cloud {
    routes: Router,
    keys: Keys,
    _provider: Stage,
}

/// The API server: an admin may do everything, a manager what is of the shop acme, and nobody is
/// anybody without being impersonated.
async fn api(
    request: Request<kube::client::Body>,
) -> Result<Response<kube::client::Body>, Infallible> {
    let user = request.headers().get("impersonate-user").cloned();
    let (path, admin) = (
        request.uri().path().to_owned(),
        user.as_ref().is_some_and(|user| user == ADMIN),
    );
    let body = request.into_body().collect_bytes().await.unwrap();
    let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
    let (code, answer) = match path.rsplit('/').next().unwrap() {
        "selfsubjectaccessreviews" => {
            assert!(user.is_some(), "asked as the console itself: {sent}");
            let asked = &sent["spec"]["resourceAttributes"];
            let own = asked["resource"] == "shops" && asked["name"] == "acme";
            (
                200,
                json!({ "spec": sent["spec"], "status": { "allowed": admin || own } }),
            )
        }
        "selfsubjectrulesreviews" => {
            let rule = json!({ "verbs": ["get", "patch"], "apiGroups": ["longshore.dev"], "resources": ["shops"], "resourceNames": ["acme"] });
            let status =
                json!({ "resourceRules": [rule], "nonResourceRules": [], "incomplete": true });
            (200, json!({ "spec": sent["spec"], "status": status }))
        }
        "pods" => (
            200,
            json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [] }),
        ),
        _ => (
            503,
            json!({ "kind": "Status", "code": 503, "message": HOSTILE }),
        ),
    };
    let response = Response::builder().status(code);
    let body = kube::client::Body::from(answer.to_string().into_bytes());
    Ok(response.body(body).unwrap())
}

impl Cloud {
    async fn new(shops: Vec<Shop>, rollouts: Vec<Rollout>) -> Self {
        let provider = Stage::new().await;
        let own = Cluster::over(Client::new(service_fn(api), "default"));
        let registry = Arc::new(Registry::default());
        let classes = shops
            .iter()
            .map(|shop| fixtures::class(&shop.spec.class, json!({})));
        registry.all::<ShopClass>(classes.collect());
        registry.all::<Shop>(shops);
        registry.all::<Release>(Vec::new());
        registry.all::<Rollout>(rollouts);
        let origin = format!("https://{HOST}").parse().unwrap();
        let desk = Desk {
            registry,
            guard: Arc::new(Guard::of_login(origin, Arc::new(keys(&[1])))),
            people: People::Many(Crowd::new(own.clone(), "longshore-system")),
            login: Some(provider.login(None)),
            own,
            figures: Arc::default(),
            namespace: "longshore-system".to_owned(),
            begun: Begun::default(),
            stop: CancellationToken::new(),
        };
        Self {
            routes: routes(desk),
            keys: keys(&[1]),
            _provider: provider,
        }
    }

    async fn get(&self, user: Option<&str>, path: &str) -> Answer {
        let mut request = Request::get(path).header("host", HOST);
        if let Some(user) = user {
            let session = Session {
                user: user.to_owned(),
                groups: vec!["oidc:staff".to_owned()],
                until: Timestamp::now() + SESSION,
            };
            let sealed = self.keys.seal(Purpose::Session, &session).unwrap();
            request = request.header("cookie", format!("__Host-longshore={sealed}"));
        }
        let request = request.body(Body::empty()).unwrap();
        let response = self.routes.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            path: path.to_owned(),
            code: head.status,
            headers: head.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// Each page to which links, forms and parts of pages lead, from the first one on.
    async fn crawl(&self, user: Option<&str>) -> Vec<Answer> {
        let mut seen = BTreeSet::new();
        let mut to_come = VecDeque::from([
            "/".to_owned(),
            "/login?to=/shops".to_owned(),
            "/logged-out".to_owned(),
            "/none".to_owned(),
        ]);
        let mut found = Vec::new();
        while let Some(path) = to_come.pop_front() {
            // Questions of the same page are one page.
            let kind = path.split("sort=").next().unwrap_or_default().to_owned();
            if !seen.insert(kind) || found.len() >= 200 {
                continue;
            }
            let answer = self.get(user, &path).await;
            to_come.extend(answer.leads_to());
            found.push(answer);
        }
        found
    }
}

fn shop(name: &str, more: Value) -> Shop {
    let mut shop = fixtures::shop(name, more);
    shop.metadata.generation = Some(7);
    let condition = json!({ "type": "Ready", "status": "False", "reason": HOSTILE, "message": HOSTILE, "lastTransitionTime": "2026-12-01T10:00:00Z" });
    let status = json!({
        "observedGeneration": 7, "pods": HOSTILE, "conditions": [condition],
        "release": { "name": HOSTILE, "sequence": 3, "manifest": HOSTILE, "since": HOSTILE },
        "certificates": [{ "host": HOSTILE, "issuer": HOSTILE, "notAfter": "2020-01-01T00:00:00Z", "problem": HOSTILE }],
    });
    shop.status = Some(serde_json::from_value(status).unwrap());
    shop
}

fn hostile(name: &str) -> Shop {
    shop(
        name,
        json!({
            "class": HOSTILE, "channel": HOSTILE,
            "domains": [{ "host": HOSTILE, "primary": true, "storeCode": HOSTILE, "redirectTo": HOSTILE, "certificate": HOSTILE }],
            "modules": { "enable": [HOSTILE], "disable": [HOSTILE] },
            "config": { "values": { HOSTILE: HOSTILE } },
        }),
    )
}

fn rollout(name: &str, shops: &[&str]) -> Rollout {
    let mut spec = operations::rollout::defaults(HOSTILE);
    spec.shops = shops.iter().map(|shop| (*shop).to_owned()).collect();
    spec.canaries.clone_from(&spec.shops);
    spec.started = Some(api::Started {
        by: HOSTILE.to_owned(),
        why: HOSTILE.to_owned(),
    });
    let mut rollout = Rollout::new(name, spec);
    let act = json!({ "at": HOSTILE, "by": HOSTILE, "what": HOSTILE, "why": HOSTILE });
    let failed = json!({ "shop": shops.first().unwrap_or(&"x"), "why": HOSTILE });
    let counts =
        json!({ "all": 4, "done": 1, "moving": 1, "waiting": 1, "failed": 1, "returned": 0 });
    let status = json!({ "phase": "Moving", "wave": 1, "counts": counts, "history": [act], "failed": [failed] });
    rollout.status = Some(serde_json::from_value(status).unwrap());
    rollout
}

async fn two_shops() -> Cloud {
    let shops = vec![hostile("acme"), hostile("zebra-shop"), hostile(HOSTILE)];
    let rollouts = vec![
        rollout("of-acme", &["acme"]),
        rollout("unseen-1", &["acme", "zebra-shop"]),
        rollout("unseen-2", &[]),
        rollout(HOSTILE, &["zebra-shop"]),
    ];
    Cloud::new(shops, rollouts).await
}

#[tokio::test]
async fn every_page_of_both_roles_passes_the_passive_rules_of_a_scanner() {
    let cloud = two_shops().await;
    let mut pages = BTreeMap::new();
    for user in [Some(ADMIN), Some(MANAGER), None] {
        let found = cloud.crawl(user).await;
        let mut problems = Vec::new();
        for answer in &found {
            problems.extend(baseline::problems(answer));
        }
        assert!(problems.is_empty(), "{user:?}: {problems:#?}");
        pages.insert(user, found);
    }
    let good = |user| {
        pages[&user]
            .iter()
            .filter(|it| it.code == StatusCode::OK)
            .count()
    };
    // Who sees less has fewer pages, and who is not logged in has the style alone.
    assert!(
        good(Some(ADMIN)) > good(Some(MANAGER)),
        "{} {}",
        good(Some(ADMIN)),
        good(Some(MANAGER))
    );
    assert!(good(Some(MANAGER)) > 15, "{}", good(Some(MANAGER)));
    let open: BTreeSet<_> = pages[&None]
        .iter()
        .filter(|it| it.code == StatusCode::OK)
        .map(|it| it.path.as_str())
        .collect();
    assert_eq!(
        open,
        ["/assets/console.css", "/assets/icon.svg", "/logged-out"].into()
    );
}

#[tokio::test]
async fn what_a_tenant_wrote_runs_on_no_page() {
    let cloud = two_shops().await;
    let found = cloud.crawl(Some(ADMIN)).await;
    let mut shown = 0;
    for answer in found.iter().filter(|it| it.is_page()) {
        shown += answer.text.matches("&#60;script&#62;alert(1)").count();
        for bad in ["<script>", "<img", "onerror=alert(2)>", "=\"'>"] {
            assert!(
                !answer.text.contains(bad),
                "{}: {bad}: {}",
                answer.path,
                answer.text
            );
        }
    }
    assert!(shown > 60, "{shown}");
}

#[tokio::test]
async fn nothing_of_another_shop_is_on_any_page() {
    let cloud = two_shops().await;
    let mut found = cloud.crawl(Some(MANAGER)).await;
    for path in [
        "/audit.csv",
        "/shops?q=zebra",
        "/shops/zebra-shop",
        "/rollouts/unseen-1",
    ] {
        found.push(cloud.get(Some(MANAGER), path).await);
    }
    for answer in found {
        // But for what the person asked for.
        let text = answer.text.replace("There is no shop zebra-shop.", "");
        let text = text.replace("There is no rollout unseen-1.", "");
        let text = text.replace("value=\"zebra\"", "").replace("q=zebra", "");
        for other in ["zebra", "unseen"] {
            assert!(!text.contains(other), "{} has {other}: {text}", answer.path);
        }
    }
    let shops = cloud.get(Some(MANAGER), "/shops").await;
    assert!(shops.text.contains("1 of 1 shop"), "{}", shops.text);
    let fleet = cloud.get(Some(MANAGER), "/fleet").await;
    assert!(fleet.text.contains(">1 shop:"), "{}", fleet.text);
}

#[tokio::test]
async fn a_session_leads_back_to_the_page_that_somebody_came_for() {
    let cloud = two_shops().await;
    let answer = cloud.get(None, "/shops/acme?a=b").await;
    assert_eq!(answer.code, StatusCode::SEE_OTHER);
    assert_eq!(answer.headers["location"], "/login?to=/shops/acme%3Fa%3Db");
    let begun = cloud.get(None, "/login?to=/shops/acme%3Fa%3Db").await;
    assert_eq!(begun.code, StatusCode::SEE_OTHER);
    let to = begun.headers["location"].to_str().unwrap();
    assert!(
        to.starts_with("https://localhost:") && to.contains("code_challenge="),
        "{to}"
    );
    let cookie = begun.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-longshore-login="), "{cookie}");
    for _ in 0..40 {
        cloud.get(None, "/login").await;
    }
    let often = cloud.get(None, "/login").await;
    assert_eq!(often.code, StatusCode::TOO_MANY_REQUESTS);
    assert!(often.text.contains("login-often"), "{}", often.text);
}

/// The headers of an answer that has these.
pub(super) fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
    let pairs = all
        .iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
    pairs.collect()
}
