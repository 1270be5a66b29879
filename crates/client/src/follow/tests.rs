//! What a consumer hears, against a scripted API server. Its scripts end with a change after which
//! the test stops, since a watch that ends is asked for again.

use super::*;
use crate::scripted::{Exchange, Script, expect};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};
use tokio::time::Instant;

const LIST: &str = "GET /api/v1/namespaces/edge/configmaps limit=2";
const WATCH: &str = "GET /api/v1/namespaces/edge/configmaps watch=true";

fn object(name: &str, version: u32) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "resourceVersion": version.to_string()},
    })
}

fn page(names: &[&str], version: u32, next: Option<&str>) -> Value {
    let items: Vec<_> = names.iter().map(|name| object(name, version)).collect();
    json!({
        "apiVersion": "v1", "kind": "ConfigMapList", "items": items,
        "metadata": {"resourceVersion": version.to_string(), "continue": next},
    })
}

fn event(kind: &str, name: &str, version: u32) -> Value {
    json!({"type": kind, "object": object(name, version)})
}

/// A watch from this version on.
fn watch(version: u32) -> Exchange {
    expect(&format!("{WATCH} resourceVersion={version}"))
}

fn all(names: &[&str]) -> WatchEvent<String> {
    WatchEvent::All(names.iter().map(|&name| name.to_owned()).collect())
}

fn applied(name: &str) -> WatchEvent<String> {
    WatchEvent::Applied(name.to_owned())
}

/// What is heard of ConfigMaps, but for those that are named `other`, until the change `last`.
async fn heard(script: &Script, last: WatchEvent<String>) -> Vec<WatchEvent<String>> {
    let watch = Watch {
        what: "maps",
        api: Api::<ConfigMap>::namespaced(script.cluster().client(), "edge"),
        config: watcher::Config::default().page_size(2),
        lists: None,
    };
    let stop = CancellationToken::new();
    let keep = |map: ConfigMap| map.metadata.name.filter(|name| name != "other");
    let mut heard = Vec::new();
    let take = |change| {
        if change == last {
            stop.cancel();
        }
        heard.push(change);
    };
    let following = follow(watch, &stop, keep, take);
    let ended = timeout(Duration::from_mins(10), following).await;
    script.end();
    assert!(ended.is_ok(), "{last:?} was not heard, but {heard:?}");
    heard
}

#[tokio::test(start_paused = true)]
async fn a_list_comes_whole_and_then_each_change() {
    let script = Script::new([
        expect(LIST).answers(page(&["a", "other"], 7, Some("next"))),
        expect(&format!("{LIST} continue=next")).answers(page(&["b"], 7, None)),
        watch(7).tells([
            event("ADDED", "c", 8),
            event("MODIFIED", "a", 9),
            event("MODIFIED", "other", 10),
            event("DELETED", "b", 11),
        ]),
        // A watch that ends is no failure, and goes on from there.
        watch(11).tells([event("ADDED", "d", 12)]),
    ]);
    assert_eq!(
        heard(&script, applied("d")).await,
        [
            all(&["a", "b"]),
            applied("c"),
            applied("a"),
            WatchEvent::Deleted("b".to_owned()),
            applied("d"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_forgotten_is_listed_anew() {
    let gone = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "reason": "Expired", "message": "too old resource version", "code": 410,
    });
    let script = Script::new([
        expect(LIST).answers(page(&["a", "b"], 7, None)),
        watch(7).tells([json!({"type": "ERROR", "object": gone})]),
        expect(LIST).answers(page(&["b"], 20, None)),
        watch(20).tells([event("ADDED", "c", 21)]),
    ]);
    assert_eq!(
        heard(&script, applied("c")).await,
        [
            all(&["a", "b"]),
            WatchEvent::Broken,
            WatchEvent::Mended,
            all(&["b"]),
            applied("c"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn half_a_list_is_never_heard() {
    let script = Script::new([
        expect(LIST).answers(page(&["a", "b"], 7, Some("next"))),
        expect(&format!("{LIST} continue=next")).refuses(500, "InternalError", "etcd"),
        expect(LIST).answers(page(&["b"], 8, None)),
    ]);
    assert_eq!(
        heard(&script, all(&["b"])).await,
        [WatchEvent::Broken, WatchEvent::Mended, all(&["b"])]
    );
}

#[tokio::test(start_paused = true)]
async fn failures_are_waited_out_and_said_once() {
    let refused = || watch(7).refuses(503, "ServiceUnavailable", "starting");
    let script = Script::new([
        expect(LIST).answers(page(&["a"], 7, None)),
        refused(),
        refused(),
        refused(),
        watch(7).tells([event("ADDED", "b", 8)]),
    ]);
    let start = Instant::now();
    assert_eq!(
        heard(&script, applied("b")).await,
        [
            all(&["a"]),
            WatchEvent::Broken,
            WatchEvent::Mended,
            applied("b")
        ]
    );
    // Pauses of 0.8, 1.6 and 3.2 s, each up to twice as long.
    let waited = start.elapsed().as_secs_f64();
    assert!((5.6..11.3).contains(&waited), "{waited} s");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_works_again_and_has_nothing_to_say_is_mended() {
    let script = Script::new([
        expect(LIST).answers(page(&["a"], 7, None)),
        watch(7).refuses(503, "ServiceUnavailable", "starting"),
        watch(7).stays_silent(),
    ]);
    assert_eq!(
        heard(&script, WatchEvent::Mended).await,
        [all(&["a"]), WatchEvent::Broken, WatchEvent::Mended]
    );
}

#[tokio::test(start_paused = true)]
async fn a_list_waits_for_that_of_another_kind_and_not_for_ever() {
    let lists = Semaphore::new(1);
    let script = Script::new([expect(LIST).answers(page(&["a"], 7, None))]);
    let other = lists.acquire().await;
    let stop = CancellationToken::new();
    let watch = Watch {
        what: "maps",
        api: Api::<ConfigMap>::namespaced(script.cluster().client(), "edge"),
        config: watcher::Config::default().page_size(2),
        lists: Some(&lists),
    };
    let start = Instant::now();
    follow(watch, &stop, Some, |_| stop.cancel()).await;
    script.end();
    assert_eq!(start.elapsed(), TURN);
    drop(other);

    let script = Script::new([expect(LIST).answers(page(&["a"], 7, None))]);
    let stop = CancellationToken::new();
    let watch = Watch {
        what: "maps",
        api: Api::<ConfigMap>::namespaced(script.cluster().client(), "edge"),
        config: watcher::Config::default().page_size(2),
        lists: Some(&lists),
    };
    let start = Instant::now();
    let keep = |map: ConfigMap| {
        assert_eq!(
            lists.available_permits(),
            0,
            "its turn ended before its list"
        );
        Some(map)
    };
    follow(watch, &stop, keep, |_| {
        assert_eq!(lists.available_permits(), 1, "its turn outlasts its list");
        stop.cancel();
    })
    .await;
    script.end();
    assert_eq!(start.elapsed(), Duration::ZERO);
}
