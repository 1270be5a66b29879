//! Somebody who may write to the bucket, and holds no key: pods refuse, and publishers do not build
//! on what they wrote.

use e2e::{
    s3::{Options, Server},
    shop::{Shop, json, last_event},
};
use serde_json::Value;

const HEAD: &str = "prod/channels/shops/acme/release.json";

fn published() -> (Server, Shop) {
    let server = Server::start(Options::default()).unwrap();
    let shop = Shop::on(&server, 2, 10);
    shop.publish();
    (server, shop)
}

fn reason(shop: &Shop, pod: &str, code: i32) -> Value {
    last_event(&shop.init(pod).run().expect(code))["reason"].clone()
}

#[test]
fn a_statement_that_was_changed_is_refused() {
    let (server, shop) = published();
    let mut envelope: Value = serde_json::from_slice(&server.get(HEAD).unwrap()).unwrap();
    let payload = envelope["payload"].as_str().unwrap().to_owned();
    // Another character in the middle of the base64 text: still well-formed, no longer what was
    // signed.
    let (at, old) = payload.char_indices().nth(payload.len() / 2).unwrap();
    let new = if old == 'A' { 'B' } else { 'A' };
    envelope["payload"] = format!("{}{new}{}", &payload[..at], &payload[at + 1..]).into();
    server.put(HEAD, serde_json::to_vec(&envelope).unwrap());
    assert_eq!(reason(&shop, "pod", 65), "signature");
}

#[test]
fn a_blob_that_was_changed_is_refused_and_nothing_of_it_is_kept() {
    let (server, shop) = published();
    let key = server
        .keys()
        .into_iter()
        .filter(|key| key.contains("/blobs/"))
        .max_by_key(|key| server.get(key).unwrap().len())
        .unwrap();
    let mut bytes = server.get(&key).unwrap().to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    server.put(&key, bytes);
    assert_eq!(reason(&shop, "pod", 65), "digest");
    assert!(!shop.path("pod/current").exists());
    assert_eq!(
        std::fs::read_dir(shop.path("pod/releases"))
            .unwrap()
            .count(),
        0
    );
    assert_eq!(
        std::fs::read_dir(shop.path("pod/staging")).unwrap().count(),
        0
    );
    let verify = shop.longshore(["verify", "--deep"]).expect(65);
    assert!(verify.stderr.contains("[reason: digest]"), "{verify:#?}");
}

#[test]
fn an_old_release_put_back_is_refused_where_a_newer_one_ran() {
    let (server, shop) = published();
    let old = server.get(HEAD).unwrap();
    shop.edit(1, 3, 0.5);
    shop.publish();
    shop.init("pod").run().expect(0);
    server.put(HEAD, old);
    assert_eq!(reason(&shop, "pod", 65), "rollback");
    let fresh = shop
        .init("fresh")
        .env("LONGSHORE_FLOOR", "2")
        .run()
        .expect(65);
    assert_eq!(last_event(&fresh)["reason"], "rollback");
}

#[test]
fn a_publisher_does_not_continue_after_a_sequence_that_nobody_signed() {
    let (server, shop) = published();
    let unsigned = shop.path("evil");
    shop.longshore([
        "pack",
        "--out",
        "evil",
        "--sequence",
        "9007199254740000",
        "--level",
        "1",
    ])
    .expect(0);
    server.put(HEAD, std::fs::read(unsigned.join("release.json")).unwrap());
    let refused = shop.publisher().run().expect(65);
    assert!(
        refused.stderr.contains("[reason: signature]"),
        "{refused:#?}"
    );
    let mended = json(
        &shop
            .publisher()
            .arg("--replace-untrusted")
            .arg("--again")
            .run()
            .expect(0),
    );
    assert_eq!(
        mended["sequence"], 2,
        "it continues after the newest release that is signed"
    );
    shop.init("pod").run().expect(0);
}

#[test]
fn a_publisher_continues_after_a_release_from_before_a_rotation() {
    let (_server, shop) = published();
    shop.longshore(["key", "generate", "next"]).expect(0);
    shop.longshore([
        "trust",
        "rotate",
        "1.root.json",
        "--key",
        "next.pub",
        "--sign",
        "ci.key",
        "--sign",
        "next.key",
        "--out",
        "2.root.json",
    ])
    .expect(0);
    let rotated = shop.longshore([
        "publish",
        "--sign",
        "next.key",
        "--trust",
        "2.root.json",
        "--again",
        "--output",
        "json",
        "--level",
        "1",
    ]);
    assert_eq!(json(&rotated.expect(0))["sequence"], 2);
    // The pod still holds version 1, and walks to version 2 by itself.
    assert_eq!(last_event(&shop.init("pod").run().expect(0))["sequence"], 2);
    let withdrawn = shop.publisher().arg("--again").run().expect(65);
    assert!(
        withdrawn.stderr.contains("is not trusted"),
        "{withdrawn:#?}"
    );
}

#[test]
fn a_release_that_both_keys_signed_is_accepted_before_and_after_the_next_root_is_in_the_store() {
    let (server, shop) = published();
    shop.longshore(["key", "generate", "next"]).expect(0);
    let rotate = [
        "trust",
        "rotate",
        "1.root.json",
        "--key",
        "next.pub",
        "--sign",
        "ci.key",
        "--sign",
        "next.key",
        "--out",
        "2.root.json",
    ];
    shop.longshore(rotate).expect(0);
    shop.longshore([
        "publish", "--again", "--sign", "ci.key", "--sign", "next.key", "--level", "1",
    ])
    .expect(0);
    assert_eq!(
        last_event(&shop.init("before").run().expect(0))["sequence"],
        2
    );
    // What a publisher that dies between the root and the channel leaves behind.
    server.put(
        "prod/trust/2.root.json",
        std::fs::read(shop.path("2.root.json")).unwrap(),
    );
    assert_eq!(
        last_event(&shop.init("after").run().expect(0))["sequence"],
        2
    );
}
