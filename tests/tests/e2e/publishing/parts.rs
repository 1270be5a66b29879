//! Blobs that are too large for one request.

use super::{
    interrupted::{interrupted, killed},
    publisher, refused, server, tell, verified,
};
use e2e::{
    peers::Peer,
    s3::{Effect, Fault, Faults, Operation},
    shop::Shop,
};
use std::fs;
/// Bytes that no compression makes smaller: the cheapest generator that is not seen through.
fn incompressible(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(bytes).collect()
}

fn a_large_file_travels(shop: &Shop) {
    let large = incompressible(17 << 20);
    fs::write(shop.module(1).join("catalogue.bin"), &large).unwrap();
    shop.publish();
    shop.init("pod").run().expect(0);
    assert!(
        fs::read(shop.path("pod/current/app/code/module1/catalogue.bin")).unwrap() == large,
        "other bytes"
    );
    verified(shop);
}

#[test]
fn a_large_blob_goes_in_parts_to_our_server() {
    let server = server();
    a_large_file_travels(&Shop::on(&server, 2, 5));
    assert_eq!(server.stats().count(Operation::UploadPart), 3);
    assert_eq!(server.stats().count(Operation::CompleteMultipartUpload), 1);
    assert_eq!(server.uploads(), Vec::<String>::new());
}

#[test]
fn a_large_blob_goes_in_parts_to_moto() {
    let moto = Peer::moto("releases");
    a_large_file_travels(&Shop::on_peer(&moto, 2, 5));
}

#[test]
fn an_upload_in_parts_that_fails_is_aborted_and_the_next_run_sends_only_the_rest() {
    let server = server();
    let shop = Shop::on(&server, 2, 5);
    let large = incompressible(17 << 20);
    fs::write(shop.module(1).join("catalogue.bin"), &large).unwrap();
    server.fault(
        Fault::new(Effect::access_denied())
            .on(Operation::UploadPart)
            .skip(1),
    );
    refused(&publisher(&shop).run(), 64, "forbidden");
    assert_eq!(
        server.uploads(),
        Vec::<String>::new(),
        "what was sent in parts would cost money for ever"
    );
    refused(&shop.longshore(["verify"]), 64, "channel-missing");
    let there: usize = server
        .keys()
        .iter()
        .filter(|key| key.contains("/blobs/"))
        .map(|key| server.get(key).unwrap().len())
        .sum();
    assert!(there > 0, "the small blobs went at the same time");
    server.set_faults(Faults::default());
    let again = shop.publish();
    assert_eq!(again["reusedBytes"], there);
    assert!(again["uploadedBytes"].as_u64().unwrap() >= large.len() as u64);
    verified(&shop);
    tell(1);
}

#[test]
fn a_publisher_that_is_killed_amid_an_upload_in_parts_is_finished_by_the_next() {
    let server = server();
    let shop = Shop::on(&server, 1, 3);
    fs::write(
        shop.module(0).join("catalogue.bin"),
        incompressible(9 << 20),
    )
    .unwrap();
    let trace = shop.path("trace");
    publisher(&shop)
        .env("FAILPOINT_TRACE", &trace)
        .run()
        .expect(0);
    let names = fs::read_to_string(trace).unwrap();
    let parts: Vec<_> = names
        .lines()
        .enumerate()
        .filter(|(_, name)| name.starts_with("store.multipart."))
        .map(|(at, _)| at + 1)
        .collect();
    assert_eq!(parts.len(), 5, "create, two parts, complete, done: {names}");
    let mut state = verified(&shop);
    for (seed, n) in parts.into_iter().enumerate() {
        state = interrupted(&shop, &state, n, "kill", seed as u64, killed);
    }
    tell(5);
}
