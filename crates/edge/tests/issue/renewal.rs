//! Certificates are renewed when the CA says so (ARI, RFC 9773).

use crate::{account::revoke, world::World};

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_in_the_window_of_the_ca_and_counts_no_order() {
    let world = World::start().await;
    world.hosts(&["www.a.example", "www.b.example"]);
    let issuer = world.issuer();
    let first = world.issued("www.a.example").await;
    let other = world.issued("www.b.example").await;
    let pem = world.certificate("www.a.example").unwrap();
    let leaf = pem.find("-----BEGIN CERTIFICATE").unwrap();
    let (start, end) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
    world
        .pebble
        .renew_between(&world.tls, &pem[leaf..], start, end)
        .await;
    let renewed = world
        .until("www.a.example", "renewed", |it| it.id != first.id)
        .await;
    world.issued("www.a.example").await;
    // A renewal that the CA asks for costs nothing, and replaces key and certificate.
    assert_eq!(renewed.certificates, first.certificates);
    assert_eq!(renewed.orders, first.orders);
    assert_ne!(
        world.certificate("www.a.example").unwrap()[..leaf],
        pem[..leaf]
    );
    assert_eq!(world.record("www.b.example").unwrap().id, other.id);
    assert_eq!(world.proxy.asked("order-plz"), 3);
    issuer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_certificate_is_replaced() {
    let world = World::start().await;
    world.hosts(&["www.a.example"]);
    let issuer = world.issuer();
    let first = world.issued("www.a.example").await;
    revoke(&world, &world.certificate("www.a.example").unwrap()).await;
    world
        .until("www.a.example", "replaced", |it| it.id != first.id)
        .await;
    world.issued("www.a.example").await;
    issuer.stop().await;
}
